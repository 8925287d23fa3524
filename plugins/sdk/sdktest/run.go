package sdktest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// run is one case under way.
type run struct {
	Case
	suite  *Suite
	p      plugins.Provider
	rt     *plugins.ResourceType
	config cty.Value // of the provider
	uuid   string    // the deployment's

	object  cty.Value // what exists
	attempt string    // that made it
	wanted  cty.Value // its configuration
	took    map[plugins.Action]time.Duration
}

// all goes through the life of an object. Each step stands on the one before,
// so the first that fails ends the case.
func (r *run) all(t *testing.T) {
	t.Cleanup(func() { r.sweep(t) })
	if r.rt.Node {
		r.withKeys(t)
	}
	r.wanted = configValue(t, &r.rt.Block, r.Config)
	before := r.outside(t)
	steps := []struct {
		name string
		when bool
		run  func(t *testing.T)
	}{
		{"validate", true, r.validate},
		{"create", true, r.create},
		{"read agrees", true, r.readAgrees},
		{"plan is empty", true, r.planIsEmpty},
		{"find", true, r.findIt},
		{"import", r.ImportID != nil, r.importIt},
		{"hands", r.rt.Node, r.hands},
		{"update", r.Update != nil, r.update},
		{"broken behind its back", r.Break != nil, r.broken},
		{"delete", true, r.remove},
		{"nothing is left", true, func(t *testing.T) { r.nothingLeft(t, before) }},
		{"cancelled create", true, func(t *testing.T) { r.cancelled(t, before) }},
		{"killed create", r.suite.Command != nil, func(t *testing.T) { r.killedCreate(t, before) }},
		{"killed update", r.suite.Command != nil && r.Update != nil, func(t *testing.T) { r.killedUpdate(t, before) }},
		{"killed delete", r.suite.Command != nil, func(t *testing.T) { r.killedDelete(t, before) }},
	}
	for _, step := range steps {
		if step.when && !t.Run(step.name, step.run) {
			t.Fatalf("the steps after %q were not tried", step.name)
		}
	}
}

func (r *run) context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
	t.Cleanup(cancel)
	return ctx
}

func (r *run) address() string { return r.Type + ".sdktest" }

func (r *run) operation(attempt string) plugins.Operation {
	return plugins.Operation{
		Address: r.address(), Deployment: "sdktest::" + r.Type, UUID: r.uuid, Attempt: attempt,
		Timeout: limit,
	}
}

// dry runs f, which must change nothing outside.
func (r *run) dry(t *testing.T, what string, f func()) {
	t.Helper()
	if r.suite.Writes == nil {
		f()
		return
	}
	before := r.suite.Writes()
	f()
	if n := r.suite.Writes() - before; n != 0 {
		t.Errorf("%s made %d writes; it must make none", what, n)
	}
}

func (r *run) validate(t *testing.T) {
	r.dry(t, "Validate", func() {
		d := r.p.Validate(r.context(t), []plugins.ValidateRequest{{Kind: plugins.KindResource, Type: r.Type, Config: r.wanted}},
			func(_ int, d plugins.Diagnostics) {
				if d.HasErrors() {
					t.Errorf("Validate refuses the configuration: %v", d)
				}
			})
		if d.HasErrors() {
			t.Errorf("Validate: %v", d)
		}
		unknown := cty.UnknownVal(r.rt.Block.Type())
		attrs := r.wanted.AsValueMap()
		for name, v := range attrs {
			attrs[name] = cty.UnknownVal(v.Type())
		}
		if len(attrs) > 0 {
			unknown = cty.ObjectVal(attrs)
		}
		r.p.Validate(r.context(t), []plugins.ValidateRequest{{Kind: plugins.KindResource, Type: r.Type, Config: unknown}},
			func(_ int, d plugins.Diagnostics) {
				if d.HasErrors() {
					t.Errorf("Validate refuses a configuration whose values are all unknown yet: %v", d)
				}
			})
	})
}

// plan returns what is planned for a configuration, and what it replaces.
func (r *run) plan(t *testing.T, config, prior cty.Value) (cty.Value, []plugins.Replace) {
	t.Helper()
	proposed := propose(&r.rt.Block, config, prior)
	if !r.rt.CustomPlan {
		return proposed, nil
	}
	var result plugins.PlanResult
	r.dry(t, "Plan", func() {
		d := r.p.Plan(r.context(t), []plugins.PlanRequest{{
			Type: r.Type, Operation: r.operation(""), Prior: prior, Proposed: proposed, Config: config,
		}}, func(_ int, got plugins.PlanResult) { result = got })
		d = append(d, result.Diagnostics...)
		if d.HasErrors() {
			t.Fatalf("Plan: %v", d)
		}
	})
	for i := range r.rt.Block.Attributes {
		a := &r.rt.Block.Attributes[i]
		given := config.GetAttr(a.Name)
		if planned := result.Planned.GetAttr(a.Name); !given.IsNull() && !planned.RawEquals(given) && !r.drifts(a.Name) {
			t.Errorf("Plan changes %s, which the user set, from %s to %s", a.Name, show(given), show(planned))
		}
	}
	return result.Planned, result.Replace
}

func (r *run) drifts(name string) bool { return slices.Contains(r.Drifts, name) }

// apply does one operation and checks what every result has to keep.
func (r *run) apply(t *testing.T, action plugins.Action, prior, planned cty.Value, attempt string) cty.Value {
	t.Helper()
	began := time.Now()
	result := r.p.Apply(r.context(t), plugins.ApplyRequest{
		Type: r.Type, Operation: r.operation(attempt), Action: action, Prior: prior, Planned: planned, Context: r.contextFor(action),
	}, nil)
	r.took[action] = max(r.took[action], time.Since(began)) // of deletions, most find nothing to do
	if result.Diagnostics.HasErrors() {
		t.Fatalf("%s: %v", action, result.Diagnostics)
	}
	if action == plugins.Delete {
		if !result.Object.IsNull() {
			t.Errorf("delete succeeded and left %s", show(result.Object))
		}
		return result.Object
	}
	if result.Object.IsNull() {
		t.Fatalf("%s succeeded and made nothing", action)
	}
	if !result.Object.IsWhollyKnown() {
		t.Errorf("%s left something unknown: %s", action, show(result.Object))
	}
	if diff := changes(planned, result.Object, r.Drifts); len(diff) > 0 {
		t.Errorf("%s made something else than was planned (planned -> made):\n  %s", action, strings.Join(diff, "\n  "))
	}
	return result.Object
}

func (r *run) contextFor(a plugins.Action) *plugins.Context {
	if a != plugins.Create || !r.rt.Node {
		return nil
	}
	if r.Context != nil {
		return r.Context
	}
	return &plugins.Context{}
}

func (r *run) null() cty.Value { return cty.NullVal(r.rt.Block.Type()) }

func (r *run) create(t *testing.T) {
	planned, _ := r.plan(t, r.wanted, r.null())
	r.attempt = newID(4)
	r.object = r.apply(t, plugins.Create, r.null(), planned, r.attempt)
}

// read returns the object as it is now; null when it is gone.
func (r *run) read(t *testing.T, object cty.Value) plugins.ReadResult {
	t.Helper()
	var result plugins.ReadResult
	r.dry(t, "Read", func() {
		d := r.p.Read(r.context(t), []plugins.ReadRequest{{Type: r.Type, Operation: r.operation(r.attempt), Object: object}},
			func(_ int, got plugins.ReadResult) { result = got })
		d = append(d, result.Diagnostics...)
		if d.HasErrors() {
			t.Fatalf("Read: %v", d)
		}
	})
	return result
}

func (r *run) readAgrees(t *testing.T) {
	got := r.read(t, r.object)
	if got.Object.IsNull() {
		t.Fatalf("Read says that the object is gone (%s) right after it was made", got.Gone)
	}
	if diff := changes(r.object, got.Object, r.Drifts); len(diff) > 0 {
		t.Errorf("Read does not agree with what was made (made -> read):\n  %s", strings.Join(diff, "\n  "))
	}
	r.object = got.Object
}

func (r *run) planIsEmpty(t *testing.T) {
	planned, replace := r.plan(t, r.wanted, r.object)
	if diff := changes(r.object, planned, r.Drifts); len(diff) > 0 {
		t.Errorf("planning the same configuration again changes (is -> planned):\n  %s", strings.Join(diff, "\n  "))
	}
	if len(replace) > 0 {
		t.Errorf("planning the same configuration again replaces, because of %v (%s)", replace[0].Path, replace[0].Reason)
	}
}

// find returns what exists with a uuid.
func (r *run) find(t *testing.T, uuid string) []plugins.Found {
	t.Helper()
	var found []plugins.Found
	r.dry(t, "Find", func() {
		var d plugins.Diagnostics
		found, d = r.p.Find(r.context(t), plugins.FindRequest{UUID: uuid, Types: []string{r.Type}})
		if d.HasErrors() {
			t.Fatalf("Find: %v", d)
		}
	})
	return found
}

func (r *run) findIt(t *testing.T) {
	if other := r.find(t, newID(16)); len(other) > 0 {
		t.Errorf("Find finds %d objects for a uuid that nobody used, such as %s", len(other), describe(other[0]))
	}
	found := r.find(t, r.uuid)
	if r.Invisible {
		if len(found) > 0 {
			t.Errorf("Find finds %s; the case says that nothing exists outside", describe(found[0]))
		}
		return
	}
	if len(found) != 1 {
		t.Fatalf("Find finds %d objects, want the one that was made", len(found))
	}
	f := found[0]
	if f.Type != r.Type || f.Address != r.address() || f.Attempt != r.attempt || !f.Complete {
		t.Errorf("Find finds %s, want %s %s of attempt %s, complete", describe(f), r.Type, r.address(), r.attempt)
	}
	if r.read(t, f.Object).Object.IsNull() {
		t.Errorf("Read says that what Find found (%s) is gone", show(f.Object))
	}
}

func describe(f plugins.Found) string {
	state := "complete"
	if !f.Complete {
		state = "half made"
	}
	return fmt.Sprintf("%s %s of attempt %q, %s", f.Type, f.Address, f.Attempt, state)
}

func (r *run) importIt(t *testing.T) {
	v, d := r.p.Import(r.context(t), plugins.ImportRequest{Type: r.Type, ID: r.ImportID(r.object), Operation: r.operation(r.attempt)})
	if d.HasErrors() {
		t.Fatalf("Import: %v", d)
	}
	if diff := changes(r.object, v, r.Drifts); len(diff) > 0 {
		t.Errorf("Import does not agree (is -> imported):\n  %s", strings.Join(diff, "\n  "))
	}
}

// broken removes the object outside; it must be missed, deletable and creatable.
func (r *run) broken(t *testing.T) {
	r.Break(t, r.object)
	if got := r.read(t, r.object); !got.Object.IsNull() {
		t.Fatalf("Read says %s; the object was removed", show(got.Object))
	}
	r.apply(t, plugins.Delete, r.object, r.null(), r.attempt)
	r.create(t)
	r.readAgrees(t)
}

func (r *run) remove(t *testing.T) {
	r.apply(t, plugins.Delete, r.object, r.null(), r.attempt)
	if got := r.read(t, r.object); !got.Object.IsNull() && !r.Invisible {
		t.Errorf("Read says %s; the object was deleted", show(got.Object))
	}
	r.apply(t, plugins.Delete, r.object, r.null(), r.attempt) // again
}

// nothingLeft compares with what existed before the case.
func (r *run) nothingLeft(t *testing.T, before []string) {
	t.Helper()
	if found := r.find(t, r.uuid); len(found) > 0 {
		t.Errorf("Find still finds %s", describe(found[0]))
	}
	if left := minus(r.outside(t), before); len(left) > 0 {
		t.Errorf("left outside: %s", strings.Join(left, ", "))
	}
}

func (r *run) outside(t *testing.T) []string {
	if r.suite.Outside == nil {
		return nil
	}
	return r.suite.Outside(t)
}

func minus(a, b []string) []string {
	var rest []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			rest = append(rest, s)
		}
	}
	slices.Sort(rest)
	return rest
}

// sweep removes whatever still carries the case's uuid.
func (r *run) sweep(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	found, _ := r.p.Find(ctx, plugins.FindRequest{UUID: r.uuid, Types: []string{r.Type}})
	for _, f := range found {
		result := r.p.Apply(ctx, plugins.ApplyRequest{
			Type: r.Type, Operation: r.operation(f.Attempt), Action: plugins.Delete, Prior: f.Object, Planned: r.null(),
		}, nil)
		if result.Diagnostics.HasErrors() {
			t.Errorf("tidying up: %s cannot be deleted: %v", describe(f), result.Diagnostics)
		}
	}
}
