package host

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// Commands of archives.

// unpack is tar, as far as it unpacks what it reads: tar -xzpf - -C FOLDER.
func unpack(_ context.Context, p *Process) int {
	flags, names, ok := p.options("xzpv", "fC")
	if !ok || len(names) > 0 || flags['x'] == "" {
		return p.fail(2, "tar: only tar -x[z]f FILE [-C FOLDER] is known here")
	}
	in, err := p.openFor(flags['f'])
	if err != nil {
		return p.fail(2, "tar: %s: %s", flags['f'], reason(err))
	}
	defer func() { _ = in.Close() }()
	var plain io.Reader = in
	if flags['z'] != "" {
		if plain, err = gzip.NewReader(in); err != nil {
			return p.fail(2, "gzip: stdin: %s", err)
		}
	}
	folder := p.path(flags['C'])
	for archive := tar.NewReader(plain); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err == nil {
			err = p.place(path.Join(folder, path.Clean("/"+entry.Name)), entry, archive)
		}
		if err != nil {
			return p.fail(2, "tar: %s", reason(err))
		}
	}
}

// place makes one entry of an archive.
func (p *Process) place(file string, entry *tar.Header, content io.Reader) error {
	if !Writable(p.User, file) {
		return &fs.PathError{Op: "create", Path: file, Err: fs.ErrPermission}
	}
	files, perm := p.Host.files, fs.FileMode(entry.Mode).Perm() //nolint:gosec // the bits of permissions
	switch entry.Typeflag {
	case tar.TypeDir:
		return errors.Join(files.MkdirAll(file, 0o755), files.Chmod(file, perm|0o700))
	case tar.TypeSymlink:
		return files.Symlink(entry.Linkname, file)
	case tar.TypeReg:
		f, err := files.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close(), files.Chmod(file, perm))
	}
	return errors.New(entry.Name + ": what this is, is not known here")
}
