package state

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// JournalError says that a record could not be made durable. No new operation
// may start after it: what runs is finished, and the session is ended.
type JournalError struct {
	Path string
	Err  error
}

// Error names the journal and the cause.
func (e *JournalError) Error() string {
	cause := (&atomicfile.Error{Op: "write", Path: e.Path, Err: e.Err}).Cause()
	return fmt.Sprintf("cannot write the journal %s: %s; nothing new is started", e.Path, cause)
}

// Unwrap returns the system's error.
func (e *JournalError) Unwrap() error { return e.Err }

// journalWriter appends records to a journal.
//
// A record is a line: the CRC-32C of its text and the text's length in
// hexadecimal, and the text, which is JSON. Whoever appends while the disk is
// being flushed shares the next flush, so a flush costs the same for one
// record and for a hundred.
type journalWriter struct {
	path  string
	f     *os.File
	disk  Disk
	copy  *os.File // see openCopy; nil: none, or a hard link
	files []string // names of the journal, to be removed with it

	mu      sync.Mutex
	pending []byte
	next    *flush
	last    *flush // that something was queued for; nil: nothing was
	busy    bool
	err     error // the first failure; all that comes after fails as well
}

// flush is one write and fsync, and those who wait for it.
type flush struct {
	done chan struct{}
	err  error
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameHeader is the length of "crc32c length ".
const frameHeader = 8 + 1 + 8 + 1

func appendFrame(dst, payload []byte) []byte {
	dst = fmt.Appendf(dst, "%08x %08x ", crc32.Checksum(payload, castagnoli), len(payload))
	dst = append(dst, payload...)
	return append(dst, '\n')
}

// createJournal makes a journal that begins with a record, locked, and
// complete the moment it appears under its name. A copy of it grows in
// copyFolder, unless that is "".
func createJournal(disk Disk, folder, name, copyFolder string, begin *Record) (*journalWriter, error) {
	path := filepath.Join(folder, name+journalSuffix)
	f, err := os.OpenFile(path+tempSuffix, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, &JournalError{Path: path, Err: err}
	}
	j := &journalWriter{path: path, f: f, disk: disk, next: newFlush(), files: []string{path}}
	err = flock(f, false)
	if err == nil {
		err = j.append(begin)
	}
	if err == nil {
		j.openCopy(copyFolder, name)
		err = os.Rename(path+tempSuffix, path)
	}
	if err == nil {
		err = atomicfile.SyncFolder(folder)
	}
	if err != nil {
		os.Remove(path + tempSuffix)
		j.drop()
		var failed *JournalError
		if errors.As(err, &failed) {
			return nil, err
		}
		return nil, &JournalError{Path: path, Err: err}
	}
	return j, nil
}

const (
	journalSuffix = ".journal"
	tempSuffix    = ".tmp"
)

// openCopy gives the journal a second name in another folder, where a git
// clean in the project does not reach. On one file system that is a hard link
// and costs nothing. Across file systems the same bytes are written twice, and
// the copy is not flushed: it survives a clean, and a kill, but not both a
// clean and a power cut. A copy that cannot be had is no failure: the journal
// itself is the record.
func (j *journalWriter) openCopy(folder, name string) {
	if folder == "" || os.MkdirAll(folder, 0o700) != nil {
		return
	}
	path := filepath.Join(folder, name+journalSuffix)
	if os.Link(j.f.Name(), path) == nil {
		j.files = append(j.files, path)
		_ = atomicfile.SyncFolder(folder)
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	if _, err = io.Copy(f, io.NewSectionReader(j.f, 0, math.MaxInt64)); err != nil || flock(f, false) != nil {
		f.Close()
		os.Remove(path)
		return
	}
	j.files = append(j.files, path)
	j.copy = f
}

func newFlush() *flush { return &flush{done: make(chan struct{})} }

// append adds records and returns when they are durable. It may be called
// from many goroutines at once.
func (j *journalWriter) append(records ...*Record) error {
	mine, err := j.queue(records...)
	if err != nil {
		return err
	}
	<-mine.done
	return mine.err
}

// queue adds records, which are durable when the flush that it returns is done:
// in the order in which they were queued, and without anybody waiting for it.
func (j *journalWriter) queue(records ...*Record) (*flush, error) {
	var frames []byte
	for _, r := range records {
		payload, err := r.encode()
		if err != nil {
			return nil, err
		}
		frames = appendFrame(frames, payload)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return nil, j.err
	}
	j.pending = append(j.pending, frames...)
	mine := j.next
	j.last = mine
	if !j.busy {
		j.busy = true
		go j.flushAll()
	}
	return mine, nil
}

// flushAll writes what is pending until nothing is.
func (j *journalWriter) flushAll() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.pending) > 0 {
		data, now := j.pending, j.next
		j.pending, j.next = nil, newFlush()
		if j.err == nil {
			j.mu.Unlock()
			err := j.write(data)
			j.mu.Lock()
			if err != nil {
				j.err = &JournalError{Path: j.path, Err: err}
			}
		}
		now.err = j.err
		close(now.done)
	}
	j.busy = false
}

func (j *journalWriter) write(data []byte) error {
	if err := j.disk.Append(j.f, data); err != nil {
		return err
	}
	if j.copy != nil {
		if _, err := j.copy.Write(data); err != nil {
			j.copy.Close()
			j.copy = nil
		}
	}
	return nil
}

// failure returns the first failure to write.
func (j *journalWriter) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// close gives the journal up, for the next command to find.
func (j *journalWriter) close() {
	j.mu.Lock()
	last := j.last
	j.mu.Unlock()
	if last != nil {
		<-last.done
	}
	if j.copy != nil {
		j.copy.Close()
	}
	j.f.Close()
}

// drop removes the journal: it is of no more use.
func (j *journalWriter) drop() {
	for _, path := range j.files {
		_ = os.Remove(path)
	}
	j.close()
}
