package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sys/unix"
)

// draft is a folder in the making, beside the place that it takes in one step.
// It is locked; what a dead command left in it is thrown away.
type draft struct {
	folder string
	lock   *os.File
}

func openDraft(out string) (*draft, hcl.Diagnostics) {
	fail := func(err error) (*draft, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{errorf("The results have no place", "%s", sentence(err))}
	}
	out = filepath.Clean(out)
	d := &draft{folder: filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".partial")}
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		return fail(err)
	}
	for d.lock == nil {
		if err := os.Mkdir(d.folder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return fail(err)
		}
		lock, err := os.Open(d.folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its owner has just put it in place
		}
		if err != nil {
			return fail(err)
		}
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, hcl.Diagnostics{errorf("Another nxc collect writes to "+out, "Wait until it has ended, or choose another folder with -out.")}
		}
		if err != nil {
			return fail(fmt.Errorf("lock %s: %w", d.folder, err))
		}
		if sameFile(lock, d.folder) {
			d.lock = lock
		} else if err := lock.Close(); err != nil {
			return fail(err)
		}
	}
	if err := d.clear(); err != nil {
		_ = d.lock.Close()
		return fail(err)
	}
	return d, nil
}

// sameFile reports whether an open file still is what is at a path.
func sameFile(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

func (d *draft) clear() error {
	entries, err := os.ReadDir(d.folder)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.folder, e.Name())))
	}
	return err
}

// publish flushes the folder to the disk and gives it its place. What is there
// goes when this is in its place.
func (d *draft) publish(o CollectOptions) error {
	if err := unix.Syncfs(int(d.lock.Fd())); err != nil {
		return fmt.Errorf("flush the results: %w", err)
	}
	out := filepath.Clean(o.Out)
	if !o.Replace {
		return os.Rename(d.folder, out) // an empty folder gives way, another does not
	}
	// What was there is ours to remove, wherever it lies.
	old, err := os.Open(out)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(d.folder, out)
	}
	if err != nil {
		return err
	}
	defer old.Close()
	if err := unix.Flock(int(old.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock %s: %w", out, err)
	}
	err = unix.Renameat2(unix.AT_FDCWD, d.folder, unix.AT_FDCWD, out, unix.RENAME_EXCHANGE)
	if err != nil {
		return fmt.Errorf("exchange %s and %s: %w", d.folder, out, err)
	}
	return os.RemoveAll(d.folder)
}

// close frees the draft; one that was not put in place is removed.
func (d *draft) close() {
	if sameFile(d.lock, d.folder) {
		_ = os.RemoveAll(d.folder)
	}
	_ = d.lock.Close()
}
