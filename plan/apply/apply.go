// Package apply carries a plan out. It walks the plan's operations in
// parallel, as their order allows, and hands each to an executor; before and
// after every one a recorder writes down what is about to happen and what came
// of it.
//
// A failure stops only what depends on it. The package decides nothing new: a
// configuration that was not known at plan is evaluated again, and what comes
// out must agree with the plan. It knows no plugins, files or terminals.
package apply

import (
	"context"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

// DefaultParallelism is how many operations run at one time.
const DefaultParallelism = 10

// Options is all that an apply works with.
type Options struct {
	Plan     *plan.Plan
	Source   plan.Source // may be nil for a plan that defers nothing
	Types    plan.Types
	Executor Executor
	Recorder Recorder
	Events   Events // may be nil

	// Check looks at an object that was made, changed or read, or that stays as
	// it is, before anything that depends on it is touched. An error that it
	// finds stops that, as a failure would. May be nil.
	Check func(c *plan.Change, object cty.Value, known plan.Values) []plan.Problem

	Parallelism int           // 0: DefaultParallelism
	NewAttempt  func() string // names one try to create one object

	// Hard is the context that running operations get: cancelling the context
	// of Run only keeps new ones from starting, and ends those that are idle.
	// Nil: never cancelled.
	Hard context.Context

	soft context.Context // Run's
}

// Executor asks providers to do things. Calls come concurrently.
type Executor interface {
	// Apply carries out one operation and returns what exists after it: null
	// when that is nothing, cty.NilVal when it is not known (the provider died
	// on the way; the operation then stays open in the record).
	Apply(ctx context.Context, op Operation, progress func(Progress)) (cty.Value, []plan.Problem)

	// Planner refines and reads what was not known at plan.
	plan.Planner
}

// Recorder writes down what happens. Calls come concurrently. An error stops
// all new work.
type Recorder interface {
	// Intent comes before every operation. When it returns, it is durable, and
	// so is every result that was told before.
	Intent(op Operation) error
	// Ready reports why nothing may begin that was announced a while ago.
	Ready() error
	// Result comes after an operation, with what exists now (null: nothing;
	// after a failed delete, the old object, which keeps the change's
	// PriorDependencies). tainted says that the object is only half made.
	Result(op Operation, object cty.Value, tainted bool) error
	// Withdraw takes back an intent whose operation did not begin.
	Withdraw(op Operation) error
}

// Step is what an operation does.
type Step uint8

const (
	Create Step = iota
	Update
	Delete
	Read // a data source; not recorded
)

// String returns the step's name, in lower case.
func (s Step) String() string {
	switch s {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	case Read:
		return "read"
	default:
		return "unknown step"
	}
}

// Operation is one thing to do.
type Operation struct {
	Change *plan.Change
	Step   Step
	// Deposed says that the object to delete is the old one of a replacement
	// whose new one exists already, or is left over from an earlier one.
	Deposed bool
	Prior   cty.Value // null for Create and Read
	Planned cty.Value // null for Delete; unknown only where the provider decides
	// Attempt marks the object: a new one for Create, else the one that made it.
	Attempt string
}

// Progress is a sign of life of a running operation.
type Progress struct {
	Phase          string
	Done, Expected int64
	Unit           string
	Log            string
	Note           string
	Idle           bool // the phase is a wait that loses nothing by being left
}

// Events are told what goes on. Calls come concurrently.
type Events interface {
	Started(op Operation)
	Progress(op Operation, p Progress)
	Done(op Operation, elapsed time.Duration, problems []plan.Problem)
	// Skipped is called for a change that is not made, because another one
	// failed, or (a zero address) because the apply was stopped.
	Skipped(c *plan.Change, because addr.Instance)
}

// Counts counts changes by what was planned for them.
type Counts map[plan.Action]int

// Result is what came of an apply.
type Result struct {
	Problems    []plan.Problem // in the order of addresses
	Done        Counts         // by what was done in the end
	Failed      Counts
	Skipped     Counts
	Interrupted bool // the context was cancelled before all was done

	// Values is every object that exists in the end.
	Values map[addr.Instance]cty.Value
	// Objects are the same values as expressions see them; those of objects
	// that could not be made are as planned.
	Objects *plan.Objects
}

// HasErrors reports whether anything went wrong or was left undone.
func (r *Result) HasErrors() bool { return r.Interrupted || plan.HasErrors(r.Problems) }

// Run carries a plan out and returns when nothing runs any more. When ctx is
// cancelled it starts nothing new and waits for what runs, but for what is idle:
// that it cancels.
func Run(ctx context.Context, o Options) Result {
	if o.Parallelism <= 0 {
		o.Parallelism = DefaultParallelism
	}
	if o.Hard == nil {
		o.Hard = context.WithoutCancel(ctx)
	}
	if o.Events == nil {
		o.Events = silent{}
	}
	if o.NewAttempt == nil {
		o.NewAttempt = func() string { return "" }
	}
	order, problems := plan.Arrange(o.Plan.Changes)
	if plan.HasErrors(problems) {
		return Result{Problems: problems, Done: Counts{}, Failed: Counts{}, Skipped: Counts{}, Objects: o.Plan.Objects}
	}
	o.soft = ctx
	w := newWalk(o, order)
	w.run(ctx)
	return w.finish(ctx)
}

// silent are events that nobody listens to.
type silent struct{}

func (silent) Started(Operation)                             {}
func (silent) Progress(Operation, Progress)                  {}
func (silent) Done(Operation, time.Duration, []plan.Problem) {}
func (silent) Skipped(*plan.Change, addr.Instance)           {}
