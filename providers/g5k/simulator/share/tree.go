package share

import (
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5"
	nfsfile "github.com/willscott/go-nfs/file"
)

// tree is a folder as the library reads it. Names are relative to it.
type tree struct {
	server *Server
	root   *os.Root
}

var (
	_ billy.Filesystem = (*tree)(nil)
	_ billy.Capable    = (*tree)(nil)
)

// name is what the root calls a file.
func name(file string) string {
	if file = strings.TrimPrefix(path.Clean("/"+file), "/"); file == "" {
		return "."
	}
	return file
}

// Open opens a file that everybody may read.
func (t *tree) Open(file string) (billy.File, error) {
	info, err := t.root.Stat(name(file))
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o004 == 0 {
		return nil, fs.ErrPermission
	}
	f, err := t.root.Open(name(file))
	if err != nil {
		return nil, err
	}
	return opened{f}, nil
}

// OpenFile opens a file for reading, and for nothing else.
func (t *tree) OpenFile(file string, flag int, _ fs.FileMode) (billy.File, error) {
	if flag != os.O_RDONLY {
		return nil, billy.ErrReadOnly
	}
	return t.Open(file)
}

// Stat tells of a file.
func (t *tree) Stat(file string) (fs.FileInfo, error) { return t.tell(file, t.root.Stat) }

// Lstat tells of a file, or of the link that it is.
func (t *tree) Lstat(file string) (fs.FileInfo, error) { return t.tell(file, t.root.Lstat) }

func (t *tree) tell(file string, ask func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	info, err := ask(name(file))
	if err != nil {
		return nil, err
	}
	return t.owned(file, info), nil
}

// owned is what is told of a file, with its owner as the server has it.
func (t *tree) owned(file string, info fs.FileInfo) fs.FileInfo {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(t.root.Name() + "\x00" + name(file)))
	return told{info, nfsfile.FileInfo{Nlink: 1, UID: t.server.UID, GID: t.server.GID, Fileid: sum.Sum64()}}
}

// ReadDir lists a folder that everybody may list.
func (t *tree) ReadDir(folder string) ([]fs.FileInfo, error) {
	info, err := t.root.Stat(name(folder))
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o004 == 0 {
		return nil, fs.ErrPermission
	}
	f, err := t.root.Open(name(folder))
	if err != nil {
		return nil, err
	}
	infos, err := f.Readdir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for i, info := range infos {
		infos[i] = t.owned(path.Join(folder, info.Name()), info)
	}
	return infos, nil
}

// Readlink reads a link.
func (t *tree) Readlink(file string) (string, error) { return t.root.Readlink(name(file)) }

// Join joins parts of a name.
func (t *tree) Join(parts ...string) string { return path.Join(parts...) }

// Root is where the folder begins, as it sees itself.
func (t *tree) Root() string { return "/" }

// Capabilities are what can be done here.
func (t *tree) Capabilities() billy.Capability { return billy.ReadCapability | billy.SeekCapability }

// Nothing is changed.

func (t *tree) Create(string) (billy.File, error)           { return nil, billy.ErrReadOnly }
func (t *tree) Rename(string, string) error                 { return billy.ErrReadOnly }
func (t *tree) Remove(string) error                         { return billy.ErrReadOnly }
func (t *tree) TempFile(string, string) (billy.File, error) { return nil, billy.ErrReadOnly }
func (t *tree) MkdirAll(string, fs.FileMode) error          { return billy.ErrReadOnly }
func (t *tree) Symlink(string, string) error                { return billy.ErrReadOnly }
func (t *tree) Chroot(string) (billy.Filesystem, error)     { return nil, billy.ErrNotSupported }

// opened is a file that is read.
type opened struct{ *os.File }

// Lock does nothing: who reads needs none.
func (opened) Lock() error { return nil }

// Unlock does nothing either.
func (opened) Unlock() error { return nil }

// told is what is said of a file.
type told struct {
	fs.FileInfo
	more nfsfile.FileInfo
}

// Sys is where the library looks for owners and numbers.
func (t told) Sys() any { return t.more }
