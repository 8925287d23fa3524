package nix

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// dependency is a read with what it found, to see later whether it would find
// the same.
type dependency struct {
	read
	Digest string `json:"digest"`

	// Stamp identifies the state of a single file: as long as it is the same,
	// the file need not be read again. It is nil for what is not one file.
	Stamp *stamp `json:"stamp,omitempty"`
}

// stamp is what the file system says about a file. The change time cannot be
// set by programs, so an equal stamp means an equal file.
type stamp struct {
	Size    int64  `json:"size"`
	Mode    uint32 `json:"mode"`
	Inode   uint64 `json:"inode"`
	Changed int64  `json:"changed"` // nanoseconds
}

// errChanging means that a file was written while an evaluation read it.
var errChanging = errors.New("it changed during the evaluation")

// observeReads finds out what each read sees now. It fails when something
// changed at or after start, the time on the file system's clock at which the
// evaluation began: then nobody knows what the evaluation saw.
func observeReads(reads []read, start time.Time) ([]dependency, error) {
	deps := make([]dependency, 0, len(reads))
	for _, r := range reads {
		d := digester{notAfter: start}
		digest, err := d.digest(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path, err)
		}
		deps = append(deps, dependency{read: r, Digest: digest, Stamp: d.stamp})
	}
	return deps, nil
}

// holds reports whether the read would still find the same.
func (d dependency) holds() bool {
	if d.Stamp != nil {
		if info, err := os.Lstat(d.Path); err == nil && stampOf(info) == *d.Stamp {
			return true
		}
	}
	var now digester
	digest, err := now.digest(d.read)
	return err == nil && digest == d.Digest
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{Size: info.Size(), Mode: uint32(info.Mode())}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode = sys.Ino
		s.Changed = changeTime(info).UnixNano()
	}
	return s
}

// changeTime is when the file's content or metadata last changed.
func changeTime(info fs.FileInfo) time.Time {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(sys.Ctim.Unix())
	}
	return info.ModTime()
}

// digester computes what a read sees.
type digester struct {
	notAfter time.Time // anything changed then or later is an error; zero is no limit
	stamp    *stamp    // set when the read depends on one regular file alone
}

func (d *digester) digest(r read) (string, error) {
	h := sha256.New()
	var err error
	switch r.Kind {
	case readImport:
		err = d.importee(h, r.Path)
	case readFile:
		err = d.file(h, r.Path)
	case readList:
		err = d.list(h, r.Path)
	case readExists:
		var info fs.FileInfo
		if info, err = os.Stat(r.Path); err == nil {
			err = d.check(info)
		}
	case readType:
		var info fs.FileInfo
		if info, err = os.Lstat(r.Path); err == nil {
			fmt.Fprint(h, info.Mode().Type())
		}
	case readNode:
		err = d.node(h, r.Path, false)
	case readTree:
		err = d.node(h, r.Path, true)
	default:
		err = fmt.Errorf("unknown kind of read %q", r.Kind)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "absent", d.checkAbsent(r.Path)
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// importee digests a Nix file. Where it really lies counts too, because the
// relative paths in it start there.
func (d *digester) importee(h io.Writer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		path = filepath.Join(path, "default.nix")
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%q\n", resolved)
	if err := d.file(h, path); err != nil {
		return err
	}
	if resolved != path || info.IsDir() {
		d.stamp = nil // more than this one file decides
	}
	return nil
}

// file digests a file's content.
func (d *digester) file(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := d.check(info); err != nil {
		return err
	}
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if link, err := os.Lstat(path); err == nil && link.Mode().IsRegular() {
		s := stampOf(info)
		d.stamp = &s
	}
	return nil
}

// check refuses what changed during an evaluation.
func (d *digester) check(info fs.FileInfo) error {
	if !d.notAfter.IsZero() && !changeTime(info).Before(d.notAfter) {
		return errChanging
	}
	return nil
}

// checkAbsent refuses an absence that may be younger than the evaluation: the
// nearest folder that exists was changed during it.
func (d *digester) checkAbsent(path string) error {
	d.stamp = nil
	for {
		parent := filepath.Dir(path)
		info, err := os.Stat(parent)
		if err == nil {
			return d.check(info)
		}
		if parent == path {
			return err
		}
		path = parent
	}
}

// list digests the names and types of a folder's entries.
func (d *digester) list(h io.Writer, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := d.check(info); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		fmt.Fprintf(h, "%q %v\n", entry.Name(), entry.Type())
	}
	return nil
}

// node digests what goes into the store of one path: a file's content and
// whether it is executable, a link's target, a folder's entries, and with deep
// what is below them.
func (d *digester) node(h io.Writer, path string, deep bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := d.check(info); err != nil {
		return err
	}
	switch {
	case info.Mode().IsRegular():
		fmt.Fprintf(h, "file %v %d\n", info.Mode()&0o100 != 0, info.Size())
		return d.file(h, path)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		fmt.Fprintf(h, "link %q\n", target)
		return err
	case !info.IsDir():
		fmt.Fprintf(h, "other %v\n", info.Mode().Type())
		return nil
	}
	fmt.Fprintln(h, "folder")
	if err := d.list(h, path); err != nil || !deep {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := d.node(h, filepath.Join(path, entry.Name()), true); err != nil {
			return err
		}
	}
	d.stamp = nil
	return nil
}
