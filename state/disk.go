package state

import (
	"os"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// Disk is what a command's record is written through: its journal, and the
// state file. There is one real one; a test looks at every step of another,
// and makes any of them fail, because a disk that is full or dies in the
// middle of a flush can hardly be had otherwise at a chosen moment.
type Disk interface {
	// Append writes records at the end of a journal and flushes them. After
	// an error any part of them may be there.
	Append(journal *os.File, records []byte) error
	// Replace gives the state file at path another content. After an error it
	// has the old content or the new one.
	Replace(path string, content []byte) error
}

// RealDisk is the Disk of the operating system.
type RealDisk struct{}

var _ Disk = RealDisk{}

// Append writes and calls fsync.
func (RealDisk) Append(journal *os.File, records []byte) error {
	if _, err := journal.Write(records); err != nil {
		return err
	}
	return journal.Sync()
}

// Replace writes a temporary file, and renames it.
func (RealDisk) Replace(path string, content []byte) error {
	return atomicfile.Write(path, content, 0o644)
}
