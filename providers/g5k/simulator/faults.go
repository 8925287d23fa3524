package simulator

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// Fault is something that goes wrong with answers of the API. What it says of
// a request has to fit; what it does not say fits any.
type Fault struct {
	Site   string        `json:"site,omitempty"`
	Method string        `json:"method,omitempty"`
	Path   string        `json:"path,omitempty"` // is within the path
	Times  int           `json:"times,omitempty"`
	For    time.Duration `json:"for,omitempty"` // on the clock, from now; with neither, until it is cleared

	Status     int    `json:"status,omitempty"` // answered instead of doing anything
	Body       string `json:"body,omitempty"`
	Type       string `json:"type,omitempty"`        // of the body; HTML as of the proxy by default
	RetryAfter int    `json:"retry_after,omitempty"` // seconds, with Status
	Cut        bool   `json:"cut,omitempty"`         // the request is done, and the connection cut instead of an answer
	Truncate   bool   `json:"truncate,omitempty"`    // half of the answer arrives
	Stale      bool   `json:"stale,omitempty"`       // each GET is answered for 60 s with the answer that it first had
}

// faults are those that were made and still count.
type faults struct {
	mu         sync.Mutex
	active     []*activeFault
	deployment map[string][]outcome // of nodes, next first
	silent     map[string]bool      // nodes whose ssh never answers
	outage     bool
}

type activeFault struct {
	Fault
	until time.Time
	kept  map[string]keptAnswer
}

type keptAnswer struct {
	answer *answer
	until  time.Time
}

func newFaults() *faults {
	return &faults{deployment: map[string][]outcome{}, silent: map[string]bool{}}
}

// Inject makes a fault.
func (s *Simulator) Inject(f Fault) {
	a := &activeFault{Fault: f, kept: map[string]keptAnswer{}}
	if f.For > 0 {
		a.until = s.clock.Now().Add(f.For)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = append(s.faults.active, a)
}

// ClearFaults takes back all faults of answers.
func (s *Simulator) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = nil
}

// Outage takes the network away: the API and the access machine neither answer
// nor keep a connection. Outage(false) gives it back.
func (s *Simulator) Outage(out bool) {
	s.faults.mu.Lock()
	s.faults.outage = out
	s.faults.mu.Unlock()
	if out && s.access != nil {
		s.access.cut()
	}
}

func (f *faults) out() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.outage
}

// SetSiteDown takes a whole site away: its API answers 503, its frontend,
// public folder and nodes not at all.
func (s *Simulator) SetSiteDown(name string, down bool) error {
	t, err := s.site(name)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.down = down
	t.mu.Unlock()
	return nil
}

// RefuseJobs makes the next submission at a site fail with a status and OAR's
// words. A 400 is what oarsub refuses, a 500 is a rule that dies.
func (s *Simulator) RefuseJobs(site string, status int, message string) error {
	t, err := s.site(site)
	if err != nil {
		return err
	}
	title := "Bad query"
	if status >= 500 {
		title = "Oar server error"
	}
	t.oar.Refuse(oar.Refusal{Code: status, Title: title, Message: message})
	return nil
}

// StallJobs stops a site's scheduler: no job starts, and none knows when.
func (s *Simulator) StallJobs(site string, stalled bool) error {
	t, err := s.site(site)
	if err == nil {
		t.oar.Stall(stalled)
	}
	return err
}

// KillJob ends a job as an administrator does.
func (s *Simulator) KillJob(site string, id int) error {
	t, err := s.site(site)
	if err != nil {
		return err
	}
	return t.oar.Kill(id)
}

// SubmitJob submits a job past the API, so that it can be another user's.
func (s *Simulator) SubmitJob(site string, sub oar.Submission) (oar.Job, error) {
	t, err := s.site(site)
	if err != nil {
		return oar.Job{}, err
	}
	return t.oar.Submit(sub)
}

// Jobs returns the jobs of a site, the newest first.
func (s *Simulator) Jobs(site string) []oar.Job {
	t := s.sites[site]
	if t == nil {
		return nil
	}
	s.clock.Settle()
	return t.oar.Jobs()
}

// SetNode changes what OAR believes of a node, given by its full name. One
// that is absent or dead does not answer either.
func (s *Simulator) SetNode(node string, state oar.NodeState) error {
	t := s.siteOf(node)
	if t == nil || !t.oar.SetNodeState(node, state) {
		return fmt.Errorf("there is no node %s", node)
	}
	if state == oar.Absent || state == oar.Dead {
		s.host(node).off()
	} else {
		s.host(node).on()
	}
	return nil
}

// SetMaintenance puts a node under maintenance, or ends that: no job gets it.
func (s *Simulator) SetMaintenance(node string, on bool) error {
	value := "NO"
	if on {
		value = "YES"
	}
	t := s.siteOf(node)
	if t == nil || !t.oar.SetProperty(node, "maintenance", value) {
		return fmt.Errorf("there is no node %s", node)
	}
	return nil
}

// FailDeployment makes the next deployment of a node end in KO.
func (s *Simulator) FailDeployment(node string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.deployment[node] = append(s.faults.deployment[node], outcome{State: "KO", Macro: macroInstall, Micro: "send_environment"})
}

// LoseDeployment makes the next deployment of a node end in OK, and the node be
// dead all the same.
func (s *Simulator) LoseDeployment(node string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.deployment[node] = append(s.faults.deployment[node], outcome{State: "OK"})
}

func (f *faults) takeDeployment(node string) (outcome, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.deployment[node]
	if len(list) == 0 {
		return outcome{}, false
	}
	f.deployment[node] = list[1:]
	return list[0], true
}

// Silence makes a node's ssh take connections and never answer.
func (s *Simulator) Silence(node string, silent bool) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.silent[node] = silent
}

func (f *faults) isSilent(node string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silent[node]
}

// match finds the fault of a request, and counts it.
func (f *faults) match(r *http.Request, now time.Time) *activeFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, a := range f.active {
		if !a.until.IsZero() && now.After(a.until) || !a.fits(r) {
			continue
		}
		if a.Times > 0 {
			if a.Times--; a.Times == 0 {
				f.active = append(f.active[:i:i], f.active[i+1:]...)
			}
		}
		return a
	}
	return nil
}

func (a *activeFault) fits(r *http.Request) bool {
	return (a.Method == "" || a.Method == r.Method) && strings.Contains(r.URL.Path, a.Path) &&
		(a.Site == "" || strings.Contains(r.URL.Path+"/", "/sites/"+a.Site+"/")) && (!a.Stale || r.Method == http.MethodGet)
}

// answer is an answer that is not sent yet.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{status: http.StatusOK, header: http.Header{}} }

// Header, Write and WriteHeader make it a ResponseWriter.
func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
func (a *answer) WriteHeader(status int)      { a.status = status }

func (a *answer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// faulty lets requests of the API meet their faults, and keeps a record.
func (s *Simulator) faulty(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.faults.out() {
			panic(http.ErrAbortHandler)
		}
		s.clock.Settle()
		a := newAnswer()
		f := s.faults.match(r, s.clock.Now())
		switch {
		case s.downFor(r):
			answerHTML(a, http.StatusServiceUnavailable, "Service Unavailable", "The server is temporarily unable to service your request due to maintenance downtime or capacity problems. Please try again later.")
		case f != nil && f.Status != 0:
			f.refuse(a)
		case f != nil && f.Stale:
			a = s.stale(f, api, r)
		default:
			api.ServeHTTP(a, r)
		}
		s.record.add(Request{At: s.clock.Now(), Method: r.Method, Path: r.URL.RequestURI(), Status: a.status})
		if s.options.Watch != nil {
			s.options.Watch(Exchange{r.Method, r.URL.Path, a.status, a.header, a.body.Bytes()})
		}
		switch {
		case f != nil && f.Cut:
			panic(http.ErrAbortHandler)
		case f != nil && f.Truncate:
			w.Header().Set("Content-Type", a.header.Get("Content-Type"))
			w.WriteHeader(a.status)
			_, _ = w.Write(a.body.Bytes()[:a.body.Len()/2])
		default:
			a.send(w)
		}
	})
}

func (s *Simulator) downFor(r *http.Request) bool {
	_, rest, ok := strings.Cut(r.URL.Path, "/sites/")
	name, _, _ := strings.Cut(rest, "/")
	t := s.sites[name]
	return ok && t != nil && t.isDown()
}

func (a *activeFault) refuse(w *answer) {
	if a.RetryAfter > 0 {
		w.header.Set("Retry-After", fmt.Sprint(a.RetryAfter))
	}
	if a.Body == "" && a.Type == "" {
		answerHTML(w, a.Status, http.StatusText(a.Status), "The proxy server could not handle the request.")
		return
	}
	kind := a.Type
	if kind == "" {
		kind = "text/plain; charset=utf-8"
	}
	w.header.Set("Content-Type", kind)
	w.WriteHeader(a.Status)
	_, _ = w.Write([]byte(a.Body))
}

// stale answers as a cache does that keeps answers for 60 s.
func (s *Simulator) stale(f *activeFault, api http.Handler, r *http.Request) *answer {
	key := r.URL.RequestURI()
	s.faults.mu.Lock()
	kept, ok := f.kept[key]
	s.faults.mu.Unlock()
	if ok && s.clock.Now().Before(kept.until) {
		return kept.answer
	}
	a := newAnswer()
	api.ServeHTTP(a, r)
	s.faults.mu.Lock()
	f.kept[key] = keptAnswer{a, s.clock.Now().Add(time.Minute)}
	s.faults.mu.Unlock()
	return a
}
