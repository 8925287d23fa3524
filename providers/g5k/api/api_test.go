package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// quick is a pace for tests.
var quick = Pace{First: time.Millisecond, Most: 2 * time.Millisecond, Again: time.Millisecond, Stale: 30 * time.Millisecond}

func newClient(t *testing.T, h http.Handler) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := New(Options{Base: server.URL + "/stable", User: "jdoe", Password: "secret", Pace: quick})
	if err != nil {
		t.Fatal(err)
	}
	c.patience = 5 * time.Second
	return c
}

// answers gives one answer after the other, and then the last one again.
type answers struct {
	mu   sync.Mutex
	list []func(w http.ResponseWriter, r *http.Request)
	seen []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	next := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	a.seen = append(a.seen, r.Method+" "+r.URL.Path)
	a.mu.Unlock()
	next(w, r)
}

func say(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// TestTells says what is waited for, to who waits or else to everybody.
func TestTells(t *testing.T) {
	proxy := say(http.StatusBadGateway, "<html>")
	a := &answers{list: []func(http.ResponseWriter, *http.Request){proxy, proxy, say(http.StatusOK, `{"uid": 42}`)}}
	c := newClient(t, a)
	var heard, waiting []string
	c.told = func(_ context.Context, text string) { heard = append(heard, text) }
	if _, err := c.Waiting(func(text string) { waiting = append(waiting, text) }).Job(t.Context(), "lyon", 42); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 0 || len(waiting) != 2 || !strings.HasPrefix(waiting[0], "Grid'5000 answers 502, asking again in") {
		t.Errorf("got %q and %q", heard, waiting)
	}
	a.list = []func(http.ResponseWriter, *http.Request){proxy, say(http.StatusOK, `{"uid": 42}`)}
	if _, err := c.Job(t.Context(), "lyon", 42); err != nil || len(heard) != 1 {
		t.Errorf("got %q, %v", heard, err)
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// half promises more than it sends.
func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `{"uid": 42, "sta`)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	cut(w, nil)
}

const (
	html502     = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body></html>"
	running42   = `{"uid":42,"state":"running","user":"jdoe","assigned_nodes":["dahu-1.grenoble.grid5000.fr"]}`
	refused400  = `Request to http://localhost/oarapi-priv/jobs.json failed with status 400: {"title":"Bad Request","message":"oarsub command exited with status 5: [ADMISSION RULE] Modify resource description with type constraints\nThere are not enough resources for your request\nOAR_JOB_ID=-5\nOarsub failed: please verify your request syntax or ask for support to your admin.\n","code":400}`
	refusedSQL  = `Request to http://localhost/oarapi/jobs.json failed with status 400: {"code" : 400,"message" : "Oarsub command exited with status 8: [ADMISSION RULE] Set default walltime to 7200.\n[ADMISSION RULE] Modify resource description with type constraints\nDBD::Pg::st execute failed: ERROR:  column \"colour\" does not exist\nLINE 4: ...              ('1' AND ( (type = 'default') AND ((colour=1) ...\n                                                             ^ at /usr/share/perl5/OAR/IO.pm line 1203.\nBad resource request (ERROR:  column \"colour\" does not exist\nLINE 4: ...              ('1' AND ( (type = 'default') AND ((colour=1) ...\n                                                             )\nOAR_JOB_ID=-5\n[ERROR] Oarsub failed, please verify your request syntax.\n\nCmd:\noarsub  --resource=\\\"nodes=1\\\" --property=\\\"colour=1\\\" ./oarapi.subscript.d4r2P","title" : "Bad query"}`
	refusedLate = `Request to http://localhost/oarapi/jobs.json failed with status 400: {"code" : 400,"message" : "Oarsub command exited with status 10: [ADMISSION RULE] Modify resource description with type constraints\nOAR_JOB_ID=4\nReservation mode: waiting validation...\nReservation not valid --> KO (Reservation too old)\n\nCmd:\noarsub  --reservation=\\\"2025-01-01 10:00:00\\\" --resource=\\\"nodes=1,walltime=0:1\\\" ./oarapi.subscript.73Km3"}`
	refused500  = `Request to http://localhost/oarapi-priv/jobs.json failed with status 500: {"title":"Internal error","message":"[ADMISSION RULE] Error: unknown job type: deploi","code":500}`
)

func TestWhatPassesIsAskedAgain(t *testing.T) {
	tests := map[string]func(http.ResponseWriter, *http.Request){
		"a proxy's page":    say(502, html502),
		"too often":         say(429, "Too many requests"),
		"nobody there":      say(503, ""),
		"a nameless 500":    say(500, "Internal Server Error"),
		"cut":               cut,
		"cut in the middle": half,
		"truncated":         say(200, `{"uid": 42, "state": "run`),
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			a := &answers{list: []func(http.ResponseWriter, *http.Request){fault, fault, say(200, running42)}}
			j, err := newClient(t, a).Job(t.Context(), "grenoble", 42)
			if err != nil || j.UID != 42 || !j.Running() {
				t.Errorf("got %+v, %v", j, err)
			}
			if len(a.seen) != 3 {
				t.Errorf("asked %d times, want 3", len(a.seen))
			}
		})
	}
}

func TestARefusalIsFinal(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		want   string
	}{
		"too few":                    {400, refused400, "There are not enough resources for your request"},
		"no such property":           {400, refusedSQL, `Bad resource request: column "colour" does not exist`},
		"too late":                   {400, refusedLate, "Reservation not valid --> KO (Reservation too old)"},
		"a 500 of an admission rule": {500, refused500, "[ADMISSION RULE] Error: unknown job type: deploi"},
		"of another":                 {403, `{"title":"Forbidden","message":"Job 3456 does not belong to you","code":403}`, "Job 3456 does not belong to you"},
		"no such thing":              {404, "Not found", "Not found"},
		"nobody":                     {401, html502, "Unauthorized"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := &answers{list: []func(http.ResponseWriter, *http.Request){say(tt.status, tt.body)}}
			_, err := newClient(t, a).Submit(t.Context(), "grenoble", Submission{Name: "n"})
			message, ok := Refusal(err)
			if !ok || message != tt.want {
				t.Errorf("got %q, %v (%v), want %q", message, ok, err, tt.want)
			}
			if len(a.seen) != 1 {
				t.Errorf("asked %q, want it once", a.seen)
			}
		})
	}
}

// lossy is an interface whose answers to POST are lost, and whose listings are
// old for a while.
type lossy struct {
	mu     sync.Mutex
	made   []Submission
	fault  func(http.ResponseWriter, *http.Request)
	faults int
	late   bool // what is lost was not done either
	hide   time.Time
}

func (l *lossy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method == http.MethodPost {
		var s Submission
		json.NewDecoder(r.Body).Decode(&s)
		failing := l.faults > 0
		l.faults--
		if !failing || !l.late {
			l.made = append(l.made, s)
			l.hide = time.Now().Add(10 * time.Millisecond)
		}
		if failing {
			l.fault(w, r)
			return
		}
	}
	items := []Job{}
	for i, s := range l.made {
		if r.Method == http.MethodPost || time.Now().After(l.hide) && s.Name == r.URL.Query().Get("name") {
			items = append(items, Job{UID: int64(42 + i), Name: s.Name, State: "waiting"})
		}
	}
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(items[len(items)-1])
		return
	}
	json.NewEncoder(w).Encode(collection[Job]{Total: len(items), Items: items})
}

func TestASubmissionIsNeverRepeatedBlindly(t *testing.T) {
	tests := map[string]struct {
		fault func(http.ResponseWriter, *http.Request)
		late  bool
	}{
		"answer cut":              {fault: cut},
		"answer truncated":        {fault: say(201, `{"uid": 4`)},
		"gateway":                 {fault: say(502, html502)},
		"gateway, and not done":   {fault: say(502, html502), late: true},
		"too often, and not done": {fault: say(429, "slowly"), late: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := &lossy{fault: tt.fault, faults: 1, late: tt.late}
			j, err := newClient(t, l).Submit(t.Context(), "grenoble", Submission{Name: "nxc-1"})
			if err != nil || j.UID != 42 || j.Name != "nxc-1" {
				t.Errorf("got %+v, %v", j, err)
			}
			if len(l.made) != 1 {
				t.Errorf("%d jobs were made, want 1", len(l.made))
			}
		})
	}
}

func TestANetworkThatIsGoneIsWaitedFor(t *testing.T) {
	c := newClient(t, http.HandlerFunc(say(200, running42)))
	var dials int
	c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials <= 3 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	var told []string
	c = c.Waiting(func(s string) { told = append(told, s) })
	if j, err := c.Job(t.Context(), "grenoble", 42); err != nil || j.UID != 42 {
		t.Errorf("got %+v, %v", j, err)
	}
	if len(told) != 3 || !strings.HasPrefix(told[0], "Grid'5000 does not answer, asking again in ") || !strings.HasSuffix(told[0], "network is unreachable") {
		t.Errorf("told %q", told)
	}
}

func TestPages(t *testing.T) {
	c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var offset int
		fmt.Sscan(r.URL.Query().Get("offset"), &offset)
		page := collection[Job]{Total: 1203, Offset: offset}
		for i := offset; i < min(offset+pageSize, page.Total); i++ {
			page.Items = append(page.Items, Job{UID: int64(i)})
		}
		json.NewEncoder(w).Encode(page)
	}))
	list, err := c.Jobs(t.Context(), "grenoble")
	if err != nil || len(list) != 1203 || list[1202].UID != 1202 {
		t.Errorf("got %d jobs, %v", len(list), err)
	}
}

func TestCredentials(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		search        Search
		env           map[string]string
		netrc, python string
		user, word    string
	}{
		"given":                {search: Search{User: "a", Password: "p"}, env: map[string]string{"G5K_PASSWORD": "x"}, user: "a", word: "p"},
		"environment":          {env: map[string]string{"G5K_LOGIN": "a", "G5K_PASSWORD": "p"}, user: "a", word: "p"},
		"netrc":                {netrc: "machine example.org login x password y\nmachine api.grid5000.fr\n  login a\n  password p\n", user: "a", word: "p"},
		"netrc of another":     {netrc: "machine example.org login x password y\n", env: map[string]string{"USER": "me"}, user: "me"},
		"python":               {python: "username: a\npassword: \"p: 1\"\nverify_ssl: false\n", user: "a", word: "p: 1"},
		"netrc before python":  {netrc: "machine api.grid5000.fr login a password p", python: "username: b\npassword: q\n", user: "a", word: "p"},
		"only of who is asked": {search: Search{User: "b"}, netrc: "machine api.grid5000.fr login a password p", python: "username: b\npassword: q\n", user: "b", word: "q"},
		"command":              {search: Search{Command: []string{"printf", "p\nurl: x\nlogin: a\n"}}, user: "a", word: "p"},
		"none":                 {env: map[string]string{"USER": "me"}, user: "me"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			write(".netrc", tt.netrc)
			write(".python-grid5000.yaml", tt.python)
			s := tt.search
			s.Host, s.Home, s.Getenv = "api.grid5000.fr", home, func(name string) string { return tt.env[name] }
			got, err := s.Find(context.Background())
			if err != nil || got.User != tt.user || got.Password != tt.word {
				t.Errorf("got %q %q, %v; want %q %q", got.User, got.Password, err, tt.user, tt.word)
			}
			if text := fmt.Sprintf("%v %+v %#v %s", got, got, got, got); got.Password != "" && strings.Contains(text, got.Password+" ") {
				t.Errorf("printed as %s", text)
			}
		})
	}
}
