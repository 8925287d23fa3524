package lan

import (
	"context"
	"io"
	"math/rand/v2"
	"time"
)

// queueLength bounds what waits for a slow link or a machine that does not
// read; what comes beyond it is lost, as on a real one.
const queueLength = 1000

// queue delays frames on their way, in order, and never makes its giver wait.
type queue struct {
	to      io.Writer
	frames  chan queued
	free    time.Time // when a limited link has sent what it was given
	backlog time.Duration
}

type queued struct {
	frame []byte
	due   time.Time
}

func newQueue(to io.Writer) *queue {
	return &queue{to: to, frames: make(chan queued, queueLength), backlog: time.Second}
}

// put takes a frame, or loses it.
func (q *queue) put(frame []byte, l Link) {
	if l.Block || l.Loss > 0 && rand.Float64() < l.Loss {
		return
	}
	now := time.Now()
	due := now.Add(l.Delay)
	if l.Rate > 0 {
		if q.free.Before(now) {
			q.free = now
		}
		if q.free.Sub(now) > q.backlog {
			return
		}
		q.free = q.free.Add(time.Duration(float64(len(frame)-4) * 8 / float64(l.Rate) * float64(time.Second)))
		due = q.free.Add(l.Delay)
	}
	select {
	case q.frames <- queued{frame, due}:
	default:
	}
}

// run sends what is due.
func (q *queue) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-q.frames:
			if wait := time.Until(f.due); wait > 0 {
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
			if _, err := q.to.Write(f.frame); err != nil {
				return // who reads the other way notices, too
			}
		}
	}
}
