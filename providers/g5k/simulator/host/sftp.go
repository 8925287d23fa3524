package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/pkg/sftp"
)

// transfer serves sftp from a machine's files, as a user.
type transfer struct {
	files *Files
	user  string
}

func (h *Host) handlers(user string) sftp.Handlers {
	t := transfer{h.files, user}
	return sftp.Handlers{FileGet: t, FilePut: t, FileCmd: t, FileList: t}
}

// Fileread opens a file for reading.
func (t transfer) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	if !Readable(t.user, r.Filepath) {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	return t.files.OpenFile(r.Filepath, os.O_RDONLY, 0)
}

// Filewrite opens a file for writing.
func (t transfer) Filewrite(r *sftp.Request) (io.WriterAt, error) { return t.open(r) }

// OpenFile opens a file for both.
func (t transfer) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) { return t.open(r) }

func (t transfer) open(r *sftp.Request) (*os.File, error) {
	if !Writable(t.user, r.Filepath) {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	want := r.Pflags()
	flag := os.O_RDWR // appending writes come with their places, so they are like any other
	if want.Creat {
		flag |= os.O_CREATE
	}
	if want.Trunc {
		flag |= os.O_TRUNC
	}
	if want.Excl {
		flag |= os.O_EXCL
	}
	perm := fs.FileMode(0o644)
	if a := r.AttrFlags(); a.Permissions {
		perm = r.Attributes().FileMode().Perm()
	}
	return t.files.OpenFile(r.Filepath, flag, perm)
}

// Filecmd changes files.
func (t transfer) Filecmd(r *sftp.Request) error {
	if !Writable(t.user, r.Filepath) || r.Method == "Rename" && !Writable(t.user, r.Target) {
		return sftp.ErrSSHFxPermissionDenied
	}
	switch r.Method {
	case "Setstat":
		return t.setstat(r)
	case "Rename":
		if _, err := t.files.Lstat(r.Target); err == nil {
			return sftp.ErrSSHFxFailure // the plain rename of the protocol replaces nothing
		}
		return t.files.Rename(r.Filepath, r.Target)
	case "Rmdir", "Remove":
		return t.files.Remove(r.Filepath)
	case "Mkdir":
		return t.files.Mkdir(r.Filepath, 0o755)
	case "Symlink": // the library has the two the other way round
		return t.files.Symlink(r.Filepath, r.Target)
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename replaces what is there.
func (t transfer) PosixRename(r *sftp.Request) error {
	if !Writable(t.user, r.Filepath) || !Writable(t.user, r.Target) {
		return sftp.ErrSSHFxPermissionDenied
	}
	return t.files.Rename(r.Filepath, r.Target)
}

func (t transfer) setstat(r *sftp.Request) error {
	flags, to := r.AttrFlags(), r.Attributes()
	var err error
	if flags.Permissions {
		err = t.files.Chmod(r.Filepath, to.FileMode())
	}
	if flags.Size {
		f, e := t.files.OpenFile(r.Filepath, os.O_WRONLY, 0)
		if e != nil {
			return errors.Join(err, e)
		}
		err = errors.Join(err, f.Truncate(int64(to.Size)), f.Close()) //nolint:gosec // a file's size
	}
	return err
}

// Filelist lists a folder, or tells of one file.
func (t transfer) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	if !Readable(t.user, r.Filepath) {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	switch r.Method {
	case "List":
		entries, err := t.files.ReadDir(r.Filepath)
		if err != nil {
			return nil, err
		}
		var infos listing
		for _, e := range entries {
			if info, err := e.Info(); err == nil { // it may have gone meanwhile
				infos = append(infos, info)
			}
		}
		return infos, nil
	case "Stat":
		info, err := t.files.Stat(r.Filepath)
		return listing{info}, err
	case "Readlink":
		target, err := t.files.Readlink(r.Filepath)
		return listing{linkInfo(target)}, err
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// Lstat tells of a link itself.
func (t transfer) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	info, err := t.files.Lstat(r.Filepath)
	return listing{info}, err
}

type listing []fs.FileInfo

// ListAt copies a part of the list.
func (l listing) ListAt(into []fs.FileInfo, offset int64) (int, error) {
	if offset >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(into, l[offset:])
	if n < len(into) {
		return n, io.EOF
	}
	return n, nil
}

// linkInfo is a name alone, as the answer to where a link leads.
type linkInfo string

// Name is where the link leads; the rest is empty.
func (l linkInfo) Name() string       { return string(l) }
func (l linkInfo) Size() int64        { return 0 }
func (l linkInfo) Mode() fs.FileMode  { return fs.ModeSymlink }
func (l linkInfo) ModTime() time.Time { return time.Time{} }
func (l linkInfo) IsDir() bool        { return false }
func (l linkInfo) Sys() any           { return nil }
