package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Holder says who holds a lock.
type Holder struct {
	User    string    `json:"user"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Command string    `json:"command"`
}

// LockedError says that somebody else holds a lock.
type LockedError struct {
	What   string  // such as "webserver::docker"
	Path   string  // of the lock file
	Holder *Holder // nil: it cannot be told
	Waited time.Duration
}

// Summary is the message's headline.
func (*LockedError) Summary() string { return "Another command is at work here" }

// Error names the holder and what can be done.
func (e *LockedError) Error() string {
	who := "another command (it did not say which)"
	if h := e.Holder; h != nil {
		who = fmt.Sprintf("%s on %s (pid %d), which runs %q since %s",
			h.User, h.Host, h.PID, h.Command, h.Since.Local().Format("2006-01-02 15:04:05"))
	}
	text := fmt.Sprintf("%s is locked by %s", e.What, who)
	if e.Waited > 0 {
		return text + fmt.Sprintf("; gave up after %s: wait longer with -lock-timeout, or end that command", e.Waited.Round(time.Second))
	}
	return text + "; wait for it with -lock-timeout=10m, or end that command"
}

// fileLock is a lock on a file of its own, beside what it guards: the guarded
// file is replaced by renaming, and a lock on it would stay with the old one.
//
// It is flock(2). The kernel frees it when its holder dies, so a lock is never
// stale and there is nothing to clean up. On NFS, Linux (since 2.6.12) turns
// it into a lock at the server: commands on different hosts exclude each other
// as long as the share is mounted without nolock or local_lock. When a host
// dies there, the server frees its locks after the lease (90 seconds on most);
// when a host is only cut off, its command may go on writing for that long
// after another one got the lock. What then keeps the state whole is that a
// command looks, before it writes, whether what it locked is still as it was.
type fileLock struct{ f *os.File }

// lockRequest is a lock to be had.
type lockRequest struct {
	path   string
	what   string // for people
	shared bool
	holder Holder
	wait   time.Duration
	onWait func(*LockedError)
}

const lockPoll = 50 * time.Millisecond

// acquire takes a lock, waiting as long as the request allows.
func acquire(ctx context.Context, r lockRequest) (*fileLock, error) {
	start := time.Now()
	told := false
	for {
		l, err := tryLock(r.path, r.shared)
		if err == nil {
			l.sign(r)
			return l, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %s: %w", r.what, err)
		}
		locked := &LockedError{What: r.what, Path: r.path, Holder: readHolder(r.path)}
		if time.Since(start) >= r.wait {
			if r.wait > 0 {
				locked.Waited = time.Since(start)
			}
			return nil, locked
		}
		if !told && r.onWait != nil {
			told = true
			r.onWait(locked)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock of %s: %w", r.what, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// tryLock takes the lock at path or fails with EWOULDBLOCK. The file may be
// removed by others at any time (git clean), so what was locked must still be
// what the path names.
func tryLock(path string, shared bool) (*fileLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := flock(f, shared); err != nil {
			f.Close()
			return nil, err
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return &fileLock{f: f}, nil
		}
		f.Close()
	}
}

func flock(f *os.File, shared bool) error {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EOPNOTSUPP):
			return fmt.Errorf("the file system of %s has no locks (%w); put the project on one that has", filepath.Dir(f.Name()), err)
		}
		return err
	}
}

// sign writes who holds the lock into it, for those who wait. Holders of a
// shared lock add a line each.
func (l *fileLock) sign(r lockRequest) {
	line, err := json.Marshal(r.holder)
	if err != nil {
		return
	}
	if !r.shared {
		_ = l.f.Truncate(0)
	}
	if end, err := l.f.Seek(0, io.SeekEnd); err == nil {
		_, _ = l.f.WriteAt(append(line, '\n'), end)
	}
}

// release gives the lock back. The file stays: removing it would let two
// commands lock two files of one name.
func (l *fileLock) release() {
	if l != nil && l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// readHolder returns who wrote last into a lock file and is not known to be dead.
func readHolder(path string) *Holder {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	host, _ := os.Hostname()
	var last *Holder
	for line := range bytes.Lines(data) {
		var h Holder
		if json.Unmarshal(line, &h) != nil {
			continue
		}
		if h.Host == host && !alive(h.PID) {
			continue
		}
		last = &h
	}
	return last
}

// alive reports whether a process of this host exists.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// self describes this process as a holder.
func self(command string) Holder {
	host, _ := os.Hostname()
	return Holder{User: userName(), Host: host, PID: os.Getpid(), Since: time.Now().Truncate(time.Second), Command: command}
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// held reports whether a command has the file at path locked for writing.
func held(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock(f, true)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
