package view

import (
	"bytes"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/driver"
)

func TestHumanTests(t *testing.T) {
	var out bytes.Buffer
	h := NewHuman(Options{Out: &out, Err: &out})
	one := TestRun{Deployment: "web::docker", Script: "test.py", Number: 1, Of: 1}
	two := TestRun{Deployment: "web::vm", Script: "test.py", Number: 1, Of: 1, Several: true}
	h.TestBegan(one, "logs/1")
	for _, e := range []driver.Event{
		{Kind: "begin", ID: 1, What: "subtest", Text: "outer"},
		{Kind: "begin", ID: 2, Parent: 1, What: "step", Node: "server", Text: "must succeed: a\nb"},
		{Kind: "end", ID: 2, Parent: 1, What: "step", Node: "server", Text: "must succeed: a\nb", Elapsed: 0.12},
		{Kind: "line", Parent: 1, Level: "info", Node: "server", Text: "said"},
		{Kind: "line", Parent: 1, Level: "debug", Text: "not shown"},
		{Kind: "output", Text: "printed"},
		{Kind: "console", Node: "server", Text: "login:"},
		{Kind: "end", ID: 1, What: "subtest", Text: "outer", Elapsed: 1.5, Failed: true},
	} {
		h.TestEvent(one, e)
	}
	failed := &driver.Result{Elapsed: 2 * time.Second, Failure: &driver.Failure{Kind: driver.TimedOut}}
	h.TestEnded(one, failed)
	h.TestBegan(two, "logs/2")
	h.TestEvent(two, driver.Event{Kind: "output", Text: "printed"})
	h.TestEnded(two, nil)
	h.Tests([]TestOutcome{{one, failed}, {two, nil}})
	h.Flush()
	want := `web::docker test.py, logs in logs/1
  subtest outer
    server: must succeed: a … [0.1s]
    server: said
  printed
  server # login:
  outer failed [1.5s]
web::docker test.py: timed out [2.0s]
web::vm test.py, logs in logs/2
web::vm test.py: printed
web::vm test.py: not run

          web::docker      web::vm
test.py   timed out 2.0s   not run 0.0s
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
