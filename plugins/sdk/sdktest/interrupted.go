package sdktest

import (
	"context"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// cancelled interrupts creates at several instants. Whatever the result says,
// all that exists afterwards must be found and be removable.
func (r *run) cancelled(t *testing.T, before []string) {
	planned, _ := r.plan(t, r.wanted, r.null())
	for _, after := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithCancel(r.context(t))
		timer := time.AfterFunc(after, cancel)
		attempt := newID(4)
		result := r.p.Apply(ctx, plugins.ApplyRequest{
			Type: r.Type, Operation: r.operation(attempt), Action: plugins.Create,
			Prior: r.null(), Planned: planned, Context: r.contextFor(plugins.Create),
		}, nil)
		timer.Stop()
		cancel()
		if result.Lost {
			t.Fatalf("cancelled after %s: the result is lost: %v", after, result.Diagnostics)
		}
		found := r.find(t, r.uuid)
		if result.Object.IsNull() && !result.Diagnostics.HasErrors() {
			t.Errorf("cancelled after %s: neither an object nor an error", after)
		}
		if result.Object.IsNull() && len(found) > 0 {
			t.Errorf("cancelled after %s: the result says that nothing exists, Find finds %s", after, describe(found[0]))
		}
		if !result.Object.IsNull() {
			r.apply(t, plugins.Delete, result.Object, r.null(), attempt)
		}
		r.removeFound(t, r.find(t, r.uuid), attempt)
		r.nothingLeft(t, before)
	}
}

// removeFound deletes what was found, which must be of the attempt.
func (r *run) removeFound(t *testing.T, found []plugins.Found, attempt string) {
	t.Helper()
	for _, f := range found {
		if f.Address != r.address() || f.Attempt != attempt {
			t.Errorf("Find finds %s, want attempt %s of %s", describe(f), attempt, r.address())
		}
		r.apply(t, plugins.Delete, f.Object, r.null(), f.Attempt)
	}
}
