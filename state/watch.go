package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// watch notices, before an operation begins, that the state could not be saved
// after it: the file was removed or changed by something else, or its folder
// cannot be written to any more. It costs two system calls.
type watch struct {
	seen fs.FileInfo // the file as it was last found to be as it should
	err  error       // the first trouble; there is no way back
}

// saveable reports why the state could not be saved now, or nil. The caller
// holds x.mu.
func (x *Session) saveable() error {
	w := &x.watch
	if w.err == nil {
		w.err = x.look()
	}
	return w.err
}

func (x *Session) look() error {
	path := x.store.path
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &ChangedError{Path: path, Detail: "it was removed"}
	}
	if err != nil {
		return fmt.Errorf("the state cannot be reached any more (%w); nothing new is started", err)
	}
	if err := unix.Access(filepath.Dir(path), unix.W_OK); err != nil {
		return fmt.Errorf("the state's folder %s cannot be written to any more (%w); nothing new is started", filepath.Dir(path), err)
	}
	if s := x.watch.seen; s != nil && os.SameFile(s, info) && s.ModTime().Equal(info.ModTime()) && s.Size() == info.Size() {
		return nil
	}
	file, found, err := x.store.read()
	if err == nil {
		err = x.unchanged(file, found)
	}
	if err != nil {
		return fmt.Errorf("%w; nothing new is started", err)
	}
	x.watch.seen = info
	return nil
}
