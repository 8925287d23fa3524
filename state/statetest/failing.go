// Package statetest helps to test what a command's record is worth: a Disk
// that fails at a chosen step, and one that checks that a command killed at
// any step would have lost nothing.
package statetest

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/nixos-compose/nxc/state"
)

// Fault is how a disk fails, written as "append 3 short".
type Fault struct {
	Step string // Append or Replace
	N    int    // which one of a command, from 1
	How  string
}

// Steps of a command that can fail.
const (
	Append  = "append"
	Replace = "replace"
)

// Ways to fail.
const (
	Full   = "full"   // nothing is written, now and from then on
	Short  = "short"  // a part is written of an append, then as Full
	Flush  = "flush"  // it is written, and said not to be durable; only this once
	Kill   = "kill"   // the command dies before it
	Killed = "killed" // the command dies after it
)

// Faults lists all ways to fail, the mildest first.
var Faults = []string{Full, Flush, Short, Kill, Killed}

// String writes a fault as ParseFault reads it.
func (f Fault) String() string { return fmt.Sprintf("%s %d %s", f.Step, f.N, f.How) }

// ParseFault reads a fault.
func ParseFault(text string) (Fault, error) {
	var f Fault
	if _, err := fmt.Sscanf(text, "%s %d %s", &f.Step, &f.N, &f.How); err != nil {
		return f, fmt.Errorf("%q is no fault of a disk: %w", text, err)
	}
	if f.Step != Append && f.Step != Replace || !slices.Contains(Faults, f.How) {
		return f, fmt.Errorf("%q is no fault of a disk", text)
	}
	return f, nil
}

// Failing is a disk that fails. The zero Fault never does.
type Failing struct {
	Under state.Disk // nil: the real one
	Fault Fault
	Kill  func() // ends the command; when it returns, nothing is written any more

	mu    sync.Mutex
	steps map[string]int
	full  bool
}

var _ state.Disk = (*Failing)(nil)

// Append writes to the journal, or fails.
func (d *Failing) Append(journal *os.File, records []byte) error {
	return d.do(Append, func(part bool) error {
		if part {
			// Never at the end of a record: that would be a whole write.
			records = records[:bytes.LastIndexByte(records[:len(records)-1], '\n')+1+len(records)/7%20]
		}
		return d.under().Append(journal, records)
	})
}

// Replace writes the state file, or fails.
func (d *Failing) Replace(path string, content []byte) error {
	return d.do(Replace, func(part bool) error {
		if part {
			return nil // what was written is a temporary file
		}
		return d.under().Replace(path, content)
	})
}

func (d *Failing) under() state.Disk {
	if d.Under == nil {
		return state.RealDisk{}
	}
	return d.Under
}

func (d *Failing) do(step string, write func(part bool) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return syscall.ENOSPC
	}
	if d.steps == nil {
		d.steps = map[string]int{}
	}
	d.steps[step]++
	if step != d.Fault.Step || d.steps[step] != d.Fault.N {
		return write(false)
	}
	switch d.Fault.How {
	case Flush:
		return orElse(write(false), syscall.EIO)
	case Short:
		d.full = true
		return orElse(write(true), syscall.ENOSPC)
	case Kill:
		d.full = true
		d.Kill()
	case Killed:
		d.full = true
		if err := write(false); err != nil {
			return err
		}
		d.Kill()
	default:
		d.full = true
	}
	return syscall.ENOSPC
}

func orElse(err, fault error) error {
	if err != nil {
		return err
	}
	return fault
}

// Variable is the environment variable by which a test tells an nxc of its own
// how the disk fails.
const Variable = "NXC_TEST_DISK"
