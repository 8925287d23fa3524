package statetest

import (
	"errors"
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

var top addr.Deployment

// apply creates two things, outside before or after they are announced.
func apply(t *testing.T, disk state.Disk, world map[string]string, careless bool) error {
	t.Helper()
	s, err := state.Open(t.Context(), state.Options{Dir: t.TempDir(), Command: "test", Disk: disk})
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Begin(t.Context(), state.BeginOptions{Change: []addr.Deployment{top}})
	if err != nil {
		return err
	}
	defer x.Abort()
	err = x.SetDeployment(&state.Deployment{Name: top, UUID: "u", Providers: map[string]state.Provider{"p": {}}})
	for _, name := range []string{"a", "b"} {
		at := addr.Instance{Type: "thing", Name: name}
		made := state.Incarnation{Provider: "p", Attempt: name, Asked: []byte("{}")}
		if careless {
			world[name] = "u"
		}
		if err == nil {
			err = x.Intent(state.Intent{Address: at, Action: state.Create, Attempt: name, Planned: &made, ProviderName: "p"})
		}
		if err == nil {
			world[name] = "u"
			err = x.Result(state.Result{Address: at, Attempt: name, Resource: &state.Resource{Address: at, Incarnation: made}})
		}
	}
	return errors.Join(err, x.End(t.Context()))
}

func TestPrefixes(t *testing.T) {
	for name, careless := range map[string]bool{"": false, "a exists, and neither the state nor an open operation knows it": true} {
		world := map[string]string{}
		p := &Prefixes{World: func() map[string]string { return maps.Clone(world) }}
		if err := apply(t, p, world, careless); err != nil {
			t.Fatal(err)
		}
		if err := p.Check(); (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("careless %v: got %v", careless, err)
		}
		if len(p.moments) < 8 {
			t.Errorf("only %d moments were seen", len(p.moments))
		}
	}
}

// Whatever fails, what is durable holds together.
func TestFailing(t *testing.T) {
	for _, step := range []string{Append, Replace} {
		for _, n := range []int{1, 2, 3, 6, 7, 8} {
			for _, how := range Faults {
				f, err := ParseFault(Fault{step, n, how}.String())
				if err != nil {
					t.Fatal(err)
				}
				killed := false
				world := map[string]string{}
				p := &Prefixes{Under: &Failing{Fault: f, Kill: func() { killed = true }}, World: func() map[string]string { return maps.Clone(world) }}
				err = apply(t, p, world, false)
				happened := step == Append && n <= 7 || n <= 3
				if (err != nil) != happened && !(how == Flush && step == Append) { // the state, which is written after it, has all
					t.Errorf("%s: got %v", f, err)
				}
				if killed != (happened && (how == Kill || how == Killed)) || how == Full && happened && !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("%s: killed %v, %v", f, killed, err)
				}
				if err := p.Check(); err != nil {
					t.Errorf("%s: %v", f, err)
				}
			}
		}
	}
}

func TestParseFault(t *testing.T) {
	for _, text := range []string{"", "append", "append 3", "append x full", "rename 3 full", "append 3 slow"} {
		if f, err := ParseFault(text); err == nil {
			t.Errorf("%q is %v", text, f)
		}
	}
}
