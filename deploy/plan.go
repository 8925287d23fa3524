package deploy

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// PlanOptions say what kind of plan is wanted.
type PlanOptions struct {
	Destroy bool
	Replace []addr.Instance
	Build   bool // realise first, so that closures can be compared
	Look    bool // somebody else's deployment may be looked at: nothing will come of the plan
}

// Plan decides what must change. It writes nothing, here or anywhere else.
func (p *Project) Plan(ctx context.Context, o PlanOptions) (*Planned, hcl.Diagnostics) {
	notices, diags := p.checkOwner()
	if o.Look {
		diags = onlyTold(diags)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	if !o.Destroy {
		more := p.prepare(ctx)
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
	}
	if o.Destroy {
		p.prepareLenient()
	}
	out := &Planned{Destroy: o.Destroy, Left: p.leftAlone(), Notices: notices, base: p.recorded, p: p}
	if !o.Destroy {
		s, more := p.newSource()
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
		out.source = s
	}
	recovered, more := p.recover(ctx, p.evaluatorOf(out.source))
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	out.Notices = append(out.Notices, recovered...)
	besides, more := p.besides(ctx, p.evaluatorOf(out.source))
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	out.Notices = append(out.Notices, besides...)
	if !o.Destroy {
		rearranged, more := p.rearrange(ctx, p.evaluatorOf(out.source))
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
		out.Notices = append(out.Notices, rearranged...)
		out.rearranges = len(p.edits) > 0
	}
	priors, more := p.refresh(ctx, p.evaluatorOf(out.source))
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	p.refreshed = priors
	more = p.startProviders(ctx, out.source)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	build := plan.Options{
		Types: p.types, Planner: &planner{p: p, s: out.source}, Prior: priors,
		Destroy: o.Destroy, Selected: p.selected, Replace: o.Replace, Protected: p.protected,
		SensitiveMark: marks.Sensitive,
	}
	if out.source != nil { // a nil *source in the interface would not be nil
		build.Source = out.source
	}
	made, found := plan.Build(ctx, build)
	if out.source != nil && !plan.HasErrors(found) {
		for i := range made.Changes {
			c := &made.Changes[i]
			found = append(found, out.source.postconditions(c, c.After, made.Objects)...)
		}
	}
	diags = append(diags, p.diagnostics(found)...)
	if plan.HasErrors(found) {
		return nil, diags
	}
	out.Plan = made
	if out.source != nil {
		out.Deployments = out.source.sortedDeployments()
	}
	for _, d := range out.Deployments {
		more := p.complete(ctx, out, d)
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags
		}
	}
	outputs, more := p.plannedOutputs(out)
	out.Outputs = outputs
	diags = append(diags, more...)
	if !o.Destroy && !diags.HasErrors() {
		diags = append(diags, p.checks(out.Deployments, made.Objects)...)
	}
	return out, diags
}

// complete adds what is known of a deployment only when the plan is made.
func (p *Project) complete(ctx context.Context, out *Planned, d *Deployment) hcl.Diagnostics {
	if pin := p.pinChange(d); pin != nil {
		out.Pins = append(out.Pins, *pin)
	}
	d.Roles = p.roleChanges(ctx, d, out.Plan)
	changes, diags := p.contextChanges(d, out.Plan)
	d.Contexts = changes
	return diags
}

// startProviders starts, together, those providers of the configuration that
// will be asked to plan and are not started yet, so that they need not be
// waited for one after the other. What fails will be told in its place.
func (p *Project) startProviders(ctx context.Context, s *source) hcl.Diagnostics {
	if s == nil {
		return nil
	}
	var names []string
	for _, r := range p.Config.Resources {
		if !slices.Contains(names, r.Provider) && (p.Selection.TopLevel || r.Addr.Data) {
			names = append(names, r.Provider)
		}
	}
	for _, name := range names {
		offer, pd := p.providers.schema(ctx, name)
		if pd.HasErrors() {
			continue
		}
		value, diags := p.providerConfig(name, &offer.Config, s.evaluator)
		if diags.HasErrors() || !value.IsWhollyKnown() {
			continue
		}
		if _, diags := p.configure(ctx, name, s.evaluator); diags.HasErrors() {
			return diags
		}
	}
	return nil
}

// evaluatorOf returns the evaluator of a source, or one that knows no objects.
func (p *Project) evaluatorOf(s *source) *config.Evaluator {
	if s != nil {
		return s.evaluator
	}
	return p.Config.Evaluator(p.inputs, func(addr.Instance) (cty.Value, bool) { return cty.NilVal, false })
}

func (s *source) sortedDeployments() []*Deployment {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Deployment, 0, len(s.deployments))
	for _, d := range s.deployments {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *Deployment) int { return a.Name.Compare(b.Name) })
	return list
}

// leftAlone lists the deployments that exist and take no part.
func (p *Project) leftAlone() []addr.Deployment {
	var list []addr.Deployment
	for _, d := range p.recorded.Names() {
		if !d.IsTop() && !p.selected(d) {
			list = append(list, d)
		}
	}
	return list
}

// pinChange says that nixpkgs moved since the last apply.
func (p *Project) pinChange(d *Deployment) *PinChange {
	recorded := p.recorded.Deployment(d.Name)
	if recorded == nil || recorded.Pin == nil || d.Evaluation == nil {
		return nil
	}
	old := strings.TrimSpace(recorded.Pin.Label + " " + recorded.Pin.Revision)
	now := strings.TrimSpace(d.Evaluation.Nixpkgs.Label + " " + d.Evaluation.Nixpkgs.Revision)
	if old == "" || old == now {
		return nil
	}
	return &PinChange{Deployment: d.Name, Old: old, New: now}
}

// IsNode reports whether an address is that of a node, planned or recorded.
func (p *Planned) IsNode(a addr.Instance) bool {
	for _, d := range p.Deployments {
		for i := range d.Nodes {
			if d.Nodes[i].Addr == a {
				return true
			}
		}
	}
	if p.base == nil {
		return false
	}
	recorded := p.base.Deployment(a.Deployment)
	return recorded != nil && slices.ContainsFunc(recorded.Nodes, func(n state.Node) bool { return n.Resource == a })
}

// Shown returns a change's values with what is sensitive marked so: by the
// configuration, or by the type's schema.
func (p *Planned) Shown(c *plan.Change) (before, after cty.Value) {
	paths := c.Marks
	if p.p != nil { // else it is a plan that no project made
		paths = p.p.sensitiveIn(c)
	}
	return markPaths(c.Before, paths), markPaths(c.After, paths)
}

// sensitiveIn lists what is sensitive in a change's values.
func (p *Project) sensitiveIn(c *plan.Change) []cty.PathValueMarks {
	paths := slices.Clone(c.Marks)
	if offer, pd := p.providers.schema(context.Background(), c.Provider); !pd.HasErrors() && offer.Resources[c.Type] != nil {
		for _, path := range sensitivePaths(&offer.Resources[c.Type].Block) {
			paths = append(paths, cty.PathValueMarks{Path: path, Marks: cty.NewValueMarks(marks.Sensitive)})
		}
	}
	return paths
}

func markPaths(v cty.Value, paths []cty.PathValueMarks) cty.Value {
	if v == cty.NilVal || v.IsNull() {
		return v
	}
	return v.MarkWithPaths(paths)
}

// Place says where a recorded deployment is, for people.
func (p *Planned) Place(d addr.Deployment) string {
	if p.base == nil {
		return ""
	}
	recorded := p.base.Deployment(d)
	if recorded == nil {
		return ""
	}
	var labels []string
	for _, name := range sortedKeys(recorded.Providers) {
		labels = append(labels, recorded.Providers[name].Location.Label)
	}
	return strings.Join(labels, ", ")
}

// Display names an object as people do: a node by its name.
func (p *Planned) Display(a addr.Instance) string {
	key, ok := a.Key.Text()
	switch {
	case !ok || a.Deployment.IsTop():
		return a.String()
	case p.IsNode(a):
		return "node " + key
	}
	return a.Type + " " + key
}

// Source names the composition's file: below the project's folder by its
// relative path, elsewhere by its absolute one.
func (d *Deployment) Source() string { return d.sourceName }

// changeOf returns the plan's change of an address.
func changeOf(made *plan.Plan, a addr.Instance) *plan.Change {
	i, ok := slices.BinarySearchFunc(made.Changes, a, func(c plan.Change, a addr.Instance) int { return c.Addr.Compare(a) })
	if !ok {
		return nil
	}
	return &made.Changes[i]
}

// takesContext reports whether a node's type can be given a new context while
// it runs.
func (p *Project) takesContext(configuration, typ string) bool {
	schema, diags := p.providers.schema(context.Background(), configuration)
	if diags.HasErrors() || schema.Resources[typ] == nil {
		return false
	}
	return slices.Contains(schema.Resources[typ].Hands, plugins.HandContext)
}

// Counts are the sums of a plan by what becomes of objects.
type Counts struct{ Create, Update, Replace, Delete int }

// Tally counts a plan's changes. A context delivered anew is an update.
func Tally(p *Planned) Counts {
	c := Counts{
		Create: p.Plan.Count(plan.Create), Update: p.Plan.Count(plan.Update),
		Replace: p.Plan.Count(plan.Replace), Delete: p.Plan.Count(plan.Delete),
	}
	for _, d := range p.Deployments {
		for _, told := range d.Contexts {
			if n := d.Node(told.Node); n != nil {
				if change := changeOf(p.Plan, n.Addr); change == nil || change.Action == plan.NoOp {
					c.Update++
				}
			}
		}
	}
	return c
}

// Node returns the node called name, or nil.
func (d *Deployment) Node(name string) *Node {
	i := slices.IndexFunc(d.Nodes, func(n Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Nodes[i]
}

// protected reports whether an object must not be destroyed: its block says
// prevent_destroy.
func (p *Project) protected(a addr.Instance) bool {
	r := p.Config.Resource(a)
	return r != nil && r.Lifecycle.PreventDestroy
}
