package oar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/clock"
)

// start is noon of a summer's day in Paris.
var start = time.Date(2025, 7, 1, 10, 0, 0, 0, time.UTC)

// world is a server with four nodes of four cores, in two clusters, and a
// vlan, on a clock that stands.
func world(t *testing.T) (*Server, *clock.Clock) {
	t.Helper()
	c := clock.New(start, 0)
	t.Cleanup(c.Close)
	var resources []*Resource
	for i := 1; i <= 4; i++ {
		cluster := "a"
		if i > 2 {
			cluster = "b"
		}
		name := fmt.Sprintf("%s-%d", cluster, i)
		resources = append(resources, &Resource{Kind: "default", Name: name, Slots: 4, CPUs: 2, State: Alive, Properties: map[string]string{
			"cluster": cluster, "host": name, "deploy": "YES", "maintenance": "NO", "exotic": "NO", "production": "NO", "memnode": "8192",
		}})
	}
	resources = append(resources, &Resource{Kind: "kavlan", Name: "4", Slots: 1, State: Alive, Properties: map[string]string{"type": "kavlan", "vlan": "4"}})
	return New(Config{Site: "here", Clock: c, Resources: resources, FirstID: 100}), c
}

func submit(t *testing.T, s *Server, sub Submission) int {
	t.Helper()
	if sub.User == "" {
		sub.User = "me"
	}
	if sub.Command == "" && sub.Reservation == "" {
		sub.Command = "sleep 1d"
	}
	j, err := s.Submit(sub)
	if err != nil {
		t.Fatalf("submit %+v: %v", sub, err)
	}
	return j.ID
}

func job(t *testing.T, s *Server, id int) Job {
	t.Helper()
	j, ok := s.Job(id)
	if !ok {
		t.Fatalf("there is no job %d", id)
	}
	return j
}

func TestLife(t *testing.T) {
	s, c := world(t)
	id := submit(t, s, Submission{Resources: "nodes=2,walltime=0:10", Types: []string{"deploy"}, Name: "mine"})
	var trace []string
	for range 640 {
		if state := string(job(t, s, id).State); len(trace) == 0 || trace[len(trace)-1] != state {
			trace = append(trace, state)
		}
		c.Advance(time.Second)
	}
	if want := []string{"Waiting", "toLaunch", "Launching", "Running", "Finishing", "Error"}; !slices.Equal(trace, want) {
		t.Errorf("states %v, want %v", trace, want)
	}
	j := job(t, s, id)
	if got := j.Started.Sub(start); got != time.Second {
		t.Errorf("started after %v", got)
	}
	if got := j.Stopped.Sub(j.Started); got != 10*time.Minute+overtime {
		t.Errorf("it had %v", got)
	}
	var events []string
	for _, e := range j.Events {
		events = append(events, e.Type)
	}
	if want := []string{"FRAG_JOB_REQUEST", "WALLTIME", "SEND_KILL_JOB", "SWITCH_INTO_ERROR_STATE"}; !slices.Equal(events, want) {
		t.Errorf("events %v, want %v", events, want)
	}
	if want := []string{"a-1", "a-2"}; !slices.Equal(j.Nodes, want) {
		t.Errorf("nodes %v, want %v", j.Nodes, want)
	}
}

// TestPrediction wants jobs to start when that was predicted, or a little
// earlier: as soon as those before them have ended.
func TestPrediction(t *testing.T) {
	s, c := world(t)
	submit(t, s, Submission{Resources: "nodes=3,walltime=1"})
	second := submit(t, s, Submission{Resources: "nodes=2,walltime=1"})
	third := submit(t, s, Submission{Resources: "nodes=4,walltime=1"})
	filler := submit(t, s, Submission{Resources: "nodes=1,walltime=0:30"})
	late := submit(t, s, Submission{Resources: "nodes=1,walltime=2"})
	c.Advance(5 * time.Second)
	if j := job(t, s, filler); j.State != Running {
		t.Errorf("a job that delays no other is %s", j.State)
	}
	predicted := map[int]time.Time{}
	for _, id := range []int{second, third, late} {
		j := job(t, s, id)
		if j.State != Waiting || j.Scheduled.IsZero() {
			t.Fatalf("job %d is %s, scheduled %v", id, j.State, j.Scheduled)
		}
		predicted[id] = j.Scheduled
	}
	c.Advance(12 * time.Hour)
	for _, id := range []int{second, third, late} {
		if early := predicted[id].Sub(job(t, s, id).Started); early < 0 || early > 3*security {
			t.Errorf("job %d started %v before the predicted %v", id, early, predicted[id])
		}
	}
}

func TestRequests(t *testing.T) {
	tests := map[string]struct {
		sub   Submission
		nodes []string
		cores int
		vlans []string
		fails string
	}{
		"default":             {sub: Submission{}, nodes: []string{"a-1"}, cores: 4},
		"nodes":               {sub: Submission{Resources: "nodes=2"}, nodes: []string{"a-1", "a-2"}, cores: 8},
		"cluster":             {sub: Submission{Resources: "{cluster='b'}/nodes=1"}, nodes: []string{"b-3"}, cores: 4},
		"properties":          {sub: Submission{Resources: "host=1", Properties: "cluster='b'"}, nodes: []string{"b-3"}, cores: 4},
		"one cluster":         {sub: Submission{Resources: "/cluster=1/nodes=2"}, nodes: []string{"a-1", "a-2"}, cores: 8},
		"cores":               {sub: Submission{Resources: "core=3"}, nodes: []string{"a-1"}, cores: 3},
		"cores of each":       {sub: Submission{Resources: "/nodes=2/core=1"}, nodes: []string{"a-1", "a-2"}, cores: 2},
		"a cpu":               {sub: Submission{Resources: "cpu=1"}, nodes: []string{"a-1"}, cores: 2},
		"all":                 {sub: Submission{Resources: "nodes=ALL"}, nodes: []string{"a-1", "a-2", "b-3", "b-4"}, cores: 16},
		"best":                {sub: Submission{Resources: "{cluster='b'}/nodes=BEST"}, nodes: []string{"b-3", "b-4"}, cores: 8},
		"vlan and nodes":      {sub: Submission{Resources: "{type='kavlan'}/vlan=1+nodes=1,walltime=2"}, nodes: []string{"a-1"}, cores: 4, vlans: []string{"4"}},
		"two groups":          {sub: Submission{Resources: "{cluster='a'}/nodes=1+{cluster='b'}/nodes=1"}, nodes: []string{"a-1", "b-3"}, cores: 8},
		"list of hosts":       {sub: Submission{Resources: "{host in ('a-2','b-4')}/nodes=2"}, nodes: []string{"a-2", "b-4"}, cores: 8},
		"numbers are numbers": {sub: Submission{Resources: "{memnode > 900}/nodes=1"}, nodes: []string{"a-1"}, cores: 4},
		"like":                {sub: Submission{Resources: "{host LIKE '%-4'}/nodes=1"}, nodes: []string{"b-4"}, cores: 4},
		"not":                 {sub: Submission{Resources: "{not cluster='a' and not (host='b-3' or 1st)}/nodes=1"}, fails: "400 syntax error"},
		"too many":            {sub: Submission{Resources: "nodes=5"}, fails: "400 There are not enough resources for your request"},
		"none match":          {sub: Submission{Properties: "cluster='c'"}, fails: "400 There are not enough resources"},
		"no such column":      {sub: Submission{Properties: "colour='red'"}, fails: `400 column \"colour\" does not exist`},
		"bad request":         {sub: Submission{Resources: "nodes"}, fails: `500 Cannot recognize the resource description : nodes`},
		"bad walltime":        {sub: Submission{Resources: "nodes=1,walltime=soon"}, fails: "500 Cannot recognize -- ,walltime=soon -- resource"},
		"long walltime":       {sub: Submission{Resources: "nodes=1,walltime=200"}, fails: "500 [ADMISSION RULE] Error: walltime 200:0:0"},
		"unknown type":        {sub: Submission{Types: []string{"warp"}}, fails: "500 [ADMISSION RULE] Error: unknown job type: warp"},
		"unknown queue":       {sub: Submission{Queue: "fast"}, fails: "500 ERROR : The queue fast does not exist"},
		"in the past":         {sub: Submission{Reservation: "2025-07-01 11:00:00"}, fails: "400 Reservation not valid --> KO (Reservation too old)"},
		"no date":             {sub: Submission{Reservation: "tomorrow"}, fails: "400 The reservation date synstax is"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := world(t)
			tt.sub.User = "me"
			if tt.sub.Reservation == "" {
				tt.sub.Command = "sleep 1d"
			}
			j, err := s.Submit(tt.sub)
			if tt.fails != "" {
				var r Refusal
				if !errors.As(err, &r) || !strings.Contains(fmt.Sprint(r.Code)+" "+r.Error(), tt.fails[:3]) || !strings.Contains(r.Error(), tt.fails[4:]) {
					t.Fatalf("got %v, want %s", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Advance(5 * time.Second)
			j = job(t, s, j.ID)
			if !slices.Equal(j.Nodes, tt.nodes) || len(j.Cores) != tt.cores || !slices.Equal(j.Vlans, tt.vlans) {
				t.Errorf("got nodes %v, %d cores, vlans %v; want %v, %d, %v", j.Nodes, len(j.Cores), j.Vlans, tt.nodes, tt.cores, tt.vlans)
			}
		})
	}
}

func TestReservation(t *testing.T) {
	s, c := world(t)
	first := submit(t, s, Submission{Resources: "nodes=3,walltime=1", Reservation: "2025-07-01 13:00:00"})
	_, err := s.Submit(Submission{User: "me", Resources: "nodes=2,walltime=1", Reservation: "2025-07-01 13:30:00"})
	if want := "(This reservation could run at 2025-07-01 14:01:00)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	batch := submit(t, s, Submission{Resources: "nodes=2,walltime=2"})
	c.Advance(5 * time.Second)
	if j := job(t, s, batch); j.State != Waiting || !j.Scheduled.Equal(start.Add(2*time.Hour+security)) {
		t.Errorf("a job that does not fit before the reservation is %s, scheduled %v", j.State, j.Scheduled)
	}
	c.Advance(time.Hour)
	if j := job(t, s, first); j.State != Running || !j.Started.Equal(start.Add(time.Hour)) {
		t.Errorf("the reservation is %s, started %v", j.State, j.Started)
	}
	ends := submit(t, s, Submission{Resources: "nodes=1", Reservation: "2025-07-02 10:00:00, 2025-07-02 10:30:00"})
	if j := job(t, s, ends); j.Walltime != 30*time.Minute {
		t.Errorf("a reservation with an end has the walltime %v", j.Walltime)
	}
}

func TestDelete(t *testing.T) {
	s, c := world(t)
	running := submit(t, s, Submission{Resources: "nodes=4"})
	waiting := submit(t, s, Submission{Resources: "nodes=1"})
	c.Advance(5 * time.Second)
	if err := s.Delete(running, "other"); err == nil || !strings.Contains(err.Error(), "does not belong to you") {
		t.Errorf("another user's deletion: %v", err)
	}
	for _, id := range []int{running, waiting} {
		if err := s.Delete(id, "me"); err != nil {
			t.Fatal(err)
		}
		err := s.Delete(id, "me")
		if want := fmt.Sprintf("Cannot frag %d ; This job was already killed.", id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("deleted twice: %v", err)
		}
	}
	if j := job(t, s, running); j.State != Running {
		t.Errorf("at once it is %s", j.State)
	}
	c.Advance(5 * time.Second)
	for _, id := range []int{running, waiting} {
		if j := job(t, s, id); j.State != Error || j.Events[0].Type != "FRAG_JOB_REQUEST" {
			t.Errorf("job %d is %s with events %v", id, j.State, j.Events)
		}
	}
}

func TestCommandsEnd(t *testing.T) {
	s, c := world(t)
	short := submit(t, s, Submission{Command: "sleep 60"})
	bad := submit(t, s, Submission{Command: "false"})
	c.Advance(70 * time.Second)
	if j := job(t, s, short); j.State != Terminated || *j.ExitCode != 0 {
		t.Errorf("sleep 60 is %s", j.State)
	}
	if j := job(t, s, bad); j.State != Terminated || *j.ExitCode != 256 {
		t.Errorf("false is %s", j.State)
	}
}

func TestWalltimeChanges(t *testing.T) {
	s, c := world(t)
	id := submit(t, s, Submission{Resources: "nodes=4,walltime=1"})
	if _, err := s.ChangeWalltime(id, "me", "+0:30", false); err == nil {
		t.Error("a job that waits got another walltime")
	}
	c.Advance(5 * time.Second)
	if _, err := s.ChangeWalltime(id, "me", "+0:30", false); err != nil {
		t.Fatal(err)
	}
	c.Advance(2 * time.Second)
	if j := job(t, s, id); j.Walltime != 90*time.Minute {
		t.Errorf("an hour and a half is %v", j.Walltime)
	}
	submit(t, s, Submission{Resources: "nodes=1"}) // what comes next holds it
	c.Advance(2 * time.Second)
	if _, err := s.ChangeWalltime(id, "me", "+1", false); err != nil {
		t.Fatal(err)
	}
	c.Advance(2 * time.Second)
	if w, _ := s.Walltime(id); w.Walltime != 90*time.Minute || w.Pending != time.Hour || w.Granted != 30*time.Minute {
		t.Errorf("with a job behind it: %+v", w)
	}
	c.Advance(90*time.Minute + finishDelay)
	if j := job(t, s, id); j.State != Error {
		t.Errorf("at its end it is %s", j.State)
	}
}

// TestAsOAR wants of the simulator what the real OAR was seen to do, in the
// scenarios that make test-oar plays on both.
func TestAsOAR(t *testing.T) {
	s, c := world(t)
	kinds := func(id int) (list []string) {
		for _, e := range job(t, s, id).Events {
			list = append(list, e.Type)
		}
		return list
	}

	done := submit(t, s, Submission{Command: "true"})
	if j := job(t, s, done); !strings.HasPrefix(j.Command, "./oarapi.subscript.") || j.Message != "R=4,W=1:0:0,J=B" {
		t.Errorf("a job is told with the command %q and the message %q", j.Command, j.Message)
	}
	c.Advance(10 * time.Second)
	if got := kinds(done); !slices.Equal(got, []string{"SWITCH_INTO_TERMINATE_STATE"}) {
		t.Errorf("a job that ended has the events %v", got)
	}
	if err := s.Delete(done, "me"); err != nil || job(t, s, done).State != Terminated {
		t.Errorf("deleted after its end: %v", err)
	}
	if err := s.Delete(done, "me"); err == nil {
		t.Error("a job that has ended was deleted twice")
	}

	busy := submit(t, s, Submission{Resources: "nodes=4"})
	c.Advance(5 * time.Second)
	waits := submit(t, s, Submission{})
	c.Advance(2 * time.Second)
	if early := job(t, s, waits).Scheduled.Sub(job(t, s, busy).Started); early != time.Hour+security {
		t.Errorf("the next job is predicted %v after the start of one of an hour", early)
	}
	if err := s.Delete(waits, "me"); err != nil {
		t.Fatal(err)
	}
	c.Advance(5 * time.Second)
	if j := job(t, s, waits); j.State != Error || j.Message != "Job killed by Leon directly" || !j.Stopped.IsZero() || !slices.Equal(kinds(waits), []string{"FRAG_JOB_REQUEST"}) {
		t.Errorf("deleted while it waited: %+v", j)
	}

	before := len(s.Jobs())
	if _, err := s.Submit(Submission{User: "me", Name: "late", Reservation: "2025-07-01 11:00:00"}); err == nil {
		t.Error("a reservation in the past was taken")
	}
	c.Advance(2 * time.Second)
	late := s.Jobs()[0]
	if len(s.Jobs()) != before+1 || late.Name != "late" || late.State != Error || late.Message != "Reservation too old" || len(late.Events) != 0 {
		t.Errorf("a reservation that was refused leaves %+v", late)
	}

	for text, want := range map[string]string{"1:0": "Walltime change is null", "long": "Syntax error", "+1.5": "Syntax error"} {
		if _, err := s.ChangeWalltime(busy, "me", text, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a walltime of %s: %v, want %s", text, err, want)
		}
	}
	if said, err := s.ChangeWalltime(busy, "me", "+0:30", false); err != nil || !strings.HasPrefix(said, "Walltime change request accepted") {
		t.Errorf("more walltime: %q, %v", said, err)
	}
	c.Advance(2 * time.Second)
	if j := job(t, s, busy); len(j.Events) != 1 || j.Events[0].Description != " walltime changed: 1:30:0 (granted: +0:30:0/pending: 0:0:0)" {
		t.Errorf("a longer walltime leaves the events %v", j.Events)
	}
}

func TestBesteffortGivesWay(t *testing.T) {
	s, c := world(t)
	soft := submit(t, s, Submission{Resources: "nodes=4", Types: []string{"besteffort"}})
	c.Advance(5 * time.Second)
	hard := submit(t, s, Submission{Resources: "nodes=1"})
	c.Advance(5 * time.Second)
	if a, b := job(t, s, soft), job(t, s, hard); a.State != Error || a.Events[0].Type != "BESTEFFORT_KILL" || b.State != Running {
		t.Errorf("besteffort is %s, the other %s", a.State, b.State)
	}
}

func TestNodesThatAreNotAlive(t *testing.T) {
	s, c := world(t)
	for _, n := range []string{"a-1", "a-2"} {
		s.SetNodeState(n, Suspected)
	}
	small := submit(t, s, Submission{Resources: "nodes=2"})
	big := submit(t, s, Submission{Resources: "nodes=3"})
	c.Advance(5 * time.Second)
	if j := job(t, s, small); !slices.Equal(j.Nodes, []string{"b-3", "b-4"}) {
		t.Errorf("nodes %v", j.Nodes)
	}
	if j := job(t, s, big); j.State != Waiting || !j.Scheduled.IsZero() {
		t.Errorf("a job that needs suspected nodes is %s, scheduled %v", j.State, j.Scheduled)
	}
	s.SetNodeState("a-1", Alive)
	c.Advance(2 * time.Second)
	if j := job(t, s, big); j.Scheduled.IsZero() {
		t.Error("with one node back the job is not scheduled")
	}
	s.SetNodeState("a-2", Dead)
	if _, err := s.Submit(Submission{User: "me", Command: "x", Resources: "nodes=4"}); err == nil {
		t.Error("dead nodes count as existing")
	}
}

func TestFaults(t *testing.T) {
	s, c := world(t)
	s.Refuse(Refusal{Code: 500, Message: "out of order"})
	if _, err := s.Submit(Submission{User: "me", Command: "x"}); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("got %v", err)
	}
	s.Stall(true)
	id := submit(t, s, Submission{})
	c.Advance(time.Hour)
	if j := job(t, s, id); j.State != Waiting || !j.Scheduled.IsZero() {
		t.Errorf("stalled, it is %s, scheduled %v", j.State, j.Scheduled)
	}
	s.Stall(false)
	c.Advance(5 * time.Second)
	if j := job(t, s, id); j.State != Running {
		t.Errorf("after that it is %s", j.State)
	}
	if err := s.Kill(id); err != nil {
		t.Fatal(err)
	}
	c.Advance(5 * time.Second)
	if j := job(t, s, id); j.State != Error || !strings.Contains(j.Events[0].Description, "root") {
		t.Errorf("killed, it is %s with %v", j.State, j.Events)
	}
}

func TestQuota(t *testing.T) {
	s, _ := world(t)
	for range 50 {
		submit(t, s, Submission{Resources: "core=1"})
	}
	if _, err := s.Submit(Submission{User: "me", Command: "x"}); err == nil || !strings.Contains(err.Error(), "quota") {
		t.Errorf("got %v", err)
	}
}
