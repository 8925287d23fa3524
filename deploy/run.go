package deploy

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/state"
)

// run is one apply under way: the session that records it, and what the
// deployments' records will say when it ends.
type run struct {
	p       *Project
	planned *Planned
	session *state.Session
	hard    context.Context

	once   sync.Once // countBlocks
	blocks map[addr.Instance]bool
}

// begin gives every deployment its record: its uuid, the places that its
// providers point at, and its keys.
func (r *run) begin() hcl.Diagnostics {
	if diags := r.settle(); diags.HasErrors() {
		return diags
	}
	if diags := r.acceptDrift(); diags.HasErrors() {
		return diags
	}
	for _, running := range r.p.providers.all() {
		if err := r.p.makeFolders(running.name); err != nil {
			return hcl.Diagnostics{errorf("A folder of a provider cannot be made", "%s", sentence(err))}
		}
	}
	for _, name := range r.p.touched(r.planned) {
		d := r.planned.deployment(name)
		record := &state.Deployment{Name: name}
		if old := r.session.Deployment(name); old != nil {
			record = old.Copy()
		} else if d == nil && !r.creates(name) {
			continue
		}
		if record.UUID == "" {
			record.UUID = state.NewUUID()
		}
		if d != nil {
			record.Flavour = d.Flavour
			keys, err := openKeyring(r.p.keyFolder(record.UUID))
			if err != nil {
				return hcl.Diagnostics{errorf("The deployment's keys cannot be made", "%s", sentence(err))}
			}
			d.keys = keys
		}
		if diags := r.recordProviders(record); diags.HasErrors() {
			return diags
		}
		if err := r.session.SetDeployment(record); err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
	}
	r.p.recorded = r.session.State()
	return nil
}

// acceptDrift records what the refresh found: what is gone is forgotten, and
// what changed outside is what the plan started from.
func (r *run) acceptDrift() hcl.Diagnostics {
	for i := range r.p.refreshed {
		prior := &r.p.refreshed[i]
		if prior.NotRefreshed || !prior.Current.IsNull() && prior.Current.RawEquals(prior.Recorded) {
			continue
		}
		resource := r.session.Resource(prior.Addr)
		if resource == nil {
			continue
		}
		resource, err := r.accepted(resource, prior)
		if err == nil {
			err = r.session.Result(state.Result{Address: prior.Addr, Resource: resource})
		}
		if err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
	}
	return nil
}

// accepted is a resource with what was found of one of its objects.
func (r *run) accepted(resource *state.Resource, prior *plan.Prior) (*state.Resource, error) {
	switch {
	case prior.Current.IsNull() && prior.Deposed > 0:
		return resource.WithoutDeposed(prior.Attempt), nil
	case prior.Current.IsNull():
		resource = resource.Copy()
		resource.Incarnation = state.Incarnation{}
		if len(resource.Deposed) == 0 {
			return nil, nil
		}
		return resource, nil
	case prior.Deposed > 0 || len(resource.Secrets) > 0:
		return resource, nil
	}
	offer, pd := r.p.providers.schema(r.hard, prior.Provider)
	if pd.HasErrors() {
		return nil, pd
	}
	t := offer.Resources[prior.Addr.Type]
	resource = resource.Copy()
	err := resource.SetObject(prior.Current, state.Split{
		Computed: wasObserved(&resource.Incarnation), Sensitive: sensitivePaths(&t.Block), Seal: r.session.Sealer(),
	})
	return resource, err
}

// creates reports whether the plan makes objects in a deployment without record.
func (r *run) creates(name addr.Deployment) bool {
	return slices.ContainsFunc(r.planned.Plan.Changes, func(c plan.Change) bool {
		return c.Addr.Deployment == name && !c.Data && c.Action != plan.NoOp
	})
}

// recordProviders notes where the providers of a deployment's objects point.
func (r *run) recordProviders(record *state.Deployment) hcl.Diagnostics {
	if record.Providers == nil {
		record.Providers = map[string]state.Provider{}
	}
	used := map[string]bool{}
	for i := range r.planned.Plan.Changes {
		c := &r.planned.Plan.Changes[i]
		if c.Addr.Deployment == record.Name && !c.Data && c.Provider != "" {
			used[c.Provider] = true
		}
	}
	for _, name := range sortedKeys(used) {
		running, ok := r.p.providers.get(name)
		if !ok {
			continue
		}
		l := state.Location{Kind: running.location.Kind, ID: running.location.ID, Label: running.location.Label}
		made, err := state.NewProvider(l, running.config, sensitivePaths(&running.schema.Config), r.session.Sealer())
		if err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
		record.Providers[name] = made
	}
	return nil
}

// finish brings contexts and records up to date with what now exists.
func (r *run) finish(x *executor, result *apply.Result, applied *Applied) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if r.planned.source != nil {
		diags = append(diags, r.planned.source.postconditions(result)...)
	}
	if !result.Interrupted {
		for _, d := range r.planned.Deployments {
			told, more := r.p.deliverContexts(r.hard, d, result.Values, x.digests)
			diags = append(diags, more...)
			for _, a := range told {
				if c := changeOf(r.planned.Plan, a); c == nil || c.Action == plan.NoOp {
					applied.Changed++
				}
			}
		}
	}
	for _, name := range r.p.touched(r.planned) {
		record := r.session.Deployment(name)
		if record == nil {
			continue
		}
		record = record.Copy()
		d := r.planned.deployment(name)
		r.recordNodes(record, d, result.Values, x.digests)
		if d != nil && d.Evaluation != nil {
			record.Pin = &state.Pin{Label: d.Evaluation.Nixpkgs.Label, Revision: d.Evaluation.Nixpkgs.Revision, Hash: d.pinHash}
		}
		diags = append(diags, r.recordOutputs(record, result, applied)...)
		if err := r.put(name, record); err != nil {
			return append(diags, stateDiagnostic(err))
		}
		r.p.prune(record, d)
	}
	return diags
}

// put keeps a deployment's record, or removes it when nothing is left of it.
func (r *run) put(name addr.Deployment, record *state.Deployment) error {
	if len(r.session.State().ResourcesOf(name)) == 0 && len(record.Nodes) == 0 && len(record.Outputs) == 0 {
		return r.session.RemoveDeployment(name)
	}
	return r.session.SetDeployment(record)
}

// recordNodes lists the nodes that exist.
func (r *run) recordNodes(record *state.Deployment, d *Deployment, objects map[addr.Instance]cty.Value, digests map[addr.Instance]string) {
	old := record.Nodes
	record.Nodes = nil
	if d == nil {
		record.Nodes = slices.DeleteFunc(slices.Clone(old), func(n state.Node) bool {
			resource := r.session.Resource(n.Resource)
			return resource == nil || !resource.Exists()
		})
		return
	}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		resource := r.session.Resource(n.Addr)
		if resource == nil || !resource.Exists() {
			continue
		}
		node := state.Node{
			Name: n.Name, Role: n.Role, Index: n.Index, System: n.System, Resource: n.Addr, Context: digests[n.Addr],
		}
		if object, ok := objects[n.Addr]; ok {
			if v := addressIn(object, n.Address); v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
				node.Address = v.AsString()
			}
		}
		if was := record0(old, n.Name); was != nil && r.unchanged(n.Addr) {
			node.System = was.System
		}
		record.Nodes = append(record.Nodes, node)
	}
	for _, n := range old { // those that were to go and are still there
		if d.Node(n.Name) == nil && r.session.Resource(n.Resource) != nil {
			record.Nodes = append(record.Nodes, n)
		}
	}
	slices.SortFunc(record.Nodes, func(a, b state.Node) int { return strings.Compare(a.Name, b.Name) })
}

// unchanged reports whether the object at an address is the one from before:
// its replacement was planned and did not happen.
func (r *run) unchanged(a addr.Instance) bool {
	c := changeOf(r.planned.Plan, a)
	resource := r.session.Resource(a)
	return c != nil && c.Action == plan.Replace && resource != nil && resource.Attempt == c.Attempt
}

func record0(nodes []state.Node, name string) *state.Node {
	i := slices.IndexFunc(nodes, func(n state.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &nodes[i]
}

// recordOutputs evaluates the outputs of a deployment with what now exists.
func (r *run) recordOutputs(record *state.Deployment, result *apply.Result, applied *Applied) hcl.Diagnostics {
	if r.planned.Destroy {
		record.Outputs = nil
		return nil
	}
	if result.Interrupted || plan.HasErrors(result.Problems) {
		return nil // what they would speak of is not all there
	}
	var only []*Deployment
	if d := r.planned.deployment(record.Name); d != nil {
		only = append(only, d)
	}
	list, diags := r.p.outputs(only, result.Objects, r.planned.base)
	outputs := map[string]state.Output{}
	for _, o := range list {
		if o.Deployment != record.Name || o.After == cty.NilVal {
			continue
		}
		made, err := state.NewOutput(o.After, o.Sensitive)
		if err != nil {
			diags = append(diags, errorf("An output cannot be kept", "Output %s: %s", o.Name, sentence(err)))
			continue
		}
		outputs[o.Name] = made
		applied.Outputs = append(applied.Outputs, o)
	}
	record.Outputs = outputs
	return diags
}

// end closes the session: the state is written, the locks are freed.
func (r *run) end() hcl.Diagnostics {
	if err := r.session.End(context.WithoutCancel(r.hard)); err != nil {
		return hcl.Diagnostics{stateDiagnostic(err)}
	}
	return nil
}

func (p *Planned) deployment(name addr.Deployment) *Deployment {
	i := slices.IndexFunc(p.Deployments, func(d *Deployment) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return p.Deployments[i]
}

// recorder writes operations into the session's journal.
type recorder struct{ r *run }

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

// Result says what is there after an operation.
func (rec *recorder) Result(op apply.Operation, object cty.Value, tainted bool) error {
	r, a := rec.r, op.Change.Addr
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
		if tainted {
			made.Status = state.HalfMade
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
