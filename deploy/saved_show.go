package deploy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/deploy/planfile"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
)

// roleTold is what a saved plan tells of a system that changes.
type roleTold struct {
	Diff         nix.ManifestDiff
	Known        bool
	Opaque       bool `json:",omitempty"`
	Size         Sizes
	Closure      []nix.SizeChange `json:",omitempty"`
	ClosureKnown bool             `json:",omitempty"`
}

// Shown returns a saved plan for showing. It cannot be applied.
func Shown(f *planfile.File) (*Planned, error) {
	r := &f.Record
	out := &Planned{Plan: &plan.Plan{}, Destroy: f.Request.Destroy, Notices: r.Notices, rearranges: r.Rearranges}
	s := &shower{out: out}
	for i := range r.Deployments {
		s.deployment(&r.Deployments[i])
	}
	for i := range r.Drift {
		d := &r.Drift[i]
		s.add(plan.Drift{
			Addr: s.address(d.Address), Deposed: d.Deposed, Provider: d.Provider, Gone: d.Gone,
			Recorded: s.value(d.Recorded, ""), Current: s.value(d.Current, ""),
		})
	}
	for i := range r.Changes {
		s.change(&r.Changes[i])
	}
	for i := range r.Outputs {
		o := &r.Outputs[i]
		change := OutputChange{Deployment: s.name(o.Deployment), Name: o.Name, Sensitive: o.Sensitive}
		if o.Before != nil {
			change.Before = s.value(o.Before, "")
		}
		if o.After != nil {
			change.After = s.value(o.After, "")
		}
		out.Outputs = append(out.Outputs, change)
	}
	for _, name := range r.Left {
		out.Left = append(out.Left, s.name(name))
	}
	return out, s.err
}

// shower turns a record into a plan. It keeps the first error.
type shower struct {
	out *Planned
	err error
}

func (s *shower) value(v *planfile.Value, hidden string) cty.Value {
	out, err := v.Cty(hidden)
	s.err = cmp.Or(s.err, err)
	if err != nil {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return out
}

func (s *shower) address(text string) addr.Instance {
	a, err := addr.Parse(text)
	s.err = cmp.Or(s.err, err)
	return a
}

func (s *shower) name(text string) addr.Deployment {
	if text == "" {
		return addr.Deployment{}
	}
	d, err := addr.ParseDeployment(text)
	s.err = cmp.Or(s.err, err)
	return d
}

func (s *shower) add(d plan.Drift) {
	d.Type = d.Addr.Type
	s.out.Plan.Drift = append(s.out.Plan.Drift, d)
}

func (s *shower) change(c *planfile.Change) {
	action := plan.NoOp
	for a := plan.Create; a <= plan.ReadLater; a++ {
		if a.String() == c.Action {
			action = a
		}
	}
	if action == plan.NoOp {
		s.err = cmp.Or(s.err, fmt.Errorf("the saved plan is broken: nothing is called %q that can be done", c.Action))
	}
	at := s.address(c.Address)
	change := plan.Change{
		Addr: at, Deposed: c.Deposed, Provider: c.Provider, Type: at.Type, Data: at.Data, Action: action,
		CreateBeforeDestroy: c.CreateFirst, Before: s.value(c.Before, ""), After: s.value(c.After, ""),
	}
	if c.From != "" {
		change.From = s.address(c.From)
	}
	for _, path := range c.Changed {
		change.Changed = append(change.Changed, cty.Path(path))
	}
	if s.touchesSecrets(c) {
		change.After = s.value(c.After, "another")
	}
	for _, reason := range c.Reasons {
		change.Reasons = append(change.Reasons, plan.Reason{Path: cty.Path(reason.Path), Text: reason.Text})
	}
	s.out.Plan.Changes = append(s.out.Plan.Changes, change)
}

// touchesSecrets reports whether something sensitive becomes something else.
func (s *shower) touchesSecrets(c *planfile.Change) bool {
	if c.After == nil {
		return false
	}
	return slices.ContainsFunc(c.Changed, func(p planfile.Path) bool {
		return slices.ContainsFunc(c.After.Sensitive, func(q planfile.Path) bool {
			return cty.Path(p).HasPrefix(cty.Path(q)) || cty.Path(q).HasPrefix(cty.Path(p))
		})
	})
}

func (s *shower) deployment(d *planfile.Deployment) {
	out := &Deployment{Name: s.name(d.Name), Flavour: d.Type, Provider: d.Provider, sourceName: d.Source}
	if d.Location != nil {
		out.Location = plugins.Location{Kind: d.Location.Kind, ID: d.Location.ID, Label: d.Location.Label}
	}
	if d.Nixpkgs != nil {
		out.Evaluation = &nix.Evaluation{Nixpkgs: nix.Release{Label: d.Nixpkgs.Label, Revision: d.Nixpkgs.Revision}}
	}
	if d.Was != nil {
		s.out.Pins = append(s.out.Pins, PinChange{Deployment: out.Name, Old: d.Was.From, New: d.Was.To})
	}
	for _, changed := range d.Systems {
		var told roleTold
		if len(changed.Told) > 0 {
			s.err = cmp.Or(s.err, json.Unmarshal(changed.Told, &told))
		}
		out.Roles = append(out.Roles, RoleChange{
			Role: changed.Role, Old: changed.From, New: changed.To,
			Diff: told.Diff, Known: told.Known, Opaque: told.Opaque, Size: told.Size, Closure: told.Closure, ClosureKnown: told.ClosureKnown,
		})
	}
	for _, n := range d.Nodes {
		out.Nodes = append(out.Nodes, Node{Addr: s.address(n.Resource), ExpandedNode: plugins.ExpandedNode{Name: n.Name, Role: n.Role, Address: n.Address}})
	}
	for _, c := range d.Contexts {
		out.Contexts = append(out.Contexts, ContextChange{Node: c.Node, What: c.What})
	}
	s.out.Deployments = append(s.out.Deployments, out)
}
