package driver

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestJUnit(t *testing.T) {
	var all JUnit
	r := &Recorder{Suite: "web::docker", Script: "test.py"}
	for _, e := range []Event{
		{Kind: "begin", ID: 1, What: "subtest", Text: "outer"},
		{Kind: "begin", ID: 2, Parent: 1, What: "subtest", Text: "inner"},
		{Kind: "begin", ID: 3, Parent: 2, What: "step", Node: "server", Text: "must succeed: x"},
		{Kind: "line", Parent: 3, Text: "a \x1b[31mred\x00 word"},
		{Kind: "end", ID: 3, What: "step", Node: "server", Text: "must succeed: x", Elapsed: 0.25, Failed: true, Error: "exit 1\nmore"},
		{Kind: "end", ID: 2, What: "subtest", Text: "inner", Elapsed: 0.5, Failed: true, Error: "exit 1\nmore"},
		{Kind: "end", ID: 1, What: "subtest", Text: "outer", Elapsed: 1, Failed: true, Error: "exit 1\nmore"},
	} {
		r.Add(e)
	}
	all.Add(r, &Result{Elapsed: 3 * time.Second, Failure: &Failure{
		Kind: Failed, Type: "RequestedAssertionFailed", Message: "exit 1\nmore",
		Frames: []Frame{{File: "test.py", Line: 3, Function: "<module>", Text: "server.succeed(x)"}},
	}}, nil)
	all.Add(&Recorder{Suite: "web::vm", Script: "test.py"}, nil, errors.New("it did not deploy"))
	text, err := all.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<testsuite name="web::docker" tests="3" failures="3" errors="0" time="3.000"`,
		`<testcase name="test.py" classname="web::docker" time="2.000">`,
		`<testcase name="outer / inner" classname="web::docker" time="0.500">`,
		`<failure message="exit 1" type="RequestedAssertionFailed">test.py:3: in &lt;module&gt;`,
		`a ` + "\ufffd" + `[31mred` + "\ufffd" + ` word&#xA;server: must succeed: x: failed: exit 1`,
		`<testsuite name="web::vm" tests="1" failures="0" errors="1"`,
		`<error message="it did not deploy">`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
}
