package plan

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// item is one object on its way to a decision.
type item struct {
	change *Change
	typ    *Type
	shape  *shape

	config   cty.Value // as desired, without what is ignored
	prior    cty.Value // null: there is none to keep
	proposed cty.Value
	planned  cty.Value
	replace  []Reason // what needs another object
	remarks  []Reason // what the provider says of an object to be made
	failed   bool
}

// decider turns desired configurations into actions.
type decider struct {
	planner Planner
	// cause says what made a value unknown that is needed for a replacement:
	// what becomes of another object, or "".
	cause func(c *Change, path cty.Path) string
}

// decide sets what each item's change says: action, values, reasons. A change
// comes with its address, Before and Config, and with the Reasons (without
// path) for which it is replaced whatever the configuration says.
func (d *decider) decide(ctx context.Context, items []*item) []Problem {
	for _, it := range items {
		it.prior = it.change.Before
		it.config = ignore(it.shape, it.change.Config, it.prior, &it.change.Lifecycle)
		it.replace = it.change.Reasons
	}
	problems := d.propose(ctx, items)
	var again []*item
	for _, it := range items {
		if !it.failed && d.compare(it) {
			it.prior = cty.NullVal(it.shape.typ)
			again = append(again, it)
		}
	}
	problems = append(problems, d.propose(ctx, again)...)
	for _, it := range items {
		it.finish()
	}
	return problems
}

// propose sets what each item will be, first by its schema, then as its
// provider refines it.
func (d *decider) propose(ctx context.Context, items []*item) []Problem {
	var providers []string
	byProvider := map[string][]*item{}
	for _, it := range items {
		it.proposed = propose(it.shape, it.config, it.prior)
		it.planned = it.proposed
		if it.typ.CustomPlan {
			name := it.change.Provider
			if byProvider[name] == nil {
				providers = append(providers, name)
			}
			byProvider[name] = append(byProvider[name], it)
		}
	}
	var problems []Problem
	for _, name := range providers {
		problems = append(problems, d.refine(ctx, byProvider[name])...)
	}
	return problems
}

// refine asks one provider about its items.
func (d *decider) refine(ctx context.Context, items []*item) []Problem {
	proposals := make([]Proposal, len(items))
	for i, it := range items {
		proposals[i] = Proposal{
			Addr: it.change.Addr, Provider: it.change.Provider, Type: it.change.Type,
			Prior: it.prior, Proposed: it.proposed, Config: it.config,
		}
		if !it.prior.IsNull() {
			proposals[i].Attempt = it.change.Attempt
		}
	}
	refined, problems := d.planner.Refine(ctx, proposals)
	if HasErrors(problems) || len(refined) != len(items) {
		if !HasErrors(problems) {
			problems = append(problems, lie(items[0].change.Addr, items[0].change.Provider, nil,
				"did not answer", fmt.Sprintf("it was asked about %d objects and answered %d", len(items), len(refined))))
		}
		for _, it := range items {
			it.failed = true
		}
		return problems
	}
	for i, it := range items {
		if lies := checkRefined(it.shape, &proposals[i], refined[i].Planned); len(lies) > 0 {
			it.failed = true
			problems = append(problems, lies...)
			continue
		}
		it.planned = refined[i].Planned
		if it.prior.IsNull() {
			it.remarks = refined[i].Replace // nothing is replaced
			continue
		}
		it.replace = append(it.replace[:len(it.replace):len(it.replace)], usual(refined[i].Replace)...)
	}
	return problems
}

// usual gives reasons without a text the usual one.
func usual(reasons []Reason) []Reason {
	out := make([]Reason, len(reasons))
	for i, r := range reasons {
		if r.Text == "" {
			r.Text = changed(r.Path)
		}
		out[i] = r
	}
	return out
}

// compare finds what changes and decides the action. It reports whether
// another object must be proposed.
func (d *decider) compare(it *item) (replaced bool) {
	c := it.change
	if it.prior.IsNull() {
		c.Action = Create
		return false
	}
	var found differ
	found.block(it.shape, nil, it.prior, it.planned)
	c.Changed = nil
	for _, f := range found.found {
		c.Changed = append(c.Changed, f.Path)
		if (f.Replace || it.typ.NoUpdate) && !has(it.replace, f.Path) {
			it.replace = append(it.replace[:len(it.replace):len(it.replace)], d.reason(c, f))
		}
	}
	switch {
	case len(it.replace) > 0:
		c.Action = Replace
	case len(found.found) > 0:
		c.Action = Update
	default:
		c.Action = NoOp
	}
	return c.Action == Replace
}

func (d *decider) reason(c *Change, f Difference) Reason {
	if f.After.IsWhollyKnown() {
		return Reason{Path: f.Path, Text: changed(f.Path)}
	}
	if d.cause != nil {
		if text := d.cause(c, f.Path); text != "" {
			return Reason{Path: f.Path, Text: text}
		}
	}
	return Reason{Path: f.Path, Text: "its " + FormatPath(f.Path) + " is known only after apply"}
}

// finish writes the decision into the change.
func (it *item) finish() {
	c := it.change
	switch {
	case it.failed:
		c.Action, c.After = NoOp, c.Before
	case c.Action == NoOp:
		c.After = c.Before
	case c.Action == Replace:
		c.After, c.Reasons = it.planned, it.replace
		c.Changed = it.changedBetween(c.Before, it.planned)
	default:
		c.After = it.planned
		if c.Action == Create {
			c.Reasons = append(c.Reasons[:len(c.Reasons):len(c.Reasons)], it.remarks...)
		}
	}
}

// changedBetween lists what differs once a replacement was proposed: more than
// what caused it, since computed values become unknown.
func (it *item) changedBetween(before, after cty.Value) []cty.Path {
	var found differ
	found.block(it.shape, nil, before, after)
	paths := make([]cty.Path, len(found.found))
	for i := range found.found {
		paths[i] = found.found[i].Path
	}
	return paths
}

func changed(path cty.Path) string {
	if len(path) == 0 {
		return "its provider asks for it"
	}
	return "its " + FormatPath(path) + " changed"
}

func has(reasons []Reason, path cty.Path) bool {
	for i := range reasons {
		if reasons[i].Path.Equals(path) {
			return true
		}
	}
	return false
}

// whatBecomes says in a few words what an action does to another object.
func whatBecomes(a addr.Instance, action Action) string {
	switch action {
	case Create:
		return a.String() + " is created"
	case Replace:
		return a.String() + " is replaced"
	case Update:
		return a.String() + " changes"
	case ReadLater:
		return a.String() + " is read during the apply"
	default:
		return ""
	}
}
