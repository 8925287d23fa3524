package fake

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// FaultsFile, below the root, holds faults that no configuration speaks of, a
// line each, such as
//
//	create web after crash
//
// They hold as long as the file has them, for fake_thing alone.
const FaultsFile = "faults"

// Fault is one verb that goes wrong.
type Fault struct {
	Verb string // one of Verbs
	Name string // of the thing, or "*"; find is about all things, and takes "*" alone
	When string // Before, Half, After
	How  string // Error, Hang, Crash, Lie
}

// Verbs that can go wrong.
var Verbs = []string{"create", "update", "delete", "read", "plan", "find", "data"}

// When a verb goes wrong. Half is for those that change something.
const (
	Before = "before"
	Half   = "half"
	After  = "after"
)

// How a verb goes wrong.
const (
	Error = "error"
	Hang  = "hang"  // until it is interrupted
	Deaf  = "deaf"  // for ever: it does not hear that it is interrupted
	Crash = "crash" // the plugin dies
	Lie   = "lie"   // a value is not what was asked for, planned or there
)

// String writes a fault as a line.
func (f Fault) String() string { return strings.Join([]string{f.Verb, f.Name, f.When, f.How}, " ") }

// faultOf returns the fault of a verb, or none.
func (s *store) faultOf(verb, name string) Fault {
	text, err := os.ReadFile(filepath.Join(s.root, FaultsFile))
	if err != nil {
		return Fault{}
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) == 4 && words[0] == verb && slices.Contains([]string{"*", name}, words[1]) {
			return Fault{words[0], words[1], words[2], words[3]}
		}
	}
	return Fault{}
}

// strike lets a verb go wrong, when it is the time.
func (s *store) strike(ctx context.Context, f Fault, when string) error {
	if f.When != when {
		return nil
	}
	switch f.How {
	case Error:
		return sdk.Error(fmt.Sprintf("The fake provider fails %s it can %s", when, f.Verb), "Its faults file says so.")
	case Hang:
		<-ctx.Done()
		return ctx.Err()
	case Deaf:
		select {}
	case Crash:
		s.die()
	}
	return nil
}

// guarded does what a verb does between its faults.
func (s *store) guarded(ctx context.Context, f Fault, do func() error) error {
	if err := s.strike(ctx, f, Before); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return s.strike(ctx, f, After)
}

// lied is what a liar says in place of a text.
func (f Fault) lied(text string) string {
	if f.How == Lie {
		return text + " (a lie)"
	}
	return text
}

func crash() {
	fmt.Fprintln(os.Stderr, "fake: crashing, as asked")
	os.Exit(exitCrash)
}
