// Package clock keeps the time of a simulated platform: a clock that runs as
// fast as it is told, can be moved forward, and calls functions at its times.
//
// Events fire one at a time and in the order of their times, and while one
// fires the clock stands at exactly its time. So what happens depends on the
// order of events alone, never on how busy the machine is.
package clock

import (
	"container/heap"
	"sync"
	"time"
)

// Clock is a virtual clock. Its methods may be called from any goroutine, also
// from an event.
type Clock struct {
	firing sync.Mutex // held while events fire, so that they fire one at a time

	mu     sync.Mutex
	speed  float64   // virtual seconds in a real one; 0 is a clock that only Advance moves
	origin time.Time // the virtual time at the real time started
	since  time.Time
	at     time.Time // the time of the event that fires, zero between events
	queue  queue
	serial int
	wake   chan struct{}
	done   chan struct{}
	closed bool
}

// Event is something that will happen.
type Event struct {
	when   time.Time
	serial int // events of one time fire in the order in which they were made
	do     func()
	index  int // in the queue, -1 outside
}

// New starts a clock at the time start. Speed is how many seconds pass on it
// in a real one; with 0 it stands, and only Advance moves it.
func New(start time.Time, speed float64) *Clock {
	c := &Clock{
		speed: speed, origin: start, since: time.Now(),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if speed > 0 {
		go c.run()
	}
	return c
}

// Close stops the clock. No event begins after it returns.
func (c *Clock) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.done)
	}
	c.mu.Unlock()
	c.firing.Lock() // the event that fires ends first
	defer c.firing.Unlock()
}

// Now returns the virtual time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if !c.at.IsZero() {
		return c.at
	}
	return c.elapsed()
}

func (c *Clock) elapsed() time.Time {
	return c.origin.Add(time.Duration(float64(time.Since(c.since)) * c.speed))
}

// Speed returns how many virtual seconds pass in a real one.
func (c *Clock) Speed() float64 { return c.speed }

// After calls do when d has passed on the clock.
func (c *Clock) After(d time.Duration, do func()) *Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(c.now().Add(d), do)
}

// At calls do at the time when, or at once when that has passed.
func (c *Clock) At(when time.Time, do func()) *Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(when, do)
}

func (c *Clock) add(when time.Time, do func()) *Event {
	c.serial++
	e := &Event{when: when, serial: c.serial, do: do}
	heap.Push(&c.queue, e)
	c.rouse()
	return e
}

func (c *Clock) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Cancel takes an event back. It does nothing to one that fired, and to nil.
func (c *Clock) Cancel(e *Event) {
	if e == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.index >= 0 {
		heap.Remove(&c.queue, e.index)
	}
}

// Advance moves the clock forward by d, and returns when all that happens
// within has happened.
func (c *Clock) Advance(d time.Duration) {
	c.firing.Lock()
	defer c.firing.Unlock()
	c.mu.Lock()
	until := c.elapsed().Add(d)
	c.mu.Unlock()
	c.fire(until)
	c.mu.Lock()
	c.origin, c.since = until, time.Now()
	c.rouse()
	c.mu.Unlock()
}

// Settle fires what is due. An answer that is given after it is never behind
// the clock.
func (c *Clock) Settle() {
	c.firing.Lock()
	defer c.firing.Unlock()
	c.mu.Lock()
	until := c.elapsed()
	c.mu.Unlock()
	c.fire(until)
}

// fire calls the events up to until. The caller holds firing.
func (c *Clock) fire(until time.Time) {
	for {
		c.mu.Lock()
		if c.closed || len(c.queue) == 0 || c.queue[0].when.After(until) {
			c.at = time.Time{}
			c.mu.Unlock()
			return
		}
		e := heap.Pop(&c.queue).(*Event)
		if c.at.Before(e.when) {
			c.at = e.when
		}
		c.mu.Unlock()
		e.do()
	}
}

// run fires events when their time comes.
func (c *Clock) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.untilNext())
		select {
		case <-c.done:
			return
		case <-c.wake:
		case <-timer.C:
			c.Settle()
		}
	}
}

// untilNext is the real time until the next event.
func (c *Clock) untilNext() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return time.Hour
	}
	wait := time.Duration(float64(c.queue[0].when.Sub(c.elapsed())) / c.speed)
	return min(max(wait, 0), time.Hour)
}

// queue is a heap of events by time.
type queue []*Event

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].when.Equal(q[j].when) {
		return q[i].serial < q[j].serial
	}
	return q[i].when.Before(q[j].when)
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for container/heap.
func (q *queue) Push(x any) {
	e := x.(*Event)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}
