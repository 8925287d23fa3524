// Package atomicfile replaces files so that a reader, or the next start after
// a power cut, finds the old content or the new one and nothing between.
//
// The new content goes to a temporary file in the same folder, is flushed to
// the disk, takes the old name, and then the folder is flushed as well. The
// package does not lock: two writers at one time leave the content of one of
// them, whole.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Write replaces the content of the file at path. A file that exists keeps its
// mode, and its owner where that is allowed; a new one gets perm. A symbolic
// link stays, and the file that it points at is replaced.
func Write(path string, data []byte, perm fs.FileMode) error {
	return WriteFrom(path, bytes.NewReader(data), perm)
}

// WriteFrom is Write with the content read from r.
func WriteFrom(path string, r io.Reader, perm fs.FileMode) error {
	target, err := resolve(path)
	if err != nil {
		return failed("find", path, err)
	}
	old, err := os.Stat(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("examine", path, err)
	}
	if old != nil {
		perm = old.Mode().Perm()
	}
	folder := filepath.Dir(target)
	tmp, err := os.CreateTemp(folder, tempPattern(target))
	if err != nil {
		return failed("create a temporary file beside", path, err)
	}
	if err := fill(tmp, r, perm, old); err != nil {
		tmp.Close()
		os.Remove(tmp.Name())
		return failed("write", path, err)
	}
	if err := os.Rename(tmp.Name(), target); err != nil {
		os.Remove(tmp.Name())
		return failed("replace", path, err)
	}
	if err := SyncFolder(folder); err != nil {
		return failed("flush the folder of", path, err)
	}
	return nil
}

// Sweep removes temporary files for path that a kill in the middle of Write
// left behind. Call it only where no other Write of the same path can be under
// way: under the lock that guards the file.
func Sweep(path string) {
	target, err := resolve(path)
	if err != nil {
		return
	}
	prefix, suffix, _ := strings.Cut(tempPattern(target), "*")
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return
	}
	for _, e := range entries {
		middle, is := strings.CutPrefix(e.Name(), prefix)
		middle, was := strings.CutSuffix(middle, suffix)
		if _, err := strconv.ParseUint(middle, 10, 64); is && was && err == nil {
			_ = os.Remove(filepath.Join(filepath.Dir(target), e.Name()))
		}
	}
}

// tempPattern is what os.CreateTemp makes temporary files for path after.
func tempPattern(path string) string {
	return "." + strings.ReplaceAll(filepath.Base(path), "*", "_") + ".*.tmp"
}

func fill(tmp *os.File, r io.Reader, perm fs.FileMode, old fs.FileInfo) error {
	if _, err := io.Copy(tmp, r); err != nil {
		return err
	}
	keepOwner(tmp, old)
	if err := tmp.Chmod(perm); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	return tmp.Close()
}

// keepOwner gives the new file the old one's owner. Only root may, and only
// root, writing in somebody's folder, needs it; a refusal is no failure.
func keepOwner(tmp *os.File, old fs.FileInfo) {
	if old == nil {
		return
	}
	if st, ok := old.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		_ = tmp.Chown(int(st.Uid), int(st.Gid))
	}
}

// resolve follows a symbolic link at path, also one whose target does not
// exist yet.
func resolve(path string) (string, error) {
	for range 40 {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", syscall.ELOOP
}

// SyncFolder flushes a folder's entries, so that a created, renamed or removed
// file stays so after a power cut. File systems that cannot are left alone.
func SyncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

// Error says which file could not be written, and why in words.
type Error struct {
	Op   string // what was being done, such as "write"
	Path string
	Err  error // the system's error
}

func failed(op, path string, err error) error {
	return &Error{Op: op, Path: path, Err: err}
}

// Error returns a sentence that names the operation, the file and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("cannot %s %s: %s", e.Op, e.Path, e.Cause())
}

// Unwrap returns the system's error.
func (e *Error) Unwrap() error { return e.Err }

// Cause says why, in words that tell the remedy where the system's own do not.
func (e *Error) Cause() string {
	folder := filepath.Dir(e.Path)
	switch {
	case errors.Is(e.Err, syscall.ENOSPC):
		return fmt.Sprintf("the disk that holds %s is full", folder)
	case errors.Is(e.Err, syscall.EDQUOT):
		return fmt.Sprintf("the disk quota for %s is used up", folder)
	case errors.Is(e.Err, syscall.EROFS):
		return fmt.Sprintf("the file system of %s is mounted read-only", folder)
	case errors.Is(e.Err, fs.ErrPermission):
		return fmt.Sprintf("no permission to write in %s", folder)
	case errors.Is(e.Err, fs.ErrNotExist):
		return fmt.Sprintf("the folder %s does not exist", folder)
	case errors.Is(e.Err, syscall.ENOTDIR):
		return fmt.Sprintf("%s is not a folder", folder)
	}
	var path *fs.PathError
	if errors.As(e.Err, &path) {
		return strings.ToLower(path.Err.Error()[:1]) + path.Err.Error()[1:]
	}
	return e.Err.Error()
}
