package apply

import (
	"cmp"
	"context"
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

// account counts a phase as done, and the change with its last one.
func (w *walk) account(r *run) {
	r.left--
	if r.left > 0 || r.outcome != undone {
		return
	}
	r.outcome = done
	action := r.planned.Action
	if r.now.Action == plan.NoOp || r.now.Action == plan.Update {
		action = r.now.Action
	}
	w.result.Done[action]++
}

// fail notes that a node failed, and stops what comes after it.
func (w *walk) fail(n int, r *run, problems []plan.Problem) {
	for i := range problems {
		if problems[i].Addr == (addr.Instance{}) {
			problems[i].Addr = r.planned.Addr
		}
	}
	w.result.Problems = append(w.result.Problems, problems...)
	if r.outcome == undone {
		r.outcome = failed
		w.result.Failed[r.planned.Action]++
	}
	w.complete(n, &r.planned.Addr)
}

// skip passes over a node because something that it needs failed.
func (w *walk) skip(n int, because addr.Instance) {
	if i := w.order.Nodes[n].Change; i >= 0 && acts(w.order.Nodes[n].Phase, &w.runs[i]) {
		w.leave(&w.runs[i], because)
	}
	w.complete(n, &because)
}

// acts reports whether a phase of a change does something.
func acts(p plan.Phase, r *run) bool {
	switch p {
	case plan.Up, plan.Settle:
		return r.planned.Action != plan.NoOp
	case plan.Down:
		return r.planned.Action == plan.Delete || r.planned.Action == plan.Replace
	default:
		return false
	}
}

// leave notes that a change is not made.
func (w *walk) leave(r *run, because addr.Instance) {
	if r.outcome != undone {
		return
	}
	r.outcome = skipped
	w.result.Skipped[r.planned.Action]++
	w.o.Events.Skipped(r.planned, because)
}

// finish collects the result.
func (w *walk) finish(ctx context.Context) Result {
	left := false
	for i := range w.runs {
		if r := &w.runs[i]; r.outcome == undone && r.left > 0 {
			left = true
			w.leave(r, addr.Instance{})
		}
	}
	w.result.Interrupted = (left || w.left) && ctx.Err() != nil
	slices.SortStableFunc(w.result.Problems, func(a, b plan.Problem) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Summary, b.Summary))
	})
	w.result.Values, w.result.Objects = w.values, w.objects
	return w.result
}
