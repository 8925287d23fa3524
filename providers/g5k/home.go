package g5k

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/pkg/sftp"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// home is the user's home at a site, as images need it. Names are relative to
// it. What is not there is fs.ErrNotExist.
type home interface {
	Size(name string) (int64, error)
	List(dir string) ([]string, error) // sorted
	Read(name string) ([]byte, error)
	Write(name string, text []byte) error // at once: nobody sees a half
	Copy(name string, from io.Reader) error
	Rename(from, to string) error // over what is there
	Remove(name string) error
	Rmdir(name string) error
	MkdirAll(name string) error
	Close() error
}

// home opens the user's home at a site: over ssh, on the frontend.
func (t *testbed) home(ctx context.Context, op sdk.Operation, site string) (home, error) {
	op.Phase("connecting to the frontend of " + site)
	frontend, err := t.network().Frontend(ctx, site, op.Note)
	if err != nil {
		return nil, err
	}
	c, err := sftp.NewClient(frontend)
	if err != nil {
		return nil, sdk.Error("The frontend of "+site+" offers no files", "Starting sftp there failed: "+err.Error()+".")
	}
	return sftpHome{c}, nil
}

type sftpHome struct{ c *sftp.Client }

func (h sftpHome) Size(name string) (int64, error) {
	info, err := h.c.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (h sftpHome) List(dir string) ([]string, error) {
	infos, err := h.c.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(infos))
	for i, info := range infos {
		names[i] = info.Name()
	}
	slices.Sort(names)
	return names, nil
}

func (h sftpHome) Read(name string) ([]byte, error) {
	file, err := h.c.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// unfinishedFile ends the name of what Write has not finished.
const unfinishedFile = ".new"

func (h sftpHome) Write(name string, text []byte) error {
	part := name + unfinishedFile
	if err := h.Copy(part, bytes.NewReader(text)); err != nil {
		return err
	}
	return h.Rename(part, name)
}

// Copy writes with many requests on their way at a time. The web server of the
// public folder reads what it wrote.
func (h sftpHome) Copy(name string, from io.Reader) error {
	file, err := h.c.Create(name)
	if err != nil {
		return err
	}
	if _, err := file.ReadFromWithConcurrency(from, 64); err != nil {
		file.Close()
		return err
	}
	if err := file.Chmod(0o644); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

func (h sftpHome) Rename(from, to string) error { return h.c.PosixRename(from, to) }
func (h sftpHome) Remove(name string) error     { return h.c.Remove(name) }
func (h sftpHome) Rmdir(name string) error      { return h.c.RemoveDirectory(name) }
func (h sftpHome) MkdirAll(name string) error   { return h.c.MkdirAll(name) }
func (h sftpHome) Close() error                 { return h.c.Close() }
