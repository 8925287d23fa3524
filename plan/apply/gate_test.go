package apply

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plan"
)

// TestAhead is about operations that are announced and wait for their turn:
// when nothing new may begin, they do not, and their intents are taken back.
func TestAhead(t *testing.T) {
	tests := map[string]struct {
		disturb func(s *sim, cancel func())
		made    int // at most, of the two that run and those that wait
		problem string
	}{
		"interrupted":         {func(_ *sim, cancel func()) { cancel() }, 2, ""},
		"cannot be saved":     {func(s *sim, _ func()) { s.notReady = errors.New("the file is gone") }, 2, "The record cannot be written"},
		"nothing is in a way": {func(*sim, func()) {}, 9, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var desired []config
			for _, name := range strings.Split("abcdefghi", "") {
				desired = append(desired, config{name: "thing." + name})
			}
			s := newSim(desired...)
			gate := make(chan struct{})
			for _, c := range desired {
				s.hold["create "+c.name] = gate
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			started := make(chan struct{}, len(desired))
			s.onStart = func(string) { started <- struct{}{} }
			go func() {
				<-started
				<-started
				s.awaitOpen(tasks(2)) // all that are on their way are announced
				s.mu.Lock()
				test.disturb(s, cancel)
				s.mu.Unlock()
				close(gate)
			}()
			p, _ := s.plan()
			o := s.options(p)
			o.Parallelism = 2
			r := Run(ctx, o)
			if len(s.open) > 0 {
				t.Errorf("intents are left open: %v", s.open)
			}
			if s.most > 2 {
				t.Errorf("%d ran at one time", s.most)
			}
			if got := len(s.record()); got > test.made || got != r.Done[plan.Create] {
				t.Errorf("%d are on record and %d done, want at most %d", got, r.Done[plan.Create], test.made)
			}
			if got := r.Done[plan.Create] + r.Skipped[plan.Create] + r.Failed[plan.Create]; got != len(desired) {
				t.Errorf("%d changes are accounted for, want %d", got, len(desired))
			}
			found := ""
			if len(r.Problems) > 0 {
				found = r.Problems[0].Summary
			}
			if found != test.problem || r.Interrupted != (name == "interrupted") {
				t.Errorf("got %q, interrupted %v", found, r.Interrupted)
			}
		})
	}
}

// awaitOpen returns when n intents are open.
func (s *sim) awaitOpen(n int) {
	for {
		s.mu.Lock()
		open := len(s.open)
		s.mu.Unlock()
		if open >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
