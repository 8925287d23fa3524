package deploy

import (
	"encoding/json"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/state"
)

// recorder writes operations into the session's journal.
type recorder struct {
	r    *run
	busy sync.Map // address to *sync.Mutex: see Result
}

var _ apply.Recorder = (*recorder)(nil)

// Intent announces an operation.
func (rec *recorder) Intent(op apply.Operation) error {
	r, c := rec.r, op.Change
	intent := state.Intent{Address: c.Addr, Attempt: op.Attempt, ProviderName: c.Provider}
	switch op.Step {
	case apply.Create:
		intent.Action = state.Create
	case apply.Update:
		intent.Action = state.Update
	default:
		intent.Action = state.Delete
		return r.session.Intent(intent)
	}
	planned, err := rec.incarnation(op, op.Planned, true)
	if err != nil {
		return err
	}
	intent.Planned = planned
	return r.session.Intent(intent)
}

// Result says what is there after an operation. Two may end at one address at
// the same time, on its object and on one left over from a replacement: each
// result is the whole resource, so they take turns.
func (rec *recorder) Result(op apply.Operation, object cty.Value, tainted bool) error {
	r, a := rec.r, op.Change.Addr
	defer rec.turn(a)()
	resource := r.session.Resource(a)
	if resource == nil {
		resource = &state.Resource{Address: a}
	}
	switch {
	case object.IsNull() && op.Deposed:
		resource = resource.WithoutDeposed(op.Attempt)
	case object.IsNull() && op.Step == apply.Create:
		if !resource.Exists() && len(resource.Deposed) == 0 {
			resource = nil
		}
	case object.IsNull():
		resource = resource.Copy()
		resource.Incarnation = state.Incarnation{}
		if len(resource.Deposed) == 0 {
			resource = nil
		}
	case op.Deposed:
		// It could not be deleted and is still there.
	default:
		made, err := rec.incarnation(op, object, false)
		if err != nil {
			return err
		}
		switch {
		case tainted:
			made.Status = state.HalfMade
		case op.Step == apply.Delete: // it was tainted for a reason
			made.Status = resource.Status
		}
		if op.Step == apply.Create && resource.Exists() && resource.Attempt != op.Attempt {
			resource = resource.Depose()
		} else {
			resource = resource.Copy()
		}
		resource.Incarnation = *made
	}
	return r.session.Result(state.Result{Address: a, Attempt: op.Attempt, Resource: resource})
}

// turn waits for the right to say what is at an address, and returns how to
// give it back.
func (rec *recorder) turn(a addr.Instance) (end func()) {
	turn, _ := rec.busy.LoadOrStore(a, &sync.Mutex{})
	turn.(*sync.Mutex).Lock()
	return turn.(*sync.Mutex).Unlock
}

// Ready reports why the state could not be saved now.
func (rec *recorder) Ready() error { return rec.r.session.Ready() }

// Withdraw says that all is as it was.
func (rec *recorder) Withdraw(op apply.Operation) error {
	a := op.Change.Addr
	defer rec.turn(a)()
	return rec.r.session.Result(state.Result{Address: a, Attempt: op.Attempt, Resource: rec.r.session.Resource(a)})
}

// incarnation records an object's value.
func (rec *recorder) incarnation(op apply.Operation, v cty.Value, planned bool) (*state.Incarnation, error) {
	c := op.Change
	running, ok := rec.r.p.providers.get(c.Provider)
	if !ok {
		return nil, errNotRunning(c.Provider)
	}
	t := running.schema.Resources[c.Type]
	made := &state.Incarnation{
		Provider: c.Provider, SchemaVersion: t.Version, Attempt: op.Attempt, Dependencies: rec.r.dependencies(c),
	}
	if op.Step == apply.Delete { // it could not be deleted, and is what it was
		made.Dependencies = c.PriorDependencies
	}
	sensitive := sensitivePaths(&t.Block)
	for _, m := range c.Marks {
		sensitive = append(sensitive, m.Path)
	}
	err := made.SetObject(v, state.Split{
		Computed: decidedByWorld(&t.Block, c.Config), Sensitive: sensitive,
		Seal: rec.r.session.Sealer(), Planned: planned,
	})
	return made, err
}

// dependencies are what an object directly depends on and what is, or will be,
// in the state: a data source stands for what it depends on itself, and a block
// without instances for nothing.
func (r *run) dependencies(c *plan.Change) []addr.Instance {
	r.once.Do(r.countBlocks)
	var out []addr.Instance
	seen := map[addr.Instance]bool{c.Addr: true}
	var add func(list []addr.Instance)
	add = func(list []addr.Instance) {
		for _, a := range list {
			switch {
			case seen[a]:
			case a.Data:
				seen[a] = true
				add(r.p.Config.Dependencies(a.Block()))
			case r.blocks[a]:
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	add(c.Dependencies)
	return out
}

// countBlocks notes the addresses, blocks and deployments that will have objects.
func (r *run) countBlocks() {
	r.blocks = map[addr.Instance]bool{}
	note := func(a addr.Instance) {
		r.blocks[a], r.blocks[a.Block()] = true, true
		if !a.Deployment.IsTop() {
			r.blocks[addr.Instance{Deployment: a.Deployment}] = true
		}
	}
	for i := range r.planned.Plan.Changes {
		if c := &r.planned.Plan.Changes[i]; !c.Data && c.Action != plan.Delete {
			note(c.Addr)
		}
	}
	for _, resource := range r.p.recorded.Resources() {
		if !r.p.selected(resource.Address.Deployment) {
			note(resource.Address)
		}
	}
}

// decidedByWorld tells attributes that the provider decided from those that
// were asked for.
func decidedByWorld(b *schema.Block, config cty.Value) func(string) bool {
	return func(name string) bool {
		a := b.Attribute(name)
		if a == nil || !a.Computed {
			return false
		}
		if config == cty.NilVal || config.IsNull() || !config.IsKnown() || !config.Type().HasAttribute(name) {
			return true
		}
		return config.GetAttr(name).IsNull()
	}
}

// wasObserved tells attributes that the record holds as observed.
func wasObserved(i *state.Incarnation) func(string) bool {
	var asked map[string]json.RawMessage
	_ = json.Unmarshal(i.Asked, &asked) // it was read as JSON before
	return func(name string) bool {
		_, was := asked[name]
		return !was
	}
}

// sensitivePaths lists the attributes that a schema calls sensitive. What is
// inside a list of blocks is left out with the list.
func sensitivePaths(b *schema.Block) []cty.Path {
	var paths []cty.Path
	for i := range b.Attributes {
		if b.Attributes[i].Sensitive {
			paths = append(paths, cty.GetAttrPath(b.Attributes[i].Name))
		}
	}
	for i := range b.Blocks {
		inner := sensitivePaths(&b.Blocks[i].Block)
		if len(inner) == 0 {
			continue
		}
		if b.Blocks[i].Nesting == schema.List {
			paths = append(paths, cty.GetAttrPath(b.Blocks[i].Name))
			continue
		}
		for _, p := range inner {
			paths = append(paths, append(cty.GetAttrPath(b.Blocks[i].Name), p...))
		}
	}
	return paths
}

func errNotRunning(configuration string) error {
	return plugins.NewError("Provider "+configuration+" is not running", "This is a bug in nxc.")
}
