package qemu

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Files of a context that the provider itself reads.
const (
	tokenFile   = "/etc/nxc/private/boot_token"
	hostKeyFile = "/etc/nxc/private/ssh_host_ed25519_key.pub"
)

// contextRoot is where the first stage finds the context in the initrd.
const contextRoot = "nxc-context"

// saveContext keeps a context for the machine's next start, over what was kept
// before: a later one brings only what changed.
func saveContext(dir string, c plugins.Context) error {
	kept, err := readContext(dir)
	if err != nil {
		return err
	}
	for _, f := range c.Files {
		kept = slices.DeleteFunc(kept, func(k plugins.ContextFile) bool { return k.Path == f.Path })
		kept = append(kept, f)
	}
	slices.SortFunc(kept, func(a, b plugins.ContextFile) int { return strings.Compare(a.Path, b.Path) })
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, contextFile), text)
}

func readContext(dir string) ([]plugins.ContextFile, error) {
	text, err := os.ReadFile(filepath.Join(dir, contextFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []plugins.ContextFile
	if err := json.Unmarshal(text, &files); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, contextFile), err)
	}
	return files, nil
}

// contentOf returns a file of a context, "" when it is not there.
func contentOf(files []plugins.ContextFile, path string) string {
	for _, f := range files {
		if f.Path == path {
			return strings.TrimSpace(string(f.Content))
		}
	}
	return ""
}

// modeOf is a file's mode: private ones are closed to all but root, whatever
// they ask for.
func modeOf(f plugins.ContextFile) int64 {
	switch {
	case f.Private:
		return 0o600
	case f.Mode == 0:
		return 0o644
	}
	return int64(f.Mode & 0o7777)
}

// appendContext writes the kept context as an archive that the kernel unpacks.
func appendContext(w io.Writer, dir string) error {
	files, err := readContext(dir)
	if err != nil {
		return err
	}
	a := &archive{w: w}
	made := map[string]bool{".": true}
	for _, f := range files {
		name := path.Join(contextRoot, path.Clean("/"+f.Path))
		for _, folder := range foldersAbove(name) {
			if !made[folder] {
				made[folder] = true
				a.entry(folder, 0o040755, nil)
			}
		}
		a.entry(name, 0o100000|modeOf(f), f.Content)
	}
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}

// foldersAbove lists the folders that hold a file, outermost first.
func foldersAbove(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

// archive writes cpio's "newc" format.
type archive struct {
	w     io.Writer
	inode int
	err   error
}

func (a *archive) entry(name string, mode int64, content []byte) {
	a.inode++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	var b bytes.Buffer
	b.WriteString(header + name + "\x00")
	b.Write(make([]byte, -b.Len()&3))
	b.Write(content)
	b.Write(make([]byte, -len(content)&3))
	if a.err == nil {
		_, a.err = a.w.Write(b.Bytes())
	}
}

// SetContext delivers a context to a machine that runs, and keeps it for the
// next start.
func (m machines) SetContext(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Context) error {
	if err := saveContext(m.folderOf(kindMachine, have.ID), c); err != nil {
		return fmt.Errorf("keep the context of %s: %w", have.Name, err)
	}
	if len(c.Files) == 0 || !m.runs(ctx, have) {
		return nil
	}
	files, err := contextTar(c)
	if err != nil {
		return fmt.Errorf("pack the context of %s: %w", have.Name, err)
	}
	return m.Copy(ctx, op, have, plugins.Copy{Path: "/", In: files})
}

// contextTar packs files for a machine that runs. Their folders are there, or
// are made by who unpacks.
func contextTar(c plugins.Context) (io.Reader, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range c.Files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path.Clean("/"+f.Path), "/"), Mode: modeOf(f), Size: int64(len(f.Content)), ModTime: time.Now()}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	return &b, w.Close()
}
