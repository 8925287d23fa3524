package sdktest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
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

// killed kills a real plugin process in the middle of a create, at instants
// spread over the time that a create takes, and asks the suite's own process
// for what it left.
func (r *run) killed(t *testing.T, before []string) {
	planned, _ := r.plan(t, r.wanted, r.null())
	took := r.timeCreate(t, planned)
	kills := r.Kills
	if kills == 0 {
		kills = 4
	}
	for i := range kills {
		// A half, so that the last one is still before the end.
		after := took * time.Duration(2*i+1) / time.Duration(2*kills)
		attempt := newID(4)
		r.killDuring(t, planned, attempt, after)
		r.awaitWindow(t)
		found := r.find(t, r.uuid)
		if len(found) > 1 {
			t.Errorf("killed after %s: one create left %d objects", after, len(found))
		}
		r.removeFound(t, found, attempt)
		r.nothingLeft(t, before)
		if t.Failed() {
			t.Fatalf("a create killed %s after it began (it takes %s) was not found again as it should be", after, took)
		}
	}
}

// timeCreate returns how long a create takes in a process of its own.
func (r *run) timeCreate(t *testing.T, planned cty.Value) time.Duration {
	c := r.launch(t)
	defer c.Kill()
	attempt := newID(4)
	started := time.Now()
	result := c.Apply(r.context(t), r.createRequest(planned, attempt), nil)
	took := time.Since(started)
	if result.Diagnostics.HasErrors() {
		t.Fatalf("create in a process of its own: %v", result.Diagnostics)
	}
	r.apply(t, plugins.Delete, result.Object, r.null(), attempt)
	return took
}

func (r *run) createRequest(planned cty.Value, attempt string) plugins.ApplyRequest {
	return plugins.ApplyRequest{
		Type: r.Type, Operation: r.operation(attempt), Action: plugins.Create,
		Prior: r.null(), Planned: planned, Context: r.contextFor(plugins.Create),
	}
}

// killDuring begins a create and kills its process.
func (r *run) killDuring(t *testing.T, planned cty.Value, attempt string, after time.Duration) {
	c := r.launch(t)
	var wg sync.WaitGroup
	wg.Go(func() { c.Apply(r.context(t), r.createRequest(planned, attempt), nil) })
	time.Sleep(after)
	c.Kill()
	wg.Wait()
}

// awaitWindow waits as long as a request of the dead plugin may be in flight.
func (r *run) awaitWindow(t *testing.T) {
	if r.rt.FindWindow == 0 {
		return
	}
	deadline := time.Now().Add(r.rt.FindWindow)
	for time.Now().Before(deadline) && len(r.find(t, r.uuid)) == 0 {
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *run) launch(t *testing.T) *host.Client {
	t.Helper()
	c, d := host.Launch(r.context(t), host.Options{
		Name: r.suite.Provider.Name, Path: r.suite.Command[0], Args: r.suite.Command[1:],
	})
	if d.HasErrors() {
		t.Fatalf("the plugin cannot be launched: %v", d)
	}
	t.Cleanup(c.Kill)
	if _, d := c.Configure(r.context(t), plugins.ConfigureRequest{Config: r.config, Folders: r.suite.Folders}); d.HasErrors() {
		t.Fatalf("Configure in a process of its own: %v", d)
	}
	return c
}
