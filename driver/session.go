package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// session is a script, or a user, at work.
type session struct {
	o     *Options
	p     *process
	nodes map[string]*node
	began time.Time

	mu     sync.Mutex
	calls  map[int]context.CancelFunc // under way
	steps  []Event                    // begun and not ended
	serial bool

	forwards []func() // end what leads ports to nodes

	telling sync.Mutex    // one event at a time
	ready   chan struct{} // closed when the script runs
}

func newSession(o *Options) *session {
	return &session{o: o, calls: map[int]context.CancelFunc{}, began: time.Now(), ready: make(chan struct{})}
}

// Run runs a script on its nodes, until it ends, the time is over or ctx ends.
// The error is ours or Python's; a script that fails is a result.
func Run(ctx context.Context, o Options) (*Result, error) {
	s := newSession(&o)
	p, err := start(&o, false, func(line string) { s.tell(Event{Kind: "output", Text: line}) })
	if err != nil {
		return nil, err
	}
	s.p = p
	// Calls end when the script does, also when it is told to.
	working, finish := context.WithCancel(context.WithoutCancel(ctx))
	defer finish()
	s.openNodes(working)
	defer s.closeNodes()
	err = p.send(s.job("test"))
	if err != nil {
		return nil, fmt.Errorf("tell Python the script: %w", errors.Join(err, p.end(0)))
	}

	over := make(chan struct{})
	watched := make(chan stopped, 1)
	go func() { watched <- s.watch(ctx, over) }()
	last, err := s.serve(working)
	close(over)
	stop := <-watched
	finish()
	ended := p.end(grace)
	result := &Result{Elapsed: time.Since(s.began)}
	switch {
	case last != nil:
		result.Failure = last.Failure
	case stop.kind != "":
		result.Failure = &Failure{Message: stop.reason + ", and did not stop by itself", Steps: s.open()}
	default:
		return nil, fmt.Errorf("Python ended before the script did: %w", errors.Join(err, ended))
	}
	if result.Failure == nil && stop.kind == Interrupted {
		result.Failure = &Failure{Message: stop.reason}
	}
	if f := result.Failure; f != nil && (f.Kind == Interrupted || f.Kind == "") && stop.kind != "" {
		f.Kind = stop.kind
	}
	if result.Failure != nil && result.Failure.Kind != Interrupted {
		// Its own time: that of the test may be over.
		looking, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer done()
		result.Kept = s.keep(looking)
	}
	return result, nil
}

// stopped is why a script was told to end; nothing when it was not.
type stopped struct{ kind, reason string }

// watch ends the script when its time is over or ctx ends. The time counts
// from when the script runs: until then Python does not know what Ctrl-C is.
func (s *session) watch(ctx context.Context, over <-chan struct{}) stopped {
	select {
	case <-over:
		return stopped{}
	case <-s.ready:
	case <-time.After(startLimit):
		_ = s.p.cmd.Process.Kill()
		return stopped{Machine, fmt.Sprintf("Python did not start within %s", startLimit)}
	}
	timer := time.NewTimer(s.o.Timeout)
	defer timer.Stop()
	if s.o.Timeout <= 0 {
		timer.Stop()
	}
	var why stopped
	select {
	case <-over:
		return stopped{}
	case <-ctx.Done():
		why = stopped{Interrupted, "interrupted"}
	case <-timer.C:
		why = stopped{TimedOut, fmt.Sprintf("the test did not end within %s", s.o.Timeout)}
	}
	_ = s.p.send(map[string]string{"stop": why.reason})
	select {
	case <-over:
	case <-time.After(cmp.Or(s.o.Grace, grace)):
		_ = s.p.cmd.Process.Kill()
	}
	return why
}

// startLimit is how long Python may take until the script runs.
const startLimit = time.Minute

// Interact gives the user a session at the terminal, and returns when it ends.
func Interact(ctx context.Context, o Options) error {
	s := newSession(&o)
	p, err := start(&o, true, nil)
	if err != nil {
		return err
	}
	s.p = p
	ctx, finish := context.WithCancel(ctx)
	defer finish()
	s.openNodes(ctx)
	defer s.closeNodes()
	j := s.job("interactive")
	if j.Script.Text == "" {
		j.Script = nil
	}
	if err := p.send(j); err != nil {
		return fmt.Errorf("tell Python about the session: %w", errors.Join(err, p.end(0)))
	}
	_, _ = s.serve(ctx)
	finish()
	return p.end(grace)
}

func (s *session) job(mode string) job {
	names := make([]string, len(s.o.Nodes))
	for i, n := range s.o.Nodes {
		names[i] = n.Name()
	}
	return job{
		Mode: mode, Script: &s.o.Script, Nodes: names, Flavour: s.o.Flavour, Out: s.o.Results,
		WaitLimit: s.o.WaitLimit.Seconds(), RunFirst: s.o.RunFirst, History: s.o.History,
	}
}

// serve does what the script asks for, until it is done. Calls run beside each
// other, each until it ends or is given up.
func (s *session) serve(ctx context.Context) (*done, error) {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, finish := context.WithCancel(ctx)
	defer finish()
	for {
		r, err := s.p.receive()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case err != nil:
			return nil, err
		case r.Done != nil:
			return r.Done, nil
		case r.Event != nil:
			s.tell(*r.Event)
		case r.Cancel != 0:
			s.mu.Lock()
			if cancel := s.calls[r.Cancel]; cancel != nil {
				cancel()
			}
			s.mu.Unlock()
		default:
			calling, cancel := context.WithCancel(ctx)
			s.mu.Lock()
			s.calls[r.ID] = cancel
			s.mu.Unlock()
			running.Go(func() {
				a := s.answer(calling, r)
				s.mu.Lock()
				delete(s.calls, r.ID)
				s.mu.Unlock()
				cancel()
				_ = s.p.send(a) // a script that ended needs no answer
			})
		}
	}
}

// tell passes an event on, and keeps what is open.
func (s *session) tell(e Event) {
	s.telling.Lock()
	defer s.telling.Unlock()
	switch e.Kind {
	case "ready":
		close(s.ready)
		return
	case "begin":
		s.steps = append(s.steps, e)
	case "end":
		i := slices.IndexFunc(s.steps, func(o Event) bool { return o.ID == e.ID })
		if i >= 0 {
			e.What, e.Text, e.Node, e.Parent = s.steps[i].What, s.steps[i].Text, s.steps[i].Node, s.steps[i].Parent
			s.steps = slices.Delete(s.steps, i, i+1)
		}
	}
	if n := s.nodes[e.Node]; n != nil {
		n.logEvent(e)
	}
	if s.o.Events != nil {
		s.o.Events(e)
	}
}

// open lists the steps that are under way.
func (s *session) open() []string {
	s.telling.Lock()
	defer s.telling.Unlock()
	var list []string
	for _, e := range s.steps {
		text := e.Text
		if e.Node != "" {
			text = e.Node + ": " + text
		}
		list = append(list, text)
	}
	return list
}
