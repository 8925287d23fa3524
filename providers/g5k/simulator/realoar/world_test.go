package realoar_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/realoar"
)

const site = "grenoble"

// world is where scenarios are played: the real OAR, or the simulator.
type world struct {
	name   string
	base   string // of its interface
	client *api.Client
	now    func() time.Time
	pass   func()                   // lets a moment of its time pass
	states func(uid int64) []string // all that a job was in
}

// theReal starts an OAR, or says why there is none.
func theReal(t *testing.T) *world {
	dir := os.Getenv("NXC_OAR")
	if dir == "" {
		t.Skip("no real OAR: make test-oar runs this")
	}
	if os.Getuid() != 0 {
		t.Skip("no real OAR: its namespaces need root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	o, err := realoar.Start(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("OAR was up in %s", time.Since(began).Round(time.Second))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.Log())
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(realoar.NewGateway(o, "user").Handler())
	t.Cleanup(server.Close)
	return &world{
		name: "OAR", base: server.URL + "/stable", client: client(t, server.URL+"/stable"), now: time.Now,
		pass: func() { time.Sleep(300 * time.Millisecond) },
		states: func(uid int64) []string {
			text, err := o.Ask("select job_state from job_state_logs where job_id = " + strconv.FormatInt(uid, 10) + " order by job_state_log_id")
			if err != nil {
				t.Error(err)
			}
			// A reservation is acknowledged before its submission is answered.
			states := slices.DeleteFunc(strings.Split(strings.ToLower(text), "\n"), func(s string) bool { return s == "toackreservation" })
			return slices.Compact(states)
		},
	}
}

// theSimulator starts one whose clock moves only while somebody waits.
func theSimulator(t *testing.T) *world {
	log := &stateLog{states: map[int64][]string{}}
	sim, err := simulator.Start(simulator.Options{Frozen: true, Clusters: map[string]int{"dahu": 3}, Watch: log.watch})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	c := client(t, sim.API())
	look := func() {
		if _, err := c.Jobs(t.Context(), site); err != nil {
			t.Error(err)
		}
		for _, uid := range log.open() {
			if _, err := c.Job(t.Context(), site, uid); err != nil {
				t.Error(err)
			}
		}
	}
	return &world{
		name: "simulator", base: sim.API(), client: c, now: sim.Now,
		pass: func() {
			for range 3 {
				sim.Advance(100 * time.Millisecond)
				look()
			}
		},
		states: func(uid int64) []string { return log.of(uid) },
	}
}

func client(t *testing.T, base string) *api.Client {
	c, err := api.New(api.Options{Base: base, User: "user", Pace: api.Pace{Again: 100 * time.Millisecond, Stale: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stateLog notes the states that the simulator tells of jobs.
type stateLog struct {
	mu     sync.Mutex
	states map[int64][]string
}

func (l *stateLog) watch(e simulator.Exchange) {
	var seen struct {
		UID   int64
		State string
		Items []struct {
			UID   int64
			State string
		}
	}
	if json.Unmarshal(e.Body, &seen) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(seen.UID, seen.State)
	for _, one := range seen.Items {
		l.note(one.UID, one.State)
	}
}

func (l *stateLog) note(uid int64, state string) {
	if all := l.states[uid]; state != "" && (len(all) == 0 || all[len(all)-1] != state) {
		l.states[uid] = append(all, state)
	}
}

func (l *stateLog) of(uid int64) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.states[uid])
}

// open are the jobs that have not ended.
func (l *stateLog) open() []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []int64
	for uid, all := range l.states {
		if last := all[len(all)-1]; last != "terminated" && last != "error" {
			list = append(list, uid)
		}
	}
	slices.Sort(list)
	return list
}

// player plays one scenario in a world, and keeps what it saw.
type player struct {
	*world
	t     *testing.T
	trace []string
	jobs  []int64
}

func (p *player) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

// submit asks for a job; nil when it was refused.
func (p *player) submit(s api.Submission) *api.Job {
	if s.Command == "" && s.Reservation == "" {
		s.Command = "sleep 600"
	}
	if s.Name == "" {
		s.Name = fmt.Sprintf("nxc-%s-%d", strings.ReplaceAll(p.t.Name(), "/", "-"), len(p.jobs))
	}
	j, err := p.client.Submit(p.t.Context(), site, s)
	if err != nil {
		p.refused("submission", err)
		return nil
	}
	p.jobs = append(p.jobs, j.UID)
	return j
}

// refused notes a failure as the client tells it.
func (p *player) refused(what string, err error) {
	message, final := api.Refusal(err)
	var f *api.Failure
	if !asFailure(err, &f) || !final {
		p.t.Errorf("%s: %s is no refusal: %v", p.name, what, err)
		return
	}
	p.note("%s: %d %s", what, f.Status, normal(message))
}

func (p *player) job(uid int64) *api.Job {
	j, err := p.client.Job(p.t.Context(), site, uid)
	if err != nil {
		p.t.Fatal(err)
	}
	return j
}

// until waits for a job to be as wanted.
func (p *player) until(uid int64, what string, most time.Duration, is func(*api.Job) bool) *api.Job {
	for end := p.now().Add(most); ; p.pass() {
		j := p.job(uid)
		if is(j) {
			return j
		}
		if p.now().After(end) {
			p.t.Fatalf("%s: job %d is not %s after %s: %+v, it was %v", p.name, uid, what, most, j, p.states(uid))
		}
	}
}

func (p *player) running(uid int64) *api.Job {
	return p.until(uid, "running", 5*time.Minute, (*api.Job).Running)
}

func (p *player) over(uid int64) *api.Job {
	return p.until(uid, "over", 5*time.Minute, (*api.Job).Over)
}

func (p *player) remove(uid int64) {
	if err := p.client.DeleteJob(p.t.Context(), site, uid); err != nil {
		p.refused("deletion", err)
	}
}

// clock is how OAR writes a number of seconds.
func clock(seconds int) string {
	return fmt.Sprintf("W=%d:%d:%d", seconds/3600, seconds/60%60, seconds%60)
}

// leave deletes what a scenario that did not come to its end left.
func (p *player) leave() {
	for _, uid := range p.jobs {
		if j, err := p.client.Job(context.Background(), site, uid); err == nil && !j.Ended() {
			_ = p.client.DeleteJob(context.Background(), site, uid) // the next scenario says when it cannot run
		}
	}
}

// sum notes what became of all jobs, after deleting those that still exist.
func (p *player) sum() {
	for _, uid := range p.jobs {
		if !p.job(uid).Ended() {
			p.remove(uid)
		}
		j := p.over(uid)
		var events []string
		for _, e := range j.Events {
			var before, after int
			if n, _ := fmt.Sscanf(e.Description, "Change walltime from %d to %d", &before, &after); n == 2 {
				// A reservation that begins late, at OAR's next pass, ends as it would have.
				j.Walltime += int64(before - after)
				j.Message = strings.Replace(j.Message, clock(after), clock(before), 1)
				continue
			}
			events = append(events, e.Type+" "+normal(e.Description))
		}
		p.note("states: %s", strings.Join(p.states(uid), " "))
		for _, e := range events {
			p.note("event: %s", e)
		}
		p.note("%s; started %t, stopped %t; %s", j.State, j.StartedAt > 0, j.StoppedAt > 0, told(j))
		nodes := len(j.AssignedNodes)
		if j.StartedAt == 0 { // those that were meant for it are forgotten a little later
			nodes = 0
		}
		p.note("types %v, queue %s, project %s, nodes %d, reserved %d s", j.Types, j.Queue, j.Project, nodes, j.Walltime)
	}
}
