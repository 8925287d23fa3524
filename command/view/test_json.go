package view

import (
	"fmt"

	"github.com/nixos-compose/nxc/driver"
)

// testJSON is what the lines about tests hold.
type testJSON struct {
	Deployment string          `json:"deployment"`
	Script     string          `json:"script"`
	Number     int             `json:"number"`
	Of         int             `json:"of"`
	Folder     string          `json:"folder,omitempty"`
	Event      *driver.Event   `json:"event,omitempty"`
	Status     string          `json:"status,omitempty"` // "passed", "failed", "timed out", "interrupted", "not run"
	Elapsed    float64         `json:"elapsed_seconds,omitempty"`
	Failure    *driver.Failure `json:"failure,omitempty"`
	Kept       []string        `json:"kept,omitempty"`
}

func testOf(r TestRun) *testJSON {
	return &testJSON{Deployment: r.Deployment, Script: r.Script, Number: r.Number, Of: r.Of}
}

// TestBegan prints test_start.
func (j *JSON) TestBegan(r TestRun, folder string) {
	t := testOf(r)
	t.Folder = folder
	j.emit(message{Type: "test_start", Message: r.name() + ": started", Test: t})
}

// TestEvent prints test_begin, test_end, test_line, test_output or test_console.
func (j *JSON) TestEvent(r TestRun, e driver.Event) {
	t := testOf(r)
	kind := e.Kind
	text := e.Text
	if e.Node != "" {
		text = e.Node + ": " + text
	}
	e.Kind = ""
	t.Event = &e
	m := message{Type: "test_" + kind, Message: text, Test: t}
	switch {
	case e.Failed || e.Level == "error":
		m.Level = "error"
	case e.Level == "warning":
		m.Level = "warn"
	case e.Level == "debug":
		m.Level = "debug"
	}
	j.emit(m)
}

// TestEnded prints test_complete.
func (j *JSON) TestEnded(r TestRun, result *driver.Result) {
	t := testOf(r)
	t.Status = verdictOf(result)
	m := message{Type: "test_complete", Test: t}
	if result != nil {
		t.Elapsed, t.Failure, t.Kept = result.Elapsed.Seconds(), result.Failure, result.Kept
	}
	if t.Status != "passed" {
		m.Level = "error"
	}
	m.Message = fmt.Sprintf("%s: %s", r.name(), t.Status)
	j.emit(m)
}

// Tests prints nothing: each run has said how it ended.
func (j *JSON) Tests([]TestOutcome) {}
