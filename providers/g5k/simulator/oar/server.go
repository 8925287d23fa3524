// Package oar simulates the batch scheduler of a site: jobs as state machines
// on a virtual clock, admission rules, reservations, walltimes, and a schedule
// that is the same for the same events.
//
// It says what OAR says, in its words where programs read them, and takes what
// OAR takes of a request. It runs no command: a job's command says by itself
// how long it takes (see duration). It knows neither HTTP nor nodes; who needs
// to know that a job began or ended sets Hooks.
package oar

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/clock"
)

// Config is what a server works on.
type Config struct {
	Site      string
	Clock     *clock.Clock
	Resources []*Resource
	FirstID   int // of its jobs
	Limits    Limits
	Hooks     Hooks
}

// Hooks are called while the server works: they must not call it, and must
// return at once.
type Hooks struct {
	Started func(Job) // it is running, and its nodes are its user's
	Ended   func(Job) // its nodes are its user's no more
}

// How long what OAR does takes, on the clock. A job is running three seconds
// after it was submitted, and one whose walltime is over lives ten seconds
// more; both were measured.
const (
	passDelay   = time.Second
	launchDelay = time.Second
	killDelay   = 2 * time.Second
	finishDelay = time.Second
	overtime    = 10 * time.Second

	// A plan leaves so much room behind each job. Most often that job is gone
	// earlier, and the next one starts before its prediction.
	security = time.Minute
)

// Server is a site's OAR.
type Server struct {
	site   string
	clock  *clock.Clock
	hooks  Hooks
	limits Limits

	mu        sync.Mutex
	resources []*Resource
	places    map[string]int // of the resources, by kind and name
	jobs      []*Job         // by ID, ascending
	nextID    int
	nextEvent int
	pass      *clock.Event // the scheduler's next, at passAt
	passAt    time.Time
	refusals  []Refusal // of the next submissions
	stalled   bool      // the scheduler places nothing
}

// New returns a server that has seen no job.
func New(c Config) *Server {
	s := &Server{
		site: c.Site, clock: c.Clock, hooks: c.Hooks, limits: c.Limits.orDefaults(),
		resources: c.Resources, places: map[string]int{}, nextID: max(c.FirstID, 1), nextEvent: 1,
	}
	for i, r := range s.resources {
		s.places[r.Kind+" "+r.Name] = i
	}
	return s
}

// timers are what will happen to a job.
type timers struct{ next, end *clock.Event }

// Job returns a job.
func (s *Server) Job(id int) (Job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.find(id); j != nil {
		return j.snapshot(), true
	}
	return Job{}, false
}

// Jobs returns all jobs, the newest first.
func (s *Server) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Job, 0, len(s.jobs))
	for _, j := range slices.Backward(s.jobs) {
		list = append(list, j.snapshot())
	}
	return list
}

func (s *Server) find(id int) *Job {
	i, found := slices.BinarySearchFunc(s.jobs, id, func(j *Job, id int) int { return j.ID - id })
	if !found {
		return nil
	}
	return s.jobs[i]
}

// Resources returns copies of the resources as they are now.
func (s *Server) Resources() []Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Resource, len(s.resources))
	for i, r := range s.resources {
		list[i] = *r
	}
	return list
}

// SetNodeState changes what OAR believes of a node. It reports whether there
// is such a node.
func (s *Server) SetNodeState(name string, state NodeState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	place, ok := s.places["default "+name]
	if ok {
		s.resources[place].State = state
		s.schedule(passDelay)
	}
	return ok
}

// SetProperty changes a property of a node: maintenance, for example.
func (s *Server) SetProperty(name, property, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	place, ok := s.places["default "+name]
	if ok {
		s.resources[place].Properties[property] = value
		s.schedule(passDelay)
	}
	return ok
}

// Stall stops the scheduler: what waits goes on waiting, and nobody knows how
// long. Stall(false) lets it work again.
func (s *Server) Stall(stalled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = stalled
	s.schedule(passDelay)
}

// Refuse makes the next submission fail.
func (s *Server) Refuse(r Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, r)
}

// Kill ends a job as an administrator does.
func (s *Server) Kill(id int) error { return s.delete(id, "root") }

// Delete asks for the end of a job, which comes later.
func (s *Server) Delete(id int, user string) error { return s.delete(id, user) }

func (s *Server) delete(id int, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.find(id)
	switch {
	case j == nil:
		return Refusal{Code: 404, Title: "Not Found", Message: fmt.Sprintf("Job %d does not exist", id)}
	case user != j.User && user != "root":
		return Refusal{Code: 403, Title: "Forbidden", Message: fmt.Sprintf("Job %d does not belong to you", id)}
	case j.deletion:
		return Refusal{Code: 400, Title: "Oardel error", Message: fmt.Sprintf("Oardel command exited with status 1536: Deleting the job = %d ...ERROR.\nCannot frag %d ; This job was already killed.\n. (Command was: /usr/lib/oar/oardodo/oardodo oardel %d).", id, id, id)}
	}
	s.frag(j, user)
	if !j.ending && !j.State.Over() { // of one that has ended it is only noted
		s.end(j, killDelay, Error)
	}
	return nil
}

// frag notes that a job is to go.
func (s *Server) frag(j *Job, user string) {
	j.deletion = true
	s.event(j, "FRAG_JOB_REQUEST", fmt.Sprintf("User %s requested to frag the job %d", user, j.ID))
}

// event notes what happened to a job.
func (s *Server) event(j *Job, kind, description string) {
	j.Events = append(j.Events, Event{ID: s.nextEvent, Type: kind, At: s.clock.Now(), Description: description})
	s.nextEvent++
}

// end takes a job to its end in some seconds.
func (s *Server) end(j *Job, in time.Duration, state State) {
	j.ending = true
	s.clock.Cancel(j.timers.next)
	s.clock.Cancel(j.timers.end)
	next := s.finish
	if j.State == Waiting {
		next = s.ended
	} else if state == Error {
		s.event(j, "SEND_KILL_JOB", fmt.Sprintf("[Leon] Send the kill signal to oarexec on %s for job %d", s.headOf(j), j.ID))
	}
	s.later(j, in, func() { next(j, state) })
}

// later does the next thing with a job that is ending.
func (s *Server) later(j *Job, in time.Duration, do func()) {
	j.timers.next = s.clock.After(in, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		do()
	})
}

// finish is when a job's command has ended, and what it had is tidied up.
func (s *Server) finish(j *Job, state State) {
	kind := "SWITCH_INTO_TERMINATE_STATE"
	if state == Error {
		kind = "SWITCH_INTO_ERROR_STATE"
	}
	s.event(j, kind, fmt.Sprintf("[bipbip %d] Ask to change the job state", j.ID))
	j.State, j.Stopped = Finishing, s.clock.Now()
	s.later(j, finishDelay, func() { s.ended(j, state) })
}

// headOf is the machine on which a job's command runs: the frontend when the
// nodes are to be deployed.
func (s *Server) headOf(j *Job) string {
	if len(j.Nodes) == 0 || j.Has("deploy") || j.Has("cosystem") || j.Has("noop") {
		return "frontend"
	}
	return j.Nodes[0]
}

func (s *Server) ended(j *Job, state State) {
	had := j.State != Waiting
	j.State, j.Scheduled = state, time.Time{}
	if !had { // it never had what it would have got
		j.Message = "Job killed by Leon directly"
		j.take(s.resources, nil)
	}
	if s.hooks.Ended != nil && had {
		s.hooks.Ended(j.snapshot())
	}
	s.schedule(0)
}
