package sdktest

import (
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
)

// These steps kill a real plugin process in the middle of a verb, at instants
// spread over the time that the verb took before, and ask the suite's own
// process for what it left.

// killedCreate demands that what a create left is found, and can be removed.
func (r *run) killedCreate(t *testing.T, before []string) {
	planned, _ := r.plan(t, r.wanted, r.null())
	for _, after := range r.instants(plugins.Create) {
		attempt := newID(4)
		r.killDuring(t, plugins.Create, r.null(), planned, attempt, after)
		r.awaitWindow(t)
		found := r.find(t, r.uuid)
		if len(found) > 1 {
			t.Errorf("killed after %s: one create left %d objects", after, len(found))
		}
		r.removeFound(t, found, attempt)
		r.nothingLeft(t, before)
		if t.Failed() {
			t.Fatalf("a create killed %s after it began (it takes %s) was not found again as it should be", after, r.took[plugins.Create])
		}
	}
}

// killedUpdate demands that an object whose change was cut short is there, is
// the same, and takes the change once more.
func (r *run) killedUpdate(t *testing.T, before []string) {
	if r.took[plugins.Update] == 0 {
		return // the case's update replaces the object
	}
	from, to := configValue(t, &r.rt.Block, r.Config), configValue(t, &r.rt.Block, r.Update)
	for _, after := range r.instants(plugins.Update) {
		r.wanted = from
		r.create(t)
		planned, _ := r.plan(t, to, r.object)
		r.killDuring(t, plugins.Update, r.object, planned, r.attempt, after)
		r.findSame(t, after)
		now := r.read(t, r.object).Object
		if now.IsNull() {
			t.Fatalf("an update killed %s after it began (it takes %s) made Read miss the object", after, r.took[plugins.Update])
		}
		r.wanted = to
		planned, replace := r.plan(t, to, now)
		switch {
		case len(replace) > 0 || replaces(&r.rt.Block, now, planned):
			t.Errorf("an update killed %s after it began: the same change, which was one in place, replaces the object now", after)
		case len(changes(now, planned, r.Drifts)) > 0:
			r.object = r.apply(t, plugins.Update, now, planned, r.attempt)
		default:
			r.object = now
		}
		r.readAgrees(t)
		r.planIsEmpty(t)
		r.apply(t, plugins.Delete, r.object, r.null(), r.attempt)
		r.nothingLeft(t, before)
		if t.Failed() {
			t.Fatalf("an update killed %s after it began (it takes %s) was not mended as it should be", after, r.took[plugins.Update])
		}
	}
}

// findSame demands that Find finds the object, and nothing else.
func (r *run) findSame(t *testing.T, after time.Duration) {
	t.Helper()
	if r.Invisible {
		return
	}
	found := r.find(t, r.uuid)
	if len(found) != 1 {
		t.Fatalf("an update killed %s after it began: Find finds %d objects, want the one that was being changed", after, len(found))
	}
	if f := found[0]; f.Address != r.address() || f.Attempt != r.attempt {
		t.Errorf("an update killed %s after it began: Find finds %s, want attempt %s of %s", after, describe(f), r.attempt, r.address())
	}
}

// killedDelete demands that what a removal left is found, and removed by
// another one.
func (r *run) killedDelete(t *testing.T, before []string) {
	for _, after := range r.instants(plugins.Delete) {
		r.create(t)
		r.killDuring(t, plugins.Delete, r.object, r.null(), r.attempt, after)
		r.removeFound(t, r.find(t, r.uuid), r.attempt)
		r.nothingLeft(t, before)
		if t.Failed() {
			t.Fatalf("a removal killed %s after it began (it takes %s) was not found again as it should be", after, r.took[plugins.Delete])
		}
	}
}

// instants lists when to kill. They lie in the middle of equal parts, so that
// the last one is still before the end.
func (r *run) instants(a plugins.Action) []time.Duration {
	kills := r.Kills
	if kills == 0 {
		kills = 4
	}
	list := make([]time.Duration, kills)
	for i := range list {
		list[i] = r.took[a] * time.Duration(2*i+1) / time.Duration(2*kills)
	}
	return list
}

// killDuring begins an operation in a process of its own, and kills that.
func (r *run) killDuring(t *testing.T, a plugins.Action, prior, planned cty.Value, attempt string, after time.Duration) {
	c := r.launch(t)
	ctx := r.context(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		c.Apply(ctx, plugins.ApplyRequest{
			Type: r.Type, Operation: r.operation(attempt), Action: a, Prior: prior, Planned: planned, Context: r.contextFor(a),
		}, nil)
	})
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
