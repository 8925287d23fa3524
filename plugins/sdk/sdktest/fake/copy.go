package fake

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Copy moves files in and out of the node's folder, and never beside it.
func (n nodes) Copy(_ context.Context, _ sdk.Operation, have *Node, c plugins.Copy) error {
	root, err := os.OpenRoot(have.Folder)
	if err != nil {
		return err
	}
	defer root.Close()
	path := strings.TrimPrefix(strings.TrimPrefix(filepath.Clean(c.Path), have.Folder), "/")
	if path == "" {
		path = "."
	}
	if c.In != nil {
		if err := n.log("copy", nodeKind, have.Name); err != nil {
			return err
		}
		return unpack(root, path, c.In)
	}
	return pack(root, path, c.Out)
}

func unpack(root *os.Root, to string, r io.Reader) error {
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name := filepath.Join(to, h.Name)
		if h.Typeflag == tar.TypeDir {
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeSymlink {
			if err := root.Symlink(h.Linkname, name); err != nil {
				return err
			}
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fs.FileMode(h.Mode).Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(f, archive)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
}

// pack writes a file, or a folder under its own name, as an archive.
func pack(root *os.Root, from string, w io.Writer) error {
	archive := tar.NewWriter(w)
	base := filepath.Dir(from)
	err := fs.WalkDir(root.FS(), from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = root.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		if h.Name, err = filepath.Rel(base, path); err != nil {
			return err
		}
		if err := archive.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := root.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(archive, f)
		return err
	})
	if err != nil {
		return err
	}
	return archive.Close()
}
