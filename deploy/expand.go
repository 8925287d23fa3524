package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
)

// deployment evaluates a composition for a flavour and has the flavour's
// provider expand the result into resources.
func (s *source) deployment(ctx context.Context, name addr.Deployment) (plan.Expanded, []plan.Problem) {
	block := addr.Instance{Deployment: name}
	d, diags := s.compose(ctx, name)
	found := problems(block, diags)
	if diags.HasErrors() {
		return plan.Expanded{}, found
	}
	s.mu.Lock()
	s.deployments[name] = d
	s.mu.Unlock()

	out := plan.Expanded{Kind: plan.Deployment}
	for _, r := range d.expansion.Resources {
		a := addr.In(name, r.Type, r.Key)
		desired := plan.Desired{Addr: a, Provider: d.Provider, Config: r.Values}
		for _, ref := range r.References {
			desired.References = append(desired.References, plan.Reference{
				Path: ref.Path, From: addr.In(name, ref.From.Type, ref.From.Key), Attribute: ref.Attribute,
			})
		}
		for _, k := range r.DependsOn {
			desired.DependsOn = append(desired.DependsOn, addr.In(name, k.Type, k.Key))
		}
		out.Instances = append(out.Instances, desired)
	}
	out.Node = d.nodeValue
	return out, found
}

// compose evaluates and expands one deployment.
func (s *source) compose(ctx context.Context, name addr.Deployment) (*Deployment, hcl.Diagnostics) {
	p := s.p
	comp, flavour := p.Config.Deployment(name)
	d := &Deployment{Name: name, Flavour: flavour.Type, Provider: flavour.Provider}
	at := func(path cty.Path) *hcl.Range { return p.Config.RangeOf(addr.Instance{Deployment: name}, path) }

	composed, diags := s.evaluator.Composition(comp)
	if diags.HasErrors() {
		return nil, diags
	}
	d.composed, d.sourceName = composed, composed.Source
	if d.sourceName == "" {
		d.sourceName = filepath.Join(composed.Flake, "flake.nix")
	}
	if rel, err := filepath.Rel(p.dir(), d.sourceName); err == nil && filepath.IsLocal(rel) {
		d.sourceName = rel
	}

	offer, pd := p.flavour(ctx, flavour)
	if pd.HasErrors() {
		return nil, append(diags, asHCL(pd, at)...)
	}
	body, more := s.evaluator.Flavour(flavour, &offer.Block)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	running, more := p.configure(ctx, d.Provider, s.evaluator)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	d.Location = running.location

	plain, _ := body.UnmarkDeep()
	eval, more := p.evaluate(ctx, d, offer, plain)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	d.Evaluation = eval

	roles, more := s.roles(comp, composed, eval)
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	d.Switches = offer.Switches
	d.Updates, more = s.evaluator.Updates(comp, flavour, sortedKeys(eval.Roles))
	diags = append(diags, more...)
	if more.HasErrors() {
		return nil, diags
	}
	for i := range roles {
		roles[i].Switch = offer.Switches && d.Updates.Switch[roles[i].Name]
	}
	expansion, pd := running.Expand(ctx, plugins.ExpandRequest{
		Composition: name.Composition, Label: name.Flavour, Flavour: flavour.Type,
		Config: plain, Roles: roles, Artifacts: artifactPaths(eval), Extra: eval.Extra, Prior: p.priorObjects(name),
	})
	diags = append(diags, asHCL(pd, at)...)
	if pd.HasErrors() {
		return nil, diags
	}
	d.expansion = expansion
	for _, n := range expansion.Nodes {
		d.Nodes = append(d.Nodes, Node{ExpandedNode: n, Addr: addr.In(name, n.Resource.Type, n.Resource.Key)})
	}
	slices.SortFunc(d.Nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return d, diags
}

// flavour returns what the flavour's provider offers under its type.
func (p *Project) flavour(ctx context.Context, f *config.Flavour) (*plugins.Flavour, plugins.Diagnostics) {
	if f.Provider == "" {
		return nil, p.unowned
	}
	offered, diags := p.providers.schema(ctx, f.Provider)
	if diags.HasErrors() {
		return nil, diags
	}
	if offer := offered.Flavours[f.Type]; offer != nil {
		return offer, nil
	}
	return nil, plugins.NewError("The provider does not have this flavour",
		fmt.Sprintf("Provider %s has no flavour %q; it has %s.", f.Provider, f.Type, strings.Join(sortedKeys(offered.Flavours), ", ")))
}

// evaluate has Nix evaluate a deployment's composition. block is what the
// flavour block says.
func (p *Project) evaluate(ctx context.Context, d *Deployment, offer *plugins.Flavour, block cty.Value) (*nix.Evaluation, hcl.Diagnostics) {
	n, diags := p.startNix()
	if diags.HasErrors() {
		return nil, diags
	}
	fail := func(summary string, err error) hcl.Diagnostics {
		e := errorf(summary, "%v", err)
		e.Subject = p.Config.RangeOf(addr.Instance{Deployment: d.Name}, nil)
		return hcl.Diagnostics{e}
	}
	spec := d.composed.Nixpkgs
	if spec == "" && d.composed.Flake != "" {
		spec = filepath.Join(d.composed.Flake, "flake.lock")
	}
	pinned, err := nix.ResolveNixpkgs(spec, p.Config.Dir)
	if err != nil {
		return nil, fail("Cannot resolve nixpkgs", err)
	}
	d.pinHash = pinned.Hash
	pinned.Locked = d.composed.Nixpkgs == "" && d.composed.Flake != ""
	label := ""
	if d.composed.Flake != "" {
		label = d.Name.Flavour
	}
	params, err := jsonOf(d.composed.Params)
	if err != nil {
		return nil, fail("Params cannot be passed to Nix", err)
	}
	nixpkgsConfig, err := jsonOf(d.composed.NixpkgsConfig)
	if err != nil {
		return nil, fail("The configuration of nixpkgs cannot be passed to Nix", err)
	}
	var nodes, arguments json.RawMessage
	if offer.Nodes {
		if nodes, err = nodesOf(d.composed.Roles); err != nil {
			return nil, fail("The nodes cannot be passed to Nix", err)
		}
		if arguments, err = jsonOf(block); err != nil {
			return nil, fail("The flavour's arguments cannot be passed to Nix", err)
		}
	}
	eval, err := n.Evaluate(ctx, nix.Request{
		Composition: d.composed.Source, Attribute: d.composed.Attribute, Flake: d.composed.Flake, Nixpkgs: pinned,
		Outputs: d.composed.Outputs, Label: label,
		Setup: d.composed.Setup, Variant: d.composed.Variant,
		Flavour: nix.Flavour{Name: d.Flavour, Sources: offer.Sources, Arguments: arguments},
		Params:  params, Modules: d.composed.Modules, Overlays: d.composed.Overlays,
		Packages: d.composed.Packages, NixpkgsConfig: nixpkgsConfig,
		Allow: append([]string{p.dir()}, d.composed.PackageSources...),
		Nodes: nodes,
	}, func(e nix.Event) { p.o.Events.Nix(d.Name, e) })
	if err != nil {
		return nil, fail(fmt.Sprintf("Composition %s does not evaluate for flavour %s", d.Name.Composition, d.Name.Flavour), err)
	}
	if eval.Nixpkgs.Revision == "" {
		eval.Nixpkgs.Revision = pinned.Revision // an archive of a commit does not know it
	}
	for _, w := range eval.Warnings {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "From the composition", Detail: w,
			Subject: p.Config.RangeOf(addr.Instance{Deployment: d.Name}, nil),
		})
	}
	return eval, diags
}

// nodesOf writes what the configuration says of the roles' nodes for Nix: a
// number or a list of names for each. Who takes the rest has at least so many.
func nodesOf(roles map[string]config.RoleSpec) (json.RawMessage, error) {
	nodes := make(map[string]any, len(roles))
	for name, spec := range roles {
		switch {
		case spec.Rest:
			nodes[name] = spec.Min
		case spec.Names != nil:
			nodes[name] = spec.Names
		default:
			nodes[name] = spec.Count
		}
	}
	return json.Marshal(nodes)
}

// roles says which nodes each role has.
func (s *source) roles(comp *config.Composition, composed *config.CompositionValue, eval *nix.Evaluation) ([]plugins.Role, hcl.Diagnostics) {
	names := make([]string, 0, len(eval.Roles))
	for name := range eval.Roles {
		names = append(names, name)
	}
	slices.Sort(names)
	assigned, diags := s.p.Config.Nodes(comp, composed.Roles, names, eval.Distribution)
	if diags.HasErrors() {
		return nil, diags
	}
	out := make([]plugins.Role, 0, len(assigned))
	for _, a := range assigned {
		out = append(out, plugins.Role{
			Name: a.Role, System: eval.Roles[a.Role].System.Path,
			Nodes: a.Names, Rest: a.Rest, Min: a.Min,
		})
	}
	return out, diags
}

func artifactPaths(eval *nix.Evaluation) map[string]string {
	paths := make(map[string]string, len(eval.Artifacts))
	for name, a := range eval.Artifacts {
		paths[name] = a.Path
		if a.File != "" {
			paths[name] += "/" + a.File
		}
	}
	return paths
}

// nodeValue is the "node" of composition.X.FLAVOUR in expressions: an object
// a node, with what every flavour gives.
func (d *Deployment) nodeValue(objects map[addr.Instance]cty.Value) cty.Value {
	nodes := make(map[string]cty.Value, len(d.Nodes))
	for i := range d.Nodes {
		n := &d.Nodes[i]
		nodes[n.Name] = nodeObject(n.Name, n.Role, n.Index, n.System, addressIn(objects[n.Addr], n.Address))
	}
	return cty.ObjectVal(nodes)
}

// nodeObject is one node in expressions.
func nodeObject(name, role string, index int, system string, address cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name":    cty.StringVal(name),
		"role":    cty.StringVal(role),
		"index":   cty.NumberIntVal(int64(index)),
		"system":  cty.StringVal(system),
		"address": address,
	})
}

// addressIn returns a node's address in its object, unknown where it is.
func addressIn(object cty.Value, attribute string) cty.Value {
	if object == cty.NilVal || object.IsNull() || !object.IsKnown() {
		return cty.UnknownVal(cty.String)
	}
	object, _ = object.Unmark()
	if !object.Type().IsObjectType() || !object.Type().HasAttribute(attribute) {
		return cty.NullVal(cty.String)
	}
	v, _ := object.GetAttr(attribute).Unmark()
	return v
}
