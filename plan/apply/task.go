package apply

import (
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plan"
)

// task is the work of one node. It runs in a goroutine of its own and shares
// nothing with the walk.
type task struct {
	node  int
	phase plan.Phase
	run   run
	again *plan.Change // resolved and still to be decided; nil: as in run.now
}

// report is what came of a task.
type report struct {
	node     int
	phase    plan.Phase
	again    *plan.Change // as decided
	object   cty.Value    // what exists now; cty.NilVal: as before
	problems []plan.Problem
	fatal    bool // nothing new must be started
	undone   bool // it did not begin, because nothing new must be started
	left     bool // its wait was not for as long as it would have been
}

func (t *task) perform(o *Options, g *gate) report {
	rep := report{node: t.node, phase: t.phase}
	now := t.run.now
	if t.again != nil && !t.again.Data {
		rep.problems = t.decide(o)
		if plan.HasErrors(rep.problems) {
			return rep
		}
		now, rep.again = t.again, t.again
		if now.Action == plan.NoOp && t.phase == plan.Up {
			rep.object = now.After
		}
		if now.Action == plan.NoOp || t.phase == plan.Settle {
			return rep
		}
	}
	if now.Data {
		if entered, _ := g.enter(); !entered {
			rep.undone = true
			return rep
		}
		defer g.leave()
		t.read(o, &rep)
		return rep
	}
	op := t.operation(o, now)
	if err := o.Recorder.Intent(op); err != nil {
		rep.problems = append(rep.problems, unrecorded(&op, "The intent to "+op.Step.String(), err))
		rep.fatal = true
		return rep
	}
	entered, waited := g.enter()
	if entered && waited { // much may have happened since the intent
		if err := o.Recorder.Ready(); err != nil {
			g.leave()
			rep.problems = append(rep.problems, unrecorded(&op, "The "+op.Step.String(), err))
			rep.fatal, entered = true, false
		}
	}
	if !entered {
		t.withdraw(o, op, &rep)
		return rep
	}
	t.apply(o, op, &rep, g)
	return rep
}

// withdraw takes an intent back. Where that cannot be written down either, the
// intent stays open, and the next command finds that nothing came of it: there
// is nothing to say of it that others do not say already.
func (t *task) withdraw(o *Options, op Operation, rep *report) {
	rep.undone, rep.again = true, nil
	if o.Recorder.Withdraw(op) != nil {
		rep.fatal = true
	}
}

// decide decides what was not known at plan.
func (t *task) decide(o *Options) []plan.Problem {
	c := t.again
	typ, ok := o.Types.Resource(c.Provider, c.Type)
	if !ok {
		return []plan.Problem{unknownType(c)}
	}
	return plan.Decide(o.Hard, o.Executor, typ, t.run.planned, c, t.run.prior)
}

func unknownType(c *plan.Change) plan.Problem {
	return plan.Problem{
		Addr:    c.Addr,
		Summary: "Unknown type " + c.Type,
		Detail:  fmt.Sprintf("Provider %s has no type %s any more.", c.Provider, c.Type),
	}
}

// operation says what is to be done in this phase of a change.
func (t *task) operation(o *Options, now *plan.Change) Operation {
	planned := t.run.planned
	op := Operation{Change: now, Attempt: planned.Attempt}
	none := cty.NullVal(now.Before.Type())
	switch {
	case t.phase == plan.Down:
		op.Step, op.Prior, op.Planned = Delete, planned.Before, none
		op.Deposed = planned.Deposed != 0 || planned.Action == plan.Replace && planned.CreateBeforeDestroy
	case now.Action == plan.Update:
		op.Step, op.Prior, op.Planned = Update, t.run.prior, now.After
	default:
		op.Step, op.Prior, op.Planned, op.Attempt = Create, none, now.After, o.NewAttempt()
	}
	return op
}

// apply has an operation carried out, looks at what came of it, and records it.
func (t *task) apply(o *Options, op Operation, rep *report, g *gate) {
	o.Events.Started(op)
	begin := time.Now()
	ctx, idle, done := o.leavable()
	object, problems := o.Executor.Apply(ctx, op, func(p Progress) {
		if p.Phase != "" {
			idle(p.Idle)
		}
		o.Events.Progress(op, p)
	})
	rep.left = done()
	g.leave()
	tainted := op.Step == Create && plan.HasErrors(problems) || op.Step == Delete && op.Change.Tainted
	object, known := leftBehind(&op, object, plan.HasErrors(problems))
	problems = append(problems, t.check(o, &op, object, known, plan.HasErrors(problems))...)
	if known {
		object = cty.UnknownAsNull(object)
		rep.object = object
		if err := o.Recorder.Result(op, object, tainted && !object.IsNull()); err != nil {
			problems = append(problems, unrecorded(&op, "The result of the "+op.Step.String(), err))
			rep.fatal = true
		}
	}
	rep.problems = append(rep.problems, problems...)
	o.Events.Done(op, time.Since(begin), problems)
}

// leftBehind returns what exists after an operation, and whether that is known
// at all. A failed update or delete that says nothing has left what was there:
// to keep an object on record that is gone is found out at the next refresh,
// to lose one that is there is not.
func leftBehind(op *Operation, object cty.Value, failed bool) (cty.Value, bool) {
	switch {
	case object == cty.NilVal && !failed && op.Step == Delete:
		return op.Planned, true
	case object == cty.NilVal:
		return object, false
	case object.IsNull() && failed && op.Step != Create:
		return op.Prior, true
	default:
		return object, true
	}
}

// check compares the result of an operation with its plan.
func (t *task) check(o *Options, op *Operation, object cty.Value, known, failed bool) []plan.Problem {
	c := op.Change
	switch {
	case failed:
		return nil
	case !known || op.Step != Delete && object.IsNull():
		return []plan.Problem{wrong(c, fmt.Sprintf("it says that the %s of %s succeeded, and not what exists now", op.Step, c.Addr))}
	case op.Step == Delete && !object.IsNull():
		return []plan.Problem{wrong(c, fmt.Sprintf("it says that the delete of %s succeeded, and that it still exists", c.Addr))}
	case op.Step == Delete || o.Types == nil:
		return nil
	}
	typ, ok := o.Types.Resource(c.Provider, c.Type)
	if !ok {
		return []plan.Problem{unknownType(c)}
	}
	return plan.CheckResult(typ.Block, c.Addr, c.Provider, op.Planned, object)
}

func wrong(c *plan.Change, text string) plan.Problem {
	return plan.Problem{
		Addr:    c.Addr,
		Summary: fmt.Sprintf("Provider %s contradicts itself", c.Provider),
		Detail: text + ". This is a mistake in the provider, not in the configuration: " +
			"please report it to the provider's authors.",
	}
}

// read reads a data source.
func (t *task) read(o *Options, rep *report) {
	c := t.again
	if c == nil {
		again := *t.run.now
		c = &again
	}
	typ, ok := o.Types.Data(c.Provider, c.Type)
	if !ok {
		rep.problems = []plan.Problem{unknownType(c)}
		return
	}
	op := Operation{Change: c, Step: Read, Prior: cty.NullVal(c.After.Type()), Planned: c.After}
	o.Events.Started(op)
	begin := time.Now()
	rep.problems = plan.Read(o.Hard, o.Executor, typ, c)
	if !plan.HasErrors(rep.problems) {
		c.Action = plan.ReadLater
		rep.again, rep.object = c, c.After
	}
	o.Events.Done(op, time.Since(begin), rep.problems)
}

// unrecorded is the problem that what happened could not be written down.
func unrecorded(op *Operation, what string, err error) plan.Problem {
	return plan.Problem{
		Addr:    op.Change.Addr,
		Summary: "The record cannot be written",
		Detail:  fmt.Sprintf("%s of %s: %s. Nothing new was started after this.", what, op.Change.Addr, err),
	}
}
