package plan

import (
	"context"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// readsAtOnce bounds how many data sources are read at one time.
const readsAtOnce = 10

// read is one data source on its way to its value.
type read struct {
	change   *Change
	shape    *shape
	wait     bool // for changes that it is to see
	failed   bool
	problems []Problem
}

// readAll reads the data sources whose configuration is known, several at a
// time, and leaves the others for the apply.
func readAll(ctx context.Context, planner Planner, list []*read) []Problem {
	if len(list) == 0 {
		return nil
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, readsAtOnce)
	for _, r := range list {
		if r.wait || !r.change.Config.IsWhollyKnown() {
			r.change.Action = ReadLater
			r.change.After = propose(r.shape, r.change.Config, cty.NullVal(r.shape.typ))
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			r.now(ctx, planner)
		})
	}
	wg.Wait()
	var problems []Problem
	for _, r := range list {
		problems = append(problems, r.problems...)
	}
	return problems
}

func (r *read) now(ctx context.Context, planner Planner) {
	c := r.change
	value, problems := planner.ReadData(ctx, c.Addr, c.Provider, c.Type, c.Config)
	if !HasErrors(problems) {
		if value == cty.NilVal || value.IsNull() || !r.shape.fits(value) || !value.IsWhollyKnown() {
			problems = append(problems, lie(c.Addr, c.Provider, nil, "read no usable data",
				fmt.Sprintf("what it read is not a known value of type %s", c.Type)))
		}
	}
	for i := range problems {
		if problems[i].Addr == (Problem{}).Addr {
			problems[i].Addr = c.Addr
		}
	}
	r.problems, r.failed = problems, HasErrors(problems)
	if !r.failed {
		c.Action, c.After = NoOp, value
	}
}
