package sdk

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
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// NixStore is this machine's Nix store: the StoreRoot of the folders that a
// provider is configured with. The zero value is one at /nix/store.
type NixStore string

// storeFolder is what every path of the store begins with, wherever it lies.
const storeFolder = "/nix/store"

func inStore(path string) bool {
	return path == storeFolder || strings.HasPrefix(path, storeFolder+"/")
}

// Place is where a path lies on this machine. It follows links, which name
// paths of the store as everybody does. What is not of the store stays.
func (s NixStore) Place(path string) string {
	if s == "" || !inStore(filepath.Clean(path)) {
		return path
	}
	path = filepath.Clean(path)
	const mostLinks = 40 // as for the kernel
	for range mostLinks {
		next, isLink := s.follow(path)
		if !isLink {
			break
		}
		if path = next; !inStore(path) {
			return path
		}
	}
	return string(s) + path
}

// follow replaces the first link of a path by what it leads to.
func (s NixStore) follow(path string) (next string, isLink bool) {
	for at := len(storeFolder); at < len(path); {
		end := len(path)
		if i := strings.IndexByte(path[at+1:], '/'); i >= 0 {
			end = at + 1 + i
		}
		if target, err := os.Readlink(string(s) + path[:end]); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(path[:at], target)
			}
			return filepath.Join(target, path[end:]), true
		}
		at = end
	}
	return path, false
}

// Options are arguments by which Nix's commands use this store, to stand before
// the others.
func (s NixStore) Options() []string {
	if s == "" {
		return nil
	}
	return []string{"--store", "local?root=" + string(s)}
}

// query asks Nix about paths of the store.
func (s NixStore) query(ctx context.Context, what string, paths []string) ([]string, error) {
	program, err := exec.LookPath("nix-store")
	if err != nil {
		program = "/nix/var/nix/profiles/default/bin/nix-store"
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, slices.Concat(s.Options(), []string{"--query", what}, paths)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return strings.Fields(out.String()), nil
}

// Requisites lists the store paths that some store paths need, themselves
// included, in order. They must have been built, as all that a plan speaks of
// is when it is applied.
func (s NixStore) Requisites(ctx context.Context, paths ...string) ([]string, error) {
	all, err := s.query(ctx, "--requisites", paths)
	if err != nil {
		return nil, fmt.Errorf("ask Nix what %s needs: %w", strings.Join(paths, ", "), err)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Pack adds a store path to an archive, under the name that it gives to each
// file: always the same bytes for the same path. content writes what a file
// holds, which it reads where it lies; FileContent does so.
func (s NixStore) Pack(w *tar.Writer, storePath string, name func(file string) string, content func(w io.Writer, file string, size int64) error) error {
	err := filepath.WalkDir(string(s)+storePath, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return packFile(w, file, name(strings.TrimPrefix(file, string(s))), content)
	})
	if err != nil {
		return fmt.Errorf("pack %s: %w", storePath, err)
	}
	return nil
}

func packFile(w *tar.Writer, file, name string, content func(w io.Writer, file string, size int64) error) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: time.Unix(1, 0)}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case target != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, target, 0o777
	case info.Mode().IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	default:
		return errors.New("the store holds a file that is neither file, folder nor link: " + file)
	}
	if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	return content(w, file, h.Size)
}

// FileContent writes a file of the store, which never changes.
func FileContent(w io.Writer, file string, size int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(w, f, size)
	return err
}
