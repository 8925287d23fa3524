package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/driver"
)

// TestRun is one run of a script on a deployment.
type TestRun struct {
	Deployment string
	Script     string // such as "composition.nix" or "load.py"
	Number, Of int    // of its repetitions, from 1
	Several    bool   // others run too, so that lines have to say of whom they are
}

// TestOutcome is how a run ended.
type TestOutcome struct {
	TestRun
	Result *driver.Result // nil: it could not be run
}

// Passed reports whether the script passed.
func (o TestOutcome) Passed() bool { return o.Result != nil && o.Result.Failure == nil }

// name is what a run's lines begin with.
func (r TestRun) name() string {
	if r.Of > 1 {
		return fmt.Sprintf("%s %s %d/%d", r.Deployment, r.Script, r.Number, r.Of)
	}
	return r.Deployment + " " + r.Script
}

// testTree is what a script does now.
type testTree struct {
	open []openStep
}

type openStep struct {
	driver.Event
	began, told time.Time
	headed      bool // its line is printed: what is below it stands under it
}

// depth is how many headed steps a step stands under.
func (t *testTree) depth(parent int) int {
	n := 0
	for parent != 0 {
		i := slices.IndexFunc(t.open, func(s openStep) bool { return s.ID == parent })
		if i < 0 {
			break
		}
		if t.open[i].headed {
			n++
		}
		parent = t.open[i].Parent
	}
	return n
}

// TestBegan heads the lines of a run.
func (h *Human) TestBegan(r TestRun, folder string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	h.status, h.nix = "", nixStatus{}
	h.tests[r] = &testTree{}
	fmt.Fprintln(h.o.Out, h.bold(r.name())+h.dim(", logs in "+folder))
}

// TestEvent prints subtests when they begin, other steps when they have ended.
func (h *Human) TestEvent(r TestRun, e driver.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tests[r]
	if t == nil {
		return
	}
	line := func(depth int, text string) {
		h.clear()
		if r.Several {
			text = r.name() + ": " + strings.Repeat("  ", depth) + text
		} else {
			text = "  " + strings.Repeat("  ", depth) + text
		}
		fmt.Fprintln(h.o.Out, text)
	}
	depth := t.depth(e.Parent)
	switch e.Kind {
	case "begin":
		s := openStep{Event: e, began: time.Now(), told: time.Now()}
		if s.headed = e.What == "subtest" || e.Node == ""; s.headed {
			line(depth, h.bold(e.What+" ")+firstLine(e.Text))
		}
		t.open = append(t.open, s)
	case "end":
		headed := false
		t.open = slices.DeleteFunc(t.open, func(s openStep) bool {
			headed = headed || s.ID == e.ID && s.headed
			return s.ID == e.ID
		})
		took := h.dim("[" + Elapsed(e.Elapsed) + "]")
		what := firstLine(e.Text)
		if e.Node != "" {
			what = e.Node + ": " + what
		}
		switch {
		case e.Failed:
			line(depth, what+" "+h.red("failed")+" "+took)
		case headed:
			line(depth, what+" "+h.green("passed")+" "+took)
		default:
			line(depth, what+" "+took)
		}
	case "line":
		if e.Level == "debug" && !h.o.Verbose {
			return
		}
		text := e.Text
		if e.Node != "" {
			text = e.Node + ": " + text
		}
		switch e.Level {
		case "error":
			text = h.red(text)
		case "warning":
			text = h.yellow(text)
		}
		for part := range strings.Lines(text) {
			line(depth, strings.TrimRight(part, "\n"))
		}
	case "output":
		line(0, e.Text)
	case "console":
		line(0, h.dim(e.Node+" # "+e.Text))
	}
}

// TestEnded says how a run ended.
func (h *Human) TestEnded(r TestRun, result *driver.Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	delete(h.tests, r)
	if result == nil {
		fmt.Fprintf(h.o.Out, "%s: %s\n", r.name(), h.red("not run"))
		return
	}
	fmt.Fprintf(h.o.Out, "%s: %s %s\n", r.name(), h.verdict(result), h.dim("["+Elapsed(result.Elapsed.Seconds())+"]"))
}

func (h *Human) verdict(result *driver.Result) string {
	if result.Failure == nil {
		return h.green("passed")
	}
	return h.red(verdictOf(result))
}

// verdictOf is how a run ended, in a word or two.
func verdictOf(result *driver.Result) string {
	switch {
	case result == nil:
		return "not run"
	case result.Failure == nil:
		return "passed"
	case result.Failure.Kind == driver.TimedOut:
		return "timed out"
	case result.Failure.Kind == driver.Interrupted:
		return "interrupted"
	}
	return "failed"
}

// testStatus is what the tests wait for now: the latest step of each thread.
func (h *Human) testStatus(now time.Time) string {
	var parts []string
	for _, r := range h.runs() {
		for _, s := range h.tests[r].leaves() {
			parts = append(parts, fmt.Sprintf("%s %s", s.label(), Elapsed(now.Sub(s.began).Seconds())))
		}
	}
	return strings.Join(parts, " | ")
}

// remindOfTests says, where no line can be rewritten, what takes long.
func (h *Human) remindOfTests(now time.Time) {
	for _, r := range h.runs() {
		t := h.tests[r]
		for _, s := range t.leaves() {
			if now.Sub(s.told) < 10*time.Second {
				continue
			}
			s.told = now
			name := ""
			if r.Several {
				name = r.name() + ": "
			}
			fmt.Fprintf(h.o.Out, "  %sstill %s [%s]\n", name, s.label(), Elapsed(now.Sub(s.began).Seconds()))
		}
	}
}

// runs lists the tests that run, in their order.
func (h *Human) runs() []TestRun {
	list := make([]TestRun, 0, len(h.tests))
	for r := range h.tests {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b TestRun) int { return cmp.Compare(a.name(), b.name()) })
	return list
}

// leaves are the steps that are under way and have none below them.
func (t *testTree) leaves() []*openStep {
	var list []*openStep
	for i := range t.open {
		s := &t.open[i]
		if !slices.ContainsFunc(t.open, func(o openStep) bool { return o.Parent == s.ID }) {
			list = append(list, s)
		}
	}
	return list
}

func (s *openStep) label() string {
	if s.Node != "" {
		return s.Node + ": " + firstLine(s.Text)
	}
	return firstLine(s.Text)
}

func firstLine(text string) string {
	text = strings.TrimSpace(text)
	first, _, more := strings.Cut(text, "\n")
	if more {
		first += " …"
	}
	return cut(first, 200)
}
