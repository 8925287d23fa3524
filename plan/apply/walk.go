package apply

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

// walk is one apply under way. All of it belongs to the goroutine of run;
// operations run in goroutines of their own and report over a channel.
type walk struct {
	o       Options
	order   *plan.Order
	objects *plan.Objects
	hard    context.Context

	runs  []run
	nodes []progress
	ready []int // nodes that wait for nothing, in the order in which they came to that

	running int
	reports chan report
	gate    *gate
	stopped bool // nothing new is started
	left    bool // a wait was left

	values map[addr.Instance]cty.Value
	result Result
}

// progress is how far a node is.
type progress struct {
	waits   int
	done    bool
	because *addr.Instance // what failed, when the node is not to be done
}

// run is how far a change is.
type run struct {
	planned *plan.Change
	now     *plan.Change // what is to be done as known now; planned at first
	prior   cty.Value    // the object that exists, as it is
	decided bool         // now holds what was not known at plan
	stays   bool         // it is settled that the object stays as it is
	left    int          // phases that do something and are not done
	outcome outcome
}

type outcome uint8

const (
	undone outcome = iota
	done
	failed
	skipped
)

func newWalk(o Options, order *plan.Order) *walk {
	w := &walk{
		o: o, order: order, objects: o.Plan.Objects.Clone(), hard: o.Hard,
		runs:    make([]run, len(o.Plan.Changes)),
		nodes:   make([]progress, len(order.Nodes)),
		reports: make(chan report),
		values:  make(map[addr.Instance]cty.Value, len(o.Plan.Changes)),
		result:  Result{Done: Counts{}, Failed: Counts{}, Skipped: Counts{}},
	}
	for i := range o.Plan.Changes {
		c := &o.Plan.Changes[i]
		w.runs[i] = run{planned: c, now: c, prior: c.Before, left: phases(c)}
		if exists := present(c); c.Deposed == 0 && !exists.IsNull() {
			w.values[c.Addr] = exists
		}
	}
	for i := range order.Nodes {
		if w.nodes[i].waits = order.Nodes[i].Waits; w.nodes[i].waits == 0 {
			w.ready = append(w.ready, i)
		}
	}
	return w
}

// present returns what a change's object is before the apply.
func present(c *plan.Change) cty.Value {
	if c.Data && c.Action == plan.NoOp {
		return c.After
	}
	return c.Before
}

// phases counts the phases of a change that do something.
func phases(c *plan.Change) int {
	switch c.Action {
	case plan.NoOp:
		return 0
	case plan.Replace:
		return 2
	default:
		return 1
	}
}

// run walks until nothing is left to start and nothing runs.
func (w *walk) run(ctx context.Context) {
	w.gate = newGate(ctx, w.o.Parallelism)
	defer w.gate.shut()
	interrupt := ctx.Done()
	for {
		for !w.stopped && len(w.ready) > 0 && w.running < tasks(w.o.Parallelism) {
			if ctx.Err() != nil {
				w.stop()
				break
			}
			n := w.ready[0]
			w.ready = w.ready[1:]
			w.begin(n)
		}
		if w.running == 0 {
			return
		}
		select {
		case r := <-w.reports:
			w.running--
			w.take(r)
		case <-interrupt:
			w.stop()
			interrupt = nil
		}
	}
}

// stop keeps everything from beginning that has not begun.
func (w *walk) stop() {
	w.stopped = true
	w.gate.shut()
}

// begin does what a node stands for, or starts it.
func (w *walk) begin(n int) {
	node := &w.order.Nodes[n]
	if because := w.nodes[n].because; because != nil {
		w.skip(n, *because)
		return
	}
	if node.Phase == plan.Gate {
		w.complete(n, nil)
		return
	}
	r := &w.runs[node.Change]
	switch {
	case node.Phase == plan.Settle:
		w.settle(n, r)
	case node.Phase == plan.Down && deletes(r):
		w.start(n, task{run: *r, phase: plan.Down})
	case node.Phase == plan.Up && r.now.Action != plan.NoOp:
		w.up(n, r)
	default:
		if node.Phase == plan.Up && r.now != r.planned {
			w.account(r) // settled: nothing to do after all
		}
		if node.Phase == plan.Down && r.planned.Action == plan.Replace {
			w.account(r)
		}
		w.passed(n, r)
	}
}

// deletes reports whether a change's object is deleted, as far as known now.
func deletes(r *run) bool {
	return r.now.Action == plan.Delete || r.now.Action == plan.Replace
}

// settle looks whether a replacement is necessary, when all that it needs is
// known; otherwise it is made as planned.
func (w *walk) settle(n int, r *run) {
	if !w.needsReady(r.planned) {
		w.complete(n, nil)
		return
	}
	again, problems := w.resolve(r.planned)
	if plan.HasErrors(problems) {
		w.fail(n, r, problems)
		return
	}
	w.start(n, task{run: *r, phase: plan.Settle, again: again})
}

// up starts the creation, update or reading of a change's object.
func (w *walk) up(n int, r *run) {
	t := task{run: *r, phase: plan.Up}
	if r.planned.Unresolved() && !r.decided {
		again, problems := w.resolve(r.planned)
		if plan.HasErrors(problems) {
			w.fail(n, r, problems)
			return
		}
		t.again = again
	}
	w.start(n, t)
}

// resolve evaluates the configuration of a change again.
func (w *walk) resolve(c *plan.Change) (*plan.Change, []plan.Problem) {
	if !c.Deferred || w.o.Source == nil {
		return c.Resolved(c.Config.MarkWithPaths(c.Marks), w.objects)
	}
	config, problems := w.o.Source.Evaluate(w.hard, c.Addr, w.objects)
	if plan.HasErrors(problems) {
		return nil, problems
	}
	return c.Resolved(config, w.objects)
}

// needsReady reports whether all that a change depends on has its last value.
func (w *walk) needsReady(c *plan.Change) bool {
	for _, on := range c.Dependencies {
		for _, n := range w.order.Needs(on) {
			i := w.order.Nodes[n].Change
			if !w.nodes[n].done && (i < 0 || !w.runs[i].stays) {
				return false
			}
		}
	}
	return true
}

func (w *walk) start(n int, t task) {
	w.running++
	t.node = n
	go func() { w.reports <- t.perform(&w.o, w.gate) }()
}

// take takes in what came of a task.
func (w *walk) take(rep report) {
	r := &w.runs[w.order.Nodes[rep.node].Change]
	w.left = w.left || rep.left
	if rep.fatal {
		w.stop()
	}
	if rep.undone {
		w.result.Problems = append(w.result.Problems, rep.problems...)
		return
	}
	if rep.again != nil {
		r.now, r.decided = rep.again, true
	}
	if rep.object != cty.NilVal {
		w.exists(r, rep)
	}
	if plan.HasErrors(rep.problems) {
		w.fail(rep.node, r, rep.problems)
		return
	}
	w.result.Problems = append(w.result.Problems, rep.problems...)
	if rep.phase == plan.Settle {
		if r.now.Action == plan.NoOp {
			r.stays = true
			w.objects.Set(r.now.Addr, r.now.Provider, r.now.After, r.now.Marks)
		}
	} else {
		w.account(r)
	}
	w.passed(rep.node, r)
}

// passed completes a node that did not fail, unless the object that it left is
// not as it has to be.
func (w *walk) passed(n int, r *run) {
	object, exists := w.values[r.planned.Addr]
	if w.o.Check == nil || !exists || w.order.Nodes[n].Phase != plan.Up || r.planned.Deposed != 0 {
		w.complete(n, nil)
		return
	}
	problems := w.o.Check(r.now, object, w.objects)
	w.result.Problems = append(w.result.Problems, problems...)
	if plan.HasErrors(problems) {
		w.complete(n, &r.planned.Addr)
		return
	}
	w.complete(n, nil)
}

// exists notes what an operation left behind.
func (w *walk) exists(r *run, rep report) {
	c := r.planned
	if rep.phase == plan.Down {
		if c.Deposed == 0 && !(c.Action == plan.Replace && c.CreateBeforeDestroy) {
			w.note(c.Addr, rep.object)
		}
		r.prior = rep.object
		return
	}
	if rep.object.IsNull() && c.Action == plan.Replace && c.CreateBeforeDestroy {
		return // the old one is still there
	}
	w.note(c.Addr, rep.object)
	if !plan.HasErrors(rep.problems) {
		w.objects.Set(c.Addr, c.Provider, rep.object, r.now.Marks)
	}
}

func (w *walk) note(a addr.Instance, v cty.Value) {
	if v.IsNull() {
		delete(w.values, a)
	} else {
		w.values[a] = v
	}
}

// complete releases the nodes that come after one. because, when set, is what
// keeps them from being done.
func (w *walk) complete(n int, because *addr.Instance) {
	w.nodes[n].done = because == nil
	for _, next := range w.order.Nodes[n].Next {
		p := &w.nodes[next]
		if because != nil && (p.because == nil || because.Compare(*p.because) < 0) {
			p.because = because
		}
		if p.waits--; p.waits == 0 {
			w.ready = append(w.ready, next)
		}
	}
}
