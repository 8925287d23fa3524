package oar

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schedule lets the scheduler work in a while, or earlier when it is going to.
// The caller holds the lock.
func (s *Server) schedule(in time.Duration) {
	at := s.clock.Now().Add(in)
	if s.pass != nil && !at.Before(s.passAt) {
		return
	}
	s.clock.Cancel(s.pass)
	s.passAt = at
	s.pass = s.clock.At(at, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pass = nil
		s.place()
	})
}

// place is the scheduler: it gives each waiting job the first time at which
// what it wants is free for its whole walltime, in the order of queues and
// submission, and starts those whose time has come. No job is moved back by a
// later one.
func (s *Server) place() {
	now := s.clock.Now()
	s.changes()
	spans := s.fixed(now)
	if s.stalled {
		for _, j := range s.waiting() {
			j.Scheduled, j.Message = time.Time{}, ""
			j.take(s.resources, nil)
		}
		return
	}
	var next time.Time
	for _, j := range s.waiting() {
		start, taken, ok := s.earliest(j, spans, now)
		if !ok {
			j.Scheduled, j.Message = time.Time{}, "no resources match the job at any time"
			j.take(s.resources, nil)
			continue
		}
		j.take(s.resources, taken)
		j.Message = j.placed()
		j.Scheduled = start
		spans = append(spans, span{start, start.Add(j.Walltime + security), taken, j})
		if !start.After(now) {
			s.launch(j)
		}
	}
	for _, j := range s.jobs {
		if j.State != Waiting || j.ending || j.Scheduled.IsZero() {
			continue
		}
		if !j.Scheduled.After(now) && j.Reservation {
			s.launch(j)
		} else if next.IsZero() || j.Scheduled.Before(next) {
			next = j.Scheduled
		}
	}
	if !next.IsZero() {
		s.schedule(next.Sub(now))
	}
}

// waiting are the jobs that the scheduler places, in its order.
func (s *Server) waiting() []*Job {
	var list []*Job
	for _, j := range s.jobs {
		if j.State == Waiting && !j.ending && !j.Reservation {
			list = append(list, j)
		}
	}
	slices.SortStableFunc(list, func(a, b *Job) int { return cmp.Compare(priority(b), priority(a)) })
	return list
}

func priority(j *Job) int {
	switch {
	case j.Queue == "admin":
		return 3
	case j.Has("besteffort"):
		return 1
	}
	return 2
}

// fixed are the spans that no waiting job may touch.
func (s *Server) fixed(now time.Time) []span {
	var spans []span
	for _, j := range s.jobs {
		switch {
		case j.State.Over() || len(j.taken) == 0:
		case j.State == Waiting && j.Reservation:
			spans = append(spans, span{j.Scheduled, j.Scheduled.Add(j.Walltime + security), j.taken, j})
		case j.State != Waiting:
			until := j.Started.Add(j.Walltime + security)
			if !until.After(now) { // it is late, and will be gone any moment
				until = now.Add(time.Second)
			}
			spans = append(spans, span{j.Started, until, j.taken, j})
		}
	}
	return spans
}

// earliest finds the first time at which a job fits.
func (s *Server) earliest(j *Job, spans []span, now time.Time) (time.Time, allocation, bool) {
	times := []time.Time{now}
	for _, sp := range spans {
		if sp.until.After(now) {
			times = append(times, sp.until)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	times = slices.CompactFunc(times, time.Time.Equal)
	for _, start := range times {
		if taken, ok := s.fits(j, spans, start); ok {
			return start, taken, true
		}
	}
	return time.Time{}, nil, false
}

// fits finds resources for a job that starts at a time. What a besteffort job
// has is free for any other.
func (s *Server) fits(j *Job, spans []span, start time.Time) (allocation, bool) {
	until := start.Add(j.Walltime + security)
	busy := make([]slots, len(s.resources))
	for _, sp := range spans {
		if sp.owner.Has("besteffort") && !j.Has("besteffort") || !sp.from.Before(until) || !start.Before(sp.until) {
			continue
		}
		for place, taken := range sp.taken {
			busy[place] = busy[place].or(taken)
		}
	}
	f := fitter{s.resources, func(place int) slots {
		if s.resources[place].State != Alive {
			return slots{}
		}
		return firstSlots(s.resources[place].Slots).without(busy[place])
	}}
	return f.fit(j.request, j.condition)
}

// launch begins a job whose time has come.
func (s *Server) launch(j *Job) {
	s.evict(j)
	j.State, j.Started, j.Scheduled = ToLaunch, s.clock.Now(), time.Time{}
	s.step(j, launchDelay, func() {
		j.State = Launching
		s.step(j, launchDelay, func() { s.run(j) })
	})
}

// step does the next thing with a job after a while, unless it is ending.
func (s *Server) step(j *Job, in time.Duration, do func()) {
	j.timers.next = s.clock.After(in, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !j.ending {
			do()
		}
	})
}

func (s *Server) run(j *Job) {
	j.State = Running
	s.untilWalltime(j)
	if length, code, ends := duration(j.script); ends && length < j.Walltime {
		s.step(j, length, func() {
			j.ExitCode = &code
			s.end(j, 0, Terminated)
		})
	}
	if s.hooks.Started != nil {
		s.hooks.Started(j.snapshot())
	}
}

// untilWalltime sets the end that a running job's walltime says.
func (s *Server) untilWalltime(j *Job) {
	s.clock.Cancel(j.timers.end)
	j.timers.end = s.clock.At(j.Started.Add(j.Walltime), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if j.ending {
			return
		}
		if !j.deletion {
			s.frag(j, "root")
		}
		s.event(j, "WALLTIME", fmt.Sprintf("[sarko] Job [%d] from %d with %d; current time=%d (Elapsed)",
			j.ID, j.Started.Unix(), int(j.Walltime/time.Second), s.clock.Now().Unix()))
		s.end(j, overtime, Error)
	})
}

// evict ends besteffort jobs that have what another now gets.
func (s *Server) evict(j *Job) {
	for _, other := range s.jobs {
		if other == j || other.State.Over() || other.State == Waiting || other.ending || !other.Has("besteffort") {
			continue
		}
		for place, taken := range j.taken {
			if other.taken[place].and(taken) != (slots{}) {
				s.event(other, "BESTEFFORT_KILL", fmt.Sprintf("[MetaSched] kill the besteffort job %d", other.ID))
				s.end(other, 0, Error)
				break
			}
		}
	}
}

// duration is how long a command runs and how it ends, where that is to be
// seen from its text; any other runs until its job ends.
func duration(command string) (time.Duration, int, bool) {
	switch words := strings.Fields(command); {
	case len(words) == 1 && slices.Contains([]string{"true", "/bin/true", "hostname", "date", "env"}, words[0]):
		return time.Second, 0, true
	case len(words) == 1 && (words[0] == "false" || words[0] == "/bin/false"):
		return time.Second, 256, true // OAR tells a wait status
	case len(words) == 2 && words[0] == "sleep":
		if d, ok := sleepTime(words[1]); ok {
			return d, 0, true
		}
	}
	return 0, 0, false
}

func sleepTime(text string) (time.Duration, bool) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	unit := time.Second
	if u, ok := units[text[len(text)-1]]; ok {
		text, unit = text[:len(text)-1], u
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n > 1e6 {
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}
