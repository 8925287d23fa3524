package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

func TestRefusedAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  Fault
		method string
		status int
		body   string
		kind   string
	}{
		"401":            {Fault{Status: 401}, "GET", 401, "<title>401 Unauthorized</title>", "text/html"},
		"403":            {Fault{Status: 403, Body: "You are not authorized"}, "GET", 403, "You are not authorized", "text/plain"},
		"429":            {Fault{Status: 429, RetryAfter: 30}, "GET", 429, "Too Many Requests", "text/html"},
		"502":            {Fault{Status: 502}, "GET", 502, "<h1>Bad Gateway</h1>", "text/html"},
		"another method": {Fault{Status: 502, Method: "POST"}, "GET", 200, "items", ""},
		"another site":   {Fault{Status: 502, Site: "lyon"}, "GET", 200, "items", ""},
		"another path":   {Fault{Status: 502, Path: "/deployments"}, "GET", 200, "items", ""},
		"this site":      {Fault{Status: 502, Site: "grenoble", Path: "/jobs"}, "GET", 502, "", "text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := startPlatform(t, Options{})
			s.Inject(tt.fault)
			resp, err := http.Get(s.API() + "/sites/grenoble/jobs")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.body) || !strings.Contains(resp.Header.Get("Content-Type"), tt.kind) {
				t.Errorf("got %s %s %s", resp.Status, resp.Header, body)
			}
			if tt.fault.RetryAfter > 0 && resp.Header.Get("Retry-After") != "30" {
				t.Error("it does not say when to come back")
			}
		})
	}
}

func TestFaultsEnd(t *testing.T) {
	s, _ := startPlatform(t, Options{})
	a := asker{t: t, base: s.API()}
	s.Inject(Fault{Status: 502, Times: 2})
	s.Inject(Fault{Status: 503, For: time.Minute})
	var got []int
	for range 3 {
		status, _ := a.do("GET", "/sites", "")
		got = append(got, status)
	}
	s.Advance(2 * time.Minute)
	status, _ := a.do("GET", "/sites", "")
	if want := []int{502, 502, 503}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || status != 200 {
		t.Errorf("got %v, then %d", got, status)
	}
	s.Inject(Fault{Status: 500})
	s.ClearFaults()
	if status, _ := a.do("GET", "/sites", ""); status != 200 {
		t.Errorf("after clearing: %d", status)
	}
}

// TestCutAfterTheJob is the trap that makes blind retries dangerous.
func TestCutAfterTheJob(t *testing.T) {
	s, _ := startPlatform(t, Options{})
	s.Inject(Fault{Method: "POST", Path: "/jobs", Cut: true, Times: 1})
	req, _ := http.NewRequest(http.MethodPost, s.API()+"/sites/grenoble/jobs", strings.NewReader(`{"command":"sleep 1d","name":"mine"}`))
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Fatalf("the connection was not cut: %s", resp.Status)
	}
	if jobs := s.Jobs("grenoble"); len(jobs) != 1 || jobs[0].Name != "mine" {
		t.Errorf("jobs %v", jobs)
	}
}

func TestTruncated(t *testing.T) {
	s, _ := startPlatform(t, Options{})
	s.Inject(Fault{Truncate: true, Times: 1})
	resp, err := http.Get(s.API() + "/sites")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK || len(body) == 0 || json.Valid(body) {
		t.Errorf("%s, %d bytes, valid: %v", resp.Status, len(body), json.Valid(body))
	}
}

func TestStale(t *testing.T) {
	s, _ := startPlatform(t, Options{})
	a := asker{t: t, base: s.API()}
	s.Inject(Fault{Stale: true})
	total := func() any { return a.get("/sites/grenoble/jobs")["total"] }
	before := total()
	if status, text := a.do("POST", "/sites/grenoble/jobs", `{"command":"sleep 1d"}`); status != 201 {
		t.Fatal(text)
	}
	at := total()
	s.Advance(59 * time.Second)
	still := total()
	s.Advance(2 * time.Second)
	if later := total(); before != 0.0 || at != 0.0 || still != 0.0 || later != 1.0 {
		t.Errorf("got %v, %v, %v, %v", before, at, still, later)
	}
}

func TestSiteDown(t *testing.T) {
	s, l := startPlatform(t, Options{})
	if err := s.SetSiteDown("grenoble", true); err != nil {
		t.Fatal(err)
	}
	a := asker{t: t, base: s.API()}
	if status, _ := a.do("GET", "/sites/grenoble/jobs", ""); status != 503 {
		t.Errorf("its API answers %d", status)
	}
	if status, _ := a.do("GET", "/sites/lyon/jobs", ""); status != 200 {
		t.Errorf("another's API answers %d", status)
	}
	if _, err := l.dial("alice", "grenoble"); err == nil {
		t.Error("its frontend answers")
	}
	if _, err := l.dial("alice", "lyon"); err != nil {
		t.Errorf("another's frontend: %v", err)
	}
	if err := s.SetSiteDown("atlantis", true); err == nil {
		t.Error("there is no such site")
	}
}

func TestOutage(t *testing.T) {
	s, l := startPlatform(t, Options{})
	c, err := l.dial("alice", "grenoble")
	if err != nil {
		t.Fatal(err)
	}
	s.Outage(true)
	if err := c.Wait(); err == nil {
		t.Error("a connection survived")
	}
	if resp, err := http.Get(s.API() + "/sites"); err == nil {
		_ = resp.Body.Close()
		t.Errorf("the API answered %s", resp.Status)
	}
	if _, err := l.dial("alice", "grenoble"); err == nil {
		t.Error("the access machine answers")
	}
	s.Outage(false)
	l.eventually("alice", "grenoble")
}

func TestControl(t *testing.T) {
	s, l := startPlatform(t, Options{})
	a := asker{t: t, base: s.Control()}
	j := l.reserve("grenoble", "nodes=1")
	for _, tt := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "/", "", 200, `"sites":["grenoble","lyon"]`},
		{"POST", "/clock", `{"advance":"90s"}`, 200, `"now"`},
		{"POST", "/clock", `{"advance":"soon"}`, 400, "invalid duration"},
		{"POST", "/sites/grenoble", `{"refuse":{"status":500,"message":"broken"}}`, 200, ""},
		{"POST", "/sites/grenoble/jobs", `{"User":"bob","Command":"sleep 1d"}`, 400, "broken"},
		{"POST", "/sites/grenoble/jobs", `{"User":"bob","Command":"sleep 1d"}`, 200, `"uid"`},
		{"POST", "/sites/atlantis", `{"down":true}`, 400, "there is no site atlantis"},
		{"POST", "/nodes/dahu-3.grenoble.grid5000.fr", `{"state":"Suspected","silent":true,"fail":true}`, 200, ""},
		{"POST", "/nodes/dahu-33.grenoble.grid5000.fr", `{"state":"Suspected"}`, 400, "there is no node"},
		{"POST", "/faults", `{"status":502,"times":1}`, 200, ""},
		{"POST", "/faults", `{"colour":"red"}`, 400, "unknown field"},
		{"DELETE", "/faults", "", 200, ""},
		{"GET", "/requests", "", 200, "["},
	} {
		if status, text := a.do(tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(text, tt.has) {
			t.Errorf("%s %s %s: got %d %s, want %d %s", tt.method, tt.path, tt.body, status, text, tt.status, tt.has)
		}
	}
	if status, _ := a.do("DELETE", "/sites/grenoble/jobs/"+strconv.Itoa(j.ID), ""); status != 200 {
		t.Errorf("killing a job: %d", status)
	}
	s.Advance(5 * time.Second)
	for _, now := range s.Jobs("grenoble") {
		if now.ID == j.ID && now.State != oar.Error {
			t.Errorf("the killed job is %s", now.State)
		}
	}
}
