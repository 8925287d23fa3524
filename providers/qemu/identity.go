package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// What may have become of a machine's surroundings while nxc was away, as its
// "trouble" says it.
const (
	// Nobody can reach a machine by a socket whose file was removed, not even
	// when the file is made again.
	socketsRemoved = "its sockets were removed, and it must be started anew"
	// Its context, its disks' overlays, its log: nothing brings them back.
	filesRemoved = "its files were removed while it ran"
)

// look finds out what became of a machine: whether it is there at all, whether
// it runs, and what is wrong with it. One whose files are gone still exists as
// long as its process lives, so that it is not forgotten.
func (m machines) look(ctx context.Context, op sdk.Operation, have *Machine) (bool, error) {
	there, err := record.Exists[Machine](op, m.folderOf(kindMachine, have.ID))
	if err != nil {
		return false, err
	}
	have.Running, have.Trouble = m.runs(ctx, have), ""
	switch {
	case !there && !have.Running:
		return false, nil
	case !there:
		have.Running, have.Trouble = false, filesRemoved
	case have.Running && m.adrift(have):
		have.Running, have.Trouble = false, socketsRemoved
	}
	return true, nil
}

// adrift reports whether a socket of a machine is gone.
func (m machines) adrift(have *Machine) bool {
	for _, what := range sockets(have) {
		path, err := m.socket(have.ID, what)
		if err == nil {
			_, err = os.Lstat(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// explainSocket says why a machine's socket cannot be opened.
func explainSocket(have *Machine, err error) error {
	if errors.Is(err, fs.ErrNotExist) && findProcess("-uuid", have.UUID) != 0 {
		return errors.New(socketsRemoved + ": see nxc plan")
	}
	return err
}

// socketsLink stands in an object's folder and leads to the folder of its
// sockets. Another command may have another temporary folder.
const socketsLink = "sockets"

// settle makes the folder for sockets and remembers it for an object that is
// about to be started.
func (h *host) settle(id, dir string) error {
	if err := occupy(h.folders.Runtime, id); err != nil {
		return sdk.Error("The folder for sockets cannot be made", fmt.Sprintf("%v. Set TMPDIR to a folder where there is room.", err))
	}
	link := filepath.Join(dir, socketsLink)
	if at, err := os.Readlink(link); err == nil && at == h.folders.Runtime {
		return nil
	}
	temporary := link + ".new"
	os.Remove(temporary)
	if err := os.Symlink(h.folders.Runtime, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, link)
}

// occupant is the ending of an empty file that keeps an object's place among the
// sockets until its own are there: whoever removes the last of another object's
// leaves the folder alone.
const occupant = "here"

// arrive says that an object's sockets are there.
func (h *host) arrive(id string) {
	os.Remove(filepath.Join(h.socketsOf(id), id+"."+occupant)) // or it goes with them
}

// occupy makes the folder for sockets with an object's first file in it. The
// folder may go between the two, because it is removed whenever it is empty.
func occupy(folder, id string) error {
	for range 100 {
		// It may also go between two looks of one MkdirAll.
		if err := os.MkdirAll(folder, 0o700); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
		f, err := os.OpenFile(filepath.Join(folder, id+"."+occupant), os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err // such as of a file where the folder should be
		}
	}
	return fmt.Errorf("%s is removed again and again", folder)
}

// socketsOf is where an object's sockets lie: where they were when it was
// started, or else where they would be now.
func (h *host) socketsOf(id string) string {
	for _, kind := range []string{kindMachine, kindNetwork} {
		if at, err := os.Readlink(filepath.Join(h.folderOf(kind, id), socketsLink)); err == nil {
			return at
		}
	}
	return h.folders.Runtime
}

// removeSockets removes an object's sockets, and their folder when it was the
// last.
func (h *host) removeSockets(id string) error {
	folder := h.socketsOf(id)
	files, err := filepath.Glob(filepath.Join(folder, id+".*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	os.Remove(folder) // one in use stays
	return nil
}
