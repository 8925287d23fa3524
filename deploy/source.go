package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/state"
)

// source is the desired side of a plan: resources and data as config has
// them, deployments as Nix and their providers make them.
type source struct {
	p      *Project
	levels [][]addr.Instance
	blocks map[addr.Instance]*config.Resource

	mu          sync.Mutex
	evaluator   *config.Evaluator // for planning; values are asked of known
	known       plan.Values
	applied     plan.Values       // during an apply
	applying    *config.Evaluator // with the values of applied
	expansions  map[addr.Instance]config.Expansion
	deployments map[addr.Deployment]*Deployment
	absent      map[string]hcl.Diagnostics // why a provider cannot be asked, by its name
}

var _ plan.Source = (*source)(nil)

func (p *Project) newSource() (*source, hcl.Diagnostics) {
	levels, diags := p.Config.Levels(p.Selection)
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(diags, p.Config.CheckUnselected(p.Selection, p.exists)...)
	if diags.HasErrors() {
		return nil, diags
	}
	s := &source{
		p: p, levels: levels,
		blocks:      make(map[addr.Instance]*config.Resource, len(p.Config.Resources)),
		expansions:  map[addr.Instance]config.Expansion{},
		deployments: map[addr.Deployment]*Deployment{},
	}
	for _, r := range p.Config.Resources {
		s.blocks[r.Addr] = r
	}
	s.evaluator = p.Config.Evaluator(p.inputs, func(block addr.Instance) (cty.Value, bool) {
		if s.known == nil {
			return cty.NilVal, false
		}
		return p.blockValue(s.known, block)
	})
	return s, diags
}

// exists reports whether a block that takes no part has objects from before.
func (p *Project) exists(block addr.Instance) bool {
	if block.Data {
		return true // it is read whenever it is needed
	}
	if block.Type == "" {
		return p.recorded.Deployment(block.Deployment) != nil
	}
	return slices.ContainsFunc(p.recorded.ResourcesOf(block.Deployment), func(r *state.Resource) bool {
		return r.Address.Block() == block
	})
}

// blockValue is what expressions see of a block. A deployment that takes no
// part is not expanded: its nodes are those on record.
func (p *Project) blockValue(known plan.Values, block addr.Instance) (cty.Value, bool) {
	v, ok := known.Block(block)
	if !ok || block.Deployment.IsTop() || slices.Contains(p.Selection.Deployments, block.Deployment) {
		return v, ok
	}
	record := p.recorded.Deployment(block.Deployment)
	if record == nil || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() {
		return v, ok
	}
	values := v.AsValueMap()
	if values == nil {
		values = map[string]cty.Value{}
	}
	nodes := map[string]cty.Value{}
	for _, n := range record.Nodes {
		address := cty.NullVal(cty.String)
		if n.Address != "" {
			address = cty.StringVal(n.Address)
		}
		nodes[n.Name] = nodeObject(n.Name, n.Role, n.Index, n.System, address)
	}
	values["node"] = cty.ObjectVal(nodes)
	return cty.ObjectVal(values), true
}

// Levels returns the blocks in an order in which each refers only to earlier ones.
func (s *source) Levels() [][]addr.Instance { return s.levels }

// Instances evaluates one block with what is known so far.
func (s *source) Instances(ctx context.Context, block addr.Instance, known plan.Values) (plan.Expanded, []plan.Problem) {
	s.known = known
	if !block.Deployment.IsTop() {
		return s.deployment(ctx, block.Deployment)
	}
	r := s.blocks[block]
	schema, diags := s.schemaOf(ctx, r)
	if diags.HasErrors() {
		return plan.Expanded{}, problems(block, diags)
	}
	x, diags := s.evaluator.Expand(r)
	if diags.HasErrors() {
		return plan.Expanded{}, problems(block, diags)
	}
	s.expansions[block] = x
	dependencies := s.p.Config.Dependencies(block)
	var after []addr.Instance
	if block.Data {
		after = s.p.Config.DependsOn(block)
	}
	ignore, all := r.Lifecycle.IgnoreChanges, r.Lifecycle.IgnoreAll
	out := plan.Expanded{Kind: kindOf(x.Kind), Instances: make([]plan.Desired, 0, len(x.Keys))}
	var found []plan.Problem
	for _, key := range x.Keys {
		a := block
		a.Key = key
		v, diags := s.evaluator.Resource(r, x, key, schema)
		if len(diags) > 0 {
			found = append(found, problems(a, diags)...)
		}
		if diags.HasErrors() {
			break // the others would say the same
		}
		out.Instances = append(out.Instances, plan.Desired{
			Addr: a, Provider: r.Provider, Config: v, DependsOn: dependencies, ReadAfter: after,
			Lifecycle: plan.Lifecycle{
				CreateBeforeDestroy: r.Lifecycle.CreateBeforeDestroy,
				PreventDestroy:      r.Lifecycle.PreventDestroy,
				IgnoreChanges:       ignore, IgnoreAll: all,
			},
		})
	}
	return out, append(found, s.validate(ctx, r, out.Instances)...)
}

// validate has a provider check what the schema cannot, before anything is planned.
func (s *source) validate(ctx context.Context, r *config.Resource, list []plan.Desired) []plan.Problem {
	p, ok := s.p.providers.get(r.Provider)
	if !ok || len(list) == 0 {
		return nil
	}
	kind := plugins.KindResource
	if r.Addr.Data {
		kind = plugins.KindData
	}
	requests := make([]plugins.ValidateRequest, len(list))
	for i := range list {
		plain, _ := list[i].Config.UnmarkDeep()
		requests[i] = plugins.ValidateRequest{Kind: kind, Type: r.Addr.Type, Config: plain}
	}
	var found []plan.Problem
	diags := p.Validate(ctx, requests, func(i int, d plugins.Diagnostics) {
		found = append(found, s.p.pluginProblems(list[i].Addr, d)...)
	})
	return append(found, s.p.pluginProblems(r.Addr, diags)...)
}

// Evaluate evaluates one instance again, during the apply.
func (s *source) Evaluate(ctx context.Context, a addr.Instance, known plan.Values) (cty.Value, []plan.Problem) {
	r := s.blocks[a.Block()]
	if r == nil {
		return cty.NilVal, []plan.Problem{{Addr: a, Summary: "Cannot evaluate again", Detail: "The block is not in the configuration. This is a bug in nxc."}}
	}
	b, diags := s.schemaOf(ctx, r)
	if diags.HasErrors() {
		return cty.NilVal, problems(a, diags)
	}
	s.mu.Lock()
	x := s.expansions[a.Block()]
	s.mu.Unlock()
	v, diags := s.again(known).Resource(r, x, a.Key, b)
	return v, problems(a, diags)
}

// postconditions checks what the user wants to hold of an object that exists,
// or is planned: what is not known yet holds.
func (s *source) postconditions(c *plan.Change, object cty.Value, known plan.Values) []plan.Problem {
	r := s.blocks[c.Addr.Block()]
	if r == nil || len(r.Lifecycle.Postconditions) == 0 || c.Action == plan.Delete || object == cty.NilVal || object.IsNull() {
		return nil
	}
	self := markPaths(object, s.p.sensitiveIn(c))
	return problems(c.Addr, s.again(known).Postconditions(r, s.expansions[r.Addr], c.Addr.Key, self))
}

// again returns the evaluator of an apply: one for as long as the values come
// from one place.
func (s *source) again(known plan.Values) *config.Evaluator {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applying == nil || s.applied != known {
		s.applied = known
		s.applying = s.p.evaluatorWith(known)
	}
	return s.applying
}

// evaluatorWith returns an evaluator of what is known.
func (p *Project) evaluatorWith(known plan.Values) *config.Evaluator {
	return p.Config.Evaluator(p.inputs, func(block addr.Instance) (cty.Value, bool) { return p.blockValue(known, block) })
}

// schemaOf returns the schema of a resource's or data block's body.
func (s *source) schemaOf(ctx context.Context, r *config.Resource) (*schema.Block, hcl.Diagnostics) {
	offer, diags := s.p.providers.schema(ctx, r.Provider)
	if diags.HasErrors() {
		return nil, s.without(r, diags)
	}
	var names []string
	if r.Addr.Data {
		if t := offer.Data[r.Addr.Type]; t != nil {
			return &t.Block, nil
		}
		for name := range offer.Data {
			names = append(names, name)
		}
	} else {
		if t := offer.Resources[r.Addr.Type]; t != nil {
			return &t.Block, nil
		}
		for name := range offer.Resources {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	d := errorf("Unknown resource type", "Provider %s has no %q. It has: %s%s",
		offer.Provider, r.Addr.Type, strings.Join(names, ", "), didYouMean(r.Addr.Type, names))
	if r.Addr.Data {
		d.Summary = "Unknown data source"
	}
	d.Subject = r.DeclRange.Ptr()
	return nil, hcl.Diagnostics{d}
}

// without says that the provider of a block is missing. All blocks that need it
// get the very same diagnostics, which list them: they are shown once.
func (s *source) without(r *config.Resource, why plugins.Diagnostics) hcl.Diagnostics {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := providerName(r.Provider)
	if diags, ok := s.absent[name]; ok {
		return diags
	}
	diags := asHCL(why, func(cty.Path) *hcl.Range { return r.DeclRange.Ptr() })
	if waiting := s.through(name); len(waiting) > 1 {
		diags[0].Detail = strings.TrimSpace(fmt.Sprintf("%s %d resources wait for it: %s.", diags[0].Detail, len(waiting), enumerate(waiting)))
	}
	if s.absent == nil {
		s.absent = map[string]hcl.Diagnostics{}
	}
	s.absent[name] = diags
	return diags
}

// through lists the blocks that take part and need a provider.
func (s *source) through(name string) []string {
	var list []string
	for _, level := range s.levels {
		for _, block := range level {
			if r := s.blocks[block]; r != nil && providerName(r.Provider) == name {
				list = append(list, block.String())
			}
		}
	}
	slices.Sort(list)
	return list
}

// once leaves out what is said already, in the very same diagnostic.
func once(list hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, d := range list {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

func kindOf(k config.Kind) plan.Kind {
	switch k {
	case config.Count:
		return plan.Count
	case config.ForEach:
		return plan.ForEach
	default:
		return plan.Single
	}
}

// problems carries diagnostics through the planner unchanged.
func problems(a addr.Instance, diags hcl.Diagnostics) []plan.Problem {
	out := make([]plan.Problem, 0, len(diags))
	for _, d := range diags {
		out = append(out, plan.Problem{
			Addr: a, Warning: d.Severity == hcl.DiagWarning,
			Summary: d.Summary, Detail: d.Detail, Source: d,
		})
	}
	return out
}

// pluginProblems turns what a provider says of an object into problems.
func (p *Project) pluginProblems(a addr.Instance, diags plugins.Diagnostics) []plan.Problem {
	out := make([]plan.Problem, 0, len(diags))
	for _, d := range diags {
		out = append(out, plan.Problem{
			Addr: a, Path: d.Path, Warning: d.Severity == plugins.Warning,
			Summary: d.Summary, Detail: d.Detail, Ended: d.Ended,
		})
	}
	return out
}

// diagnostics places problems in the user's files.
func (p *Project) diagnostics(list []plan.Problem) hcl.Diagnostics {
	var out hcl.Diagnostics
	list = onePerCause(list, func(found *plan.Problem) string {
		if r := p.Config.RangeOf(found.Addr, found.Path); r != nil {
			return r.String()
		}
		return ""
	})
	for i := range list {
		if d, ok := list[i].Source.(*hcl.Diagnostic); ok {
			out = append(out, d)
			continue
		}
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: list[i].Summary, Detail: list[i].Detail}
		if list[i].Warning {
			d.Severity = hcl.DiagWarning
		}
		if (list[i].Addr != addr.Instance{}) {
			d.Subject = p.Config.RangeOf(list[i].Addr, list[i].Path)
			if where := list[i].Addr.String(); where != "" && !strings.Contains(d.Summary+d.Detail, where) {
				d.Detail = strings.TrimSuffix(fmt.Sprintf("%s: %s", where, d.Detail), ": ")
			}
		}
		out = append(out, d)
	}
	return once(out)
}
