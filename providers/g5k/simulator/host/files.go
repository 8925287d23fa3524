package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Files are a machine's files: a folder, and other folders mounted in it. All
// paths are absolute, and as the machine sees them.
type Files struct {
	dir    string
	root   *os.Root
	mounts []mount // the longest path first
}

type mount struct {
	at   string
	root *os.Root
}

func openFiles(dir string, mounts map[string]string) (*Files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Files{dir: dir, root: root}
	for at, from := range mounts {
		if err := os.MkdirAll(from, 0o755); err != nil {
			return nil, errors.Join(err, f.close())
		}
		r, err := os.OpenRoot(from)
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.mounts = append(f.mounts, mount{path.Clean(at), r})
	}
	slices.SortFunc(f.mounts, func(a, b mount) int {
		if d := len(b.at) - len(a.at); d != 0 {
			return d
		}
		return strings.Compare(a.at, b.at)
	})
	for _, m := range f.mounts { // so that listings show them
		if err := f.MkdirAll(path.Dir(m.at), 0o755); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Files) close() error {
	err := f.root.Close()
	for _, m := range f.mounts {
		err = errors.Join(err, m.root.Close())
	}
	return err
}

// at finds the folder that a path is in, and the path below it.
func (f *Files) at(p string) (*os.Root, string) {
	p = path.Clean("/" + p)
	for _, m := range f.mounts {
		if p == m.at {
			return m.root, "."
		}
		if rest, ok := strings.CutPrefix(p, m.at+"/"); ok {
			return m.root, rest
		}
	}
	if p == "/" {
		return f.root, "."
	}
	return f.root, p[1:]
}

// OpenFile opens a file.
func (f *Files) OpenFile(p string, flag int, perm fs.FileMode) (*os.File, error) {
	root, rel := f.at(p)
	return root.OpenFile(rel, flag, perm.Perm())
}

// ReadFile reads a file.
func (f *Files) ReadFile(p string) ([]byte, error) {
	file, err := f.OpenFile(p, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(file)
}

// WriteFile writes a file.
func (f *Files) WriteFile(p string, content []byte, perm fs.FileMode) error {
	file, err := f.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// MkdirAll makes a folder and those above it.
func (f *Files) MkdirAll(p string, perm fs.FileMode) error {
	root, rel := f.at(p)
	return root.MkdirAll(rel, perm.Perm())
}

// Mkdir makes a folder.
func (f *Files) Mkdir(p string, perm fs.FileMode) error {
	root, rel := f.at(p)
	return root.Mkdir(rel, perm.Perm())
}

// Remove removes a file or an empty folder.
func (f *Files) Remove(p string) error {
	root, rel := f.at(p)
	return root.Remove(rel)
}

// RemoveAll removes a folder with what it holds.
func (f *Files) RemoveAll(p string) error {
	root, rel := f.at(p)
	return root.RemoveAll(rel)
}

// Rename moves a file. Between mounts it cannot.
func (f *Files) Rename(from, to string) error {
	root, old := f.at(from)
	other, rel := f.at(to)
	if root != other {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: errors.New("invalid cross-device link")}
	}
	return root.Rename(old, rel)
}

// Stat tells of a file.
func (f *Files) Stat(p string) (fs.FileInfo, error) {
	root, rel := f.at(p)
	return root.Stat(rel)
}

// Lstat tells of a file, or of the link that it is.
func (f *Files) Lstat(p string) (fs.FileInfo, error) {
	root, rel := f.at(p)
	return root.Lstat(rel)
}

// ReadDir lists a folder, sorted.
func (f *Files) ReadDir(p string) ([]fs.DirEntry, error) {
	root, rel := f.at(p)
	d, err := root.Open(rel)
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, errors.Join(err, d.Close())
}

// Chmod changes who may do what with a file.
func (f *Files) Chmod(p string, mode fs.FileMode) error {
	root, rel := f.at(p)
	return root.Chmod(rel, mode.Perm())
}

// Symlink makes a link.
func (f *Files) Symlink(target, p string) error {
	root, rel := f.at(p)
	return root.Symlink(target, rel)
}

// Readlink reads a link.
func (f *Files) Readlink(p string) (string, error) {
	root, rel := f.at(p)
	return root.Readlink(rel)
}

// Root opens the folder that holds the machine's own files, for who fills it.
func (f *Files) Root() *os.Root { return f.root }

// Writable reports whether a user may write a path.
func Writable(user, p string) bool {
	p = path.Clean("/" + p)
	if user == "root" {
		return true
	}
	for _, free := range []string{"/home/" + user, "/tmp", "/var/tmp", "/dev/shm", "/dev/null"} {
		if p == free || strings.HasPrefix(p, free+"/") {
			return true
		}
	}
	return false
}

// Readable reports whether a user may read a path.
func Readable(user, p string) bool {
	p = path.Clean("/" + p)
	return user == "root" || p != "/root" && !strings.HasPrefix(p, "/root/")
}

// HomeOf is a user's home.
func HomeOf(user string) string {
	if user == "root" {
		return "/root"
	}
	return "/home/" + user
}
