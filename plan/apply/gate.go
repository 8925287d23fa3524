package apply

import "context"

// gate lets operations begin: so many at one time, and none after it was shut.
//
// More than that are on their way at any time: those before the gate are
// being announced, those behind it recorded. So they share the record's
// flushes, and a slow disk holds up nobody who has work to do.
type gate struct {
	slots chan struct{}
	open  context.Context // ended: nothing begins any more
	shut  func()
}

func newGate(ctx context.Context, parallelism int) *gate {
	g := &gate{slots: make(chan struct{}, parallelism)}
	g.open, g.shut = context.WithCancel(ctx)
	return g
}

// ahead is how many tasks are on their way for each operation that may run.
const ahead = 4

// tasks returns how many tasks may be on their way. Who asks for one operation
// at a time gets one step after the other.
func tasks(parallelism int) int {
	if parallelism == 1 {
		return 1
	}
	return ahead * parallelism
}

// enter returns when an operation may begin, or false when it must not. Whoever
// entered has to leave. waited says that it took a while.
func (g *gate) enter() (entered, waited bool) {
	if g.open.Err() != nil {
		return false, false
	}
	select {
	case g.slots <- struct{}{}:
		return true, false
	default:
	}
	select {
	case g.slots <- struct{}{}:
		if g.open.Err() != nil {
			g.leave()
			return false, true
		}
		return true, true
	case <-g.open.Done():
		return false, true
	}
}

func (g *gate) leave() { <-g.slots }
