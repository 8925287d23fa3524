package deploy

import (
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

// TestReplacedForgetsNothing plays a kill between any two of the edits that a
// push makes: every object that both states know is known at each of them.
func TestReplacedForgetsNothing(t *testing.T) {
	of := func(objects map[string]string) *state.State {
		s := state.New()
		for name, attempt := range objects {
			a, err := addr.Parse("fake_thing." + name)
			if err != nil {
				t.Fatal(err)
			}
			s.SetResource(&state.Resource{Address: a, Incarnation: state.Incarnation{Attempt: attempt, Provider: "fake"}})
		}
		return s
	}
	now := of(map[string]string{"a": "1", "gone": "2", "old": "3", "same": "4"})
	pushed := of(map[string]string{"a": "1", "new": "3", "same": "4", "more": "5"})
	edits := replaced(now, pushed)
	for i := range edits {
		edits[i].on(now)
		known := map[string]int{}
		for _, r := range now.Resources() {
			known[r.Attempt]++
		}
		for _, attempt := range []string{"1", "3", "4"} {
			if known[attempt] != 1 {
				t.Errorf("after edit %d attempt %s stands in the state %d times, want once", i+1, attempt, known[attempt])
			}
		}
	}
	if now.Hash(addr.Deployment{}) != pushed.Hash(addr.Deployment{}) {
		t.Error("what was pushed is not there")
	}
}
