package standin

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
)

// contents says which programs each package brought, in the order of archives.
type contents struct {
	programs [][]string
}

// tree is a merged file system under construction: one folder for programs
// (usr/bin holds what was in bin, sbin and usr/sbin), one for libraries.
type tree struct {
	root string
}

// unpack lays the files of all archives into one folder.
func unpack(ctx context.Context, archives []string, root string) (contents, error) {
	t := tree{root: root}
	var all contents
	if err := os.MkdirAll(filepath.Join(root, "usr", "bin"), 0o755); err != nil {
		return all, fmt.Errorf("making the stand-in's tree: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i, opened := range openAll(ctx, archives) {
		data := <-opened
		if data.err != nil {
			return all, fmt.Errorf("unpacking %s: %w", filepath.Base(archives[i]), data.err)
		}
		programs, err := t.archive(archives[i], data.tar)
		if err != nil {
			return all, fmt.Errorf("unpacking %s: %w", filepath.Base(archives[i]), err)
		}
		all.programs = append(all.programs, programs)
	}
	return all, t.finish()
}

// opened is the decompressed content of a package.
type opened struct {
	tar []byte
	err error
}

// openAll decompresses packages on all processors, a few ahead of whoever reads
// the results, which come in the packages' order.
func openAll(ctx context.Context, archives []string) []chan opened {
	results := make([]chan opened, len(archives))
	for i := range results {
		results[i] = make(chan opened)
	}
	var next atomic.Int64
	for range runtime.NumCPU() {
		go func() {
			for i := next.Add(1) - 1; i < int64(len(archives)); i = next.Add(1) - 1 {
				output, err := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archives[i]).Output()
				if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
					err = fmt.Errorf("dpkg-deb: %w: %s", err, bytes.TrimSpace(exit.Stderr))
				}
				select {
				case results[i] <- opened{output, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return results
}

// archive unpacks one package and returns the names of its programs.
func (t tree) archive(file string, content []byte) ([]string, error) {
	name, _, _ := strings.Cut(filepath.Base(file), "_")
	programs, err := t.members(tar.NewReader(bytes.NewReader(content)), unitMakers[name])
	if err != nil {
		return nil, err
	}
	for _, alternative := range alternatives {
		if slices.Contains(programs, alternative.target) {
			programs = append(programs, alternative.name)
		}
	}
	slices.Sort(programs)
	return slices.Compact(programs), nil
}

// members writes what a node needs of a package; units says whether its units
// belong to that.
func (t tree) members(reader *tar.Reader, units bool) ([]string, error) {
	var programs []string
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return programs, nil
		}
		if err != nil {
			return nil, err
		}
		name := merged(header.Name)
		if name == "" || isDropped(name) || !units && isUnit(name) {
			continue
		}
		if err := t.member(name, header, reader); err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		if program, found := strings.CutPrefix(name, "usr/bin/"); found && !strings.Contains(program, "/") {
			programs = append(programs, program)
		}
	}
}

// member writes one file, link or folder. A file replaces a link, because
// packages link from the old place of a program to its new one; otherwise the
// first comer stays.
func (t tree) member(name string, header *tar.Header, content io.Reader) error {
	target := filepath.Join(t.root, filepath.FromSlash(name))
	if header.Typeflag == tar.TypeDir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	existing, err := os.Lstat(target)
	switch {
	case err == nil && existing.Mode()&fs.ModeSymlink != 0 && header.Typeflag == tar.TypeReg:
		if err := os.Remove(target); err != nil {
			return err
		}
	case err == nil:
		return nil
	}
	switch header.Typeflag {
	case tar.TypeReg:
		return writeFile(target, header.FileInfo().Mode().Perm()&0o100 != 0, content)
	case tar.TypeSymlink:
		return os.Symlink(t.linkTarget(name, header.Linkname), target)
	case tar.TypeLink:
		return os.Link(filepath.Join(t.root, merged(header.Linkname)), target)
	default:
		return nil // devices and the like have no place in a store
	}
}

// linkTarget keeps a link's meaning after the merge: an absolute one becomes
// relative, so that it works inside the store too.
func (t tree) linkTarget(name, target string) string {
	absolute := target
	if !path.IsAbs(target) {
		// Resolve against where the package thinks that the link is.
		absolute = path.Join("/", path.Dir(name), target)
	}
	destination := merged(absolute)
	if destination == "" || path.IsAbs(target) && !strings.HasPrefix(destination, "usr/") && !strings.HasPrefix(destination, "etc/") {
		return target // /dev/null, /run/…: the node's own
	}
	relative, err := filepath.Rel(path.Dir(name), destination)
	if err != nil {
		return target
	}
	return relative
}

// finish adds what maintainer scripts would have made.
func (t tree) finish() error {
	for _, alternative := range alternatives {
		link := filepath.Join(t.root, "usr", "bin", alternative.name)
		if _, err := os.Stat(filepath.Join(t.root, "usr", "bin", alternative.target)); err != nil {
			continue
		}
		if err := os.Symlink(alternative.target, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, link := range []struct{ name, target string }{
		{"bin", "usr/bin"}, {"sbin", "usr/bin"}, {"usr/sbin", "bin"},
		{"lib", "usr/lib"}, {"lib64", "usr/lib64"}, {"share", "usr/share"},
		{"libexec", "usr/libexec"},
	} {
		if err := os.Symlink(link.target, filepath.Join(t.root, link.name)); err != nil {
			return fmt.Errorf("completing the stand-in's tree: %w", err)
		}
	}
	return t.certificates()
}

// certificates writes the bundle that update-ca-certificates would write.
func (t tree) certificates() error {
	found, err := filepath.Glob(filepath.Join(t.root, "usr/share/ca-certificates/*/*.crt"))
	if err != nil || len(found) == 0 {
		return err
	}
	slices.Sort(found)
	var bundle bytes.Buffer
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		bundle.Write(bytes.TrimRight(content, "\n"))
		bundle.WriteByte('\n')
	}
	target := filepath.Join(t.root, "etc/ssl/certs/ca-certificates.crt")
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, bundle.Bytes(), 0o644)
}

// merged is where a package's file lies in the merged tree, relative to it.
func merged(name string) string {
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	first, rest, _ := strings.Cut(clean, "/")
	switch {
	case clean == "usr/sbin" || clean == "sbin" || clean == "bin":
		return "usr/bin"
	case first == "bin" || first == "sbin":
		return "usr/bin/" + rest
	case strings.HasPrefix(clean, "usr/sbin/"):
		return "usr/bin/" + strings.TrimPrefix(clean, "usr/sbin/")
	case first == "lib" || first == "lib64" || first == "lib32" || first == "libx32":
		return "usr/" + clean
	default:
		return clean
	}
}

func isDropped(name string) bool {
	return slices.ContainsFunc(dropped, func(folder string) bool {
		return name == folder || strings.HasPrefix(name, folder+"/")
	})
}

func isUnit(name string) bool {
	return strings.HasPrefix(name, "usr/lib/systemd/system/") || strings.HasPrefix(name, "usr/lib/systemd/user/")
}

func writeFile(target string, executable bool, content io.Reader) error {
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
