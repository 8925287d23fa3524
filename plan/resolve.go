package plan

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// Unresolved reports whether a change's configuration holds values that become
// known only during the apply.
func (c *Change) Unresolved() bool { return c.unresolved() }

// Resolved returns a copy of a change with the configuration that is known now
// that its dependencies are done: config is the whole of it, and references
// are filled from objects. Nothing is decided yet.
func (c *Change) Resolved(config cty.Value, objects *Objects) (*Change, []Problem) {
	again := *c
	again.Config, again.Marks = unmark(config)
	if problems := fill(&again, objects); HasErrors(problems) {
		return nil, problems
	}
	if !again.Config.IsWhollyKnown() {
		return nil, []Problem{{
			Addr:    c.Addr,
			Summary: "Still not known",
			Detail: fmt.Sprintf("The configuration of %s has values that are not known although all that it depends on is done. "+
				"A provider or a function left them unknown.", c.Addr),
		}}
	}
	return &again, nil
}

// Decide decides a resolved change again: again becomes what there is to do,
// which may be less than planned. prior is what exists now; null when the old
// object was deleted already. What the plan knew must not have changed.
func Decide(ctx context.Context, planner Planner, t *Type, planned, again *Change, prior cty.Value) []Problem {
	again.Before, again.Reasons = prior, nil
	if !prior.IsNull() {
		for _, r := range planned.Reasons {
			if len(r.Path) == 0 && planned.Action == Replace {
				again.Reasons = append(again.Reasons, r)
			}
		}
	}
	it := &item{change: again, typ: t, shape: shapeOf(t.Block)}
	d := decider{planner: planner}
	problems := d.decide(ctx, []*item{it})
	if HasErrors(problems) {
		return problems
	}
	if again.Action == Replace && planned.Action != Replace {
		return append(problems, Problem{
			Addr:    again.Addr,
			Summary: fmt.Sprintf("%s would have to be replaced", again.Addr),
			Detail: fmt.Sprintf("That was not part of the plan (%s), so nothing was done to it. Plan again.",
				reasonTexts(again.Reasons)),
		})
	}
	if planned.Action == Replace && again.Action == Create {
		again.Action, again.Before = Replace, planned.Before // its first half is done
	}
	return append(problems, checkAgreement(it.shape, again.Addr, planned.After, again.After)...)
}

// Read reads the data source of a resolved change.
func Read(ctx context.Context, planner Planner, t *Type, again *Change) []Problem {
	r := &read{change: again, shape: shapeOf(t.Block)}
	r.now(ctx, planner)
	return r.problems
}
