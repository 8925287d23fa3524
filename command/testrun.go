package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/driver"
	"github.com/nixos-compose/nxc/internal/addr"
)

// keptRuns is how many runs of a deployment are kept in .nxc/tests.
const keptRuns = 10

// deployment tests one deployment: as it is, or made for the test.
func (t *trial) deployment(d addr.Deployment) {
	f := t.projectFlags
	f.flavours, f.all = stringList{d.String()}, false
	if !t.ephemeral {
		f.openIn(t.soft, t.env, "test", t.view, t.addSources, func(o opened) int {
			scripts, ok := t.scriptsOf(o, d, nil)
			if !ok {
				return t.notRun(d, 1)
			}
			for n := 1; n <= t.repeat && t.soft.Err() == nil; n++ {
				t.runAll(o, d, scripts, n)
			}
			return exitOK
		})
		return
	}
	for n := 1; n <= t.repeat && t.soft.Err() == nil; n++ {
		if !t.fresh(f, d, n) {
			return
		}
	}
}

// bad shows diagnostics and reports whether there are errors among them. What
// was under way when Ctrl-C came has only that to say.
func (t *trial) bad(diags hcl.Diagnostics) bool {
	if t.soft.Err() != nil {
		return true
	}
	t.view.Diagnostics(diags)
	return diags.HasErrors()
}

// fresh deploys, tests and destroys. It reports whether to go on.
func (t *trial) fresh(f projectFlags, d addr.Deployment, n int) bool {
	passed, made := false, false
	status := f.openIn(t.soft, t.env, "test", t.view, t.addSources, func(o opened) int {
		planned, diags := o.Plan(t.soft, deploy.PlanOptions{})
		if t.bad(diags) {
			return t.notRun(d, n)
		}
		scripts, ok := t.scriptsOf(o, d, planned)
		if !ok {
			return t.notRun(d, n)
		}
		made = true
		applied, diags := o.Apply(t.soft, planned, deploy.ApplyOptions{Hard: t.hard, Parallelism: t.parallelism})
		t.view.Diagnostics(diags)
		if diags.HasErrors() || applied == nil || applied.Interrupted || applied.Failed {
			return t.notRun(d, n)
		}
		passed = t.runAll(o, d, scripts, n)
		return exitOK
	})
	if !made {
		return false
	}
	if !passed && t.keep {
		t.view.Note(fmt.Sprintf("%s is kept. Remove it with: nxc destroy -flavour %s", d, d))
		return false
	}
	return t.destroy(f, d) && status == exitOK
}

// destroy removes a deployment that was made for a test, also after Ctrl-C.
func (t *trial) destroy(f projectFlags, d addr.Deployment) bool {
	status := f.openIn(t.hard, t.env, "test", t.view, t.addSources, func(o opened) int {
		planned, diags := o.Plan(t.hard, deploy.PlanOptions{Destroy: true})
		t.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		applied, diags := o.Apply(t.hard, planned, deploy.ApplyOptions{Hard: t.hard, Parallelism: t.parallelism})
		t.view.Diagnostics(diags)
		if diags.HasErrors() || applied == nil || applied.Failed || applied.Interrupted {
			return exitError
		}
		return exitOK
	})
	if status != exitOK {
		t.view.Note(fmt.Sprintf("%s was not removed. Do it with: nxc destroy -flavour %s", d, d))
		t.mu.Lock()
		t.broken = true
		t.mu.Unlock()
	}
	return status == exitOK
}

// notRun notes that a deployment could not be tested.
func (t *trial) notRun(d addr.Deployment, n int) int {
	names := []string{"testScript"}
	if len(t.scripts) > 0 {
		names = nil
		for _, s := range t.scripts {
			names = append(names, filepath.Base(s.File))
		}
	}
	for _, name := range names {
		r := view.TestRun{Deployment: d.String(), Script: name, Number: n, Of: t.repeat, Several: t.several}
		t.ended(r, &driver.Recorder{Suite: d.String(), Script: name}, nil, fmt.Errorf("%s could not be tested", d))
	}
	return exitError
}

// scriptsOf returns the scripts for a deployment, with what is wrong in them
// told. planned is what will be made; nil: what runs is tested.
func (t *trial) scriptsOf(o opened, d addr.Deployment, planned *deploy.Planned) ([]driver.Script, bool) {
	scripts := t.scripts
	var names []string
	if planned == nil && len(scripts) == 0 {
		now, diags := o.Plan(t.soft, deploy.PlanOptions{})
		if t.bad(diags) {
			return nil, false
		}
		if now.HasChanges() {
			t.view.Note(fmt.Sprintf("%s is not what the configuration says now (see nxc plan); what runs is tested.", d))
		}
		planned = now
	}
	if len(scripts) == 0 {
		own, diags := t.ownScript(o.Project, d, planned)
		if t.bad(diags) {
			return nil, false
		}
		scripts = []driver.Script{own}
	}
	names = nodeNames(o.Project, d, planned)
	for _, s := range scripts {
		problems, err := driver.Check(t.soft, driver.Options{Python: t.python, Dir: ".", Environ: t.env.Environ, Flavour: d.String(), Script: s}, names)
		if t.bad(problemsOf(s, problems, err)) {
			return nil, false
		}
	}
	return scripts, true
}

// nodeNames lists the nodes that a script finds: planned, or on record.
func nodeNames(p *deploy.Project, d addr.Deployment, planned *deploy.Planned) []string {
	if recorded := p.NodeNames(d); len(recorded) > 0 || planned == nil {
		return recorded
	}
	var names []string
	for _, made := range planned.Deployments {
		if made.Name != d {
			continue
		}
		for _, n := range made.Nodes {
			names = append(names, n.Name)
		}
	}
	return names
}

// ownScript is the composition's testScript, where it stands.
func (t *trial) ownScript(p *deploy.Project, d addr.Deployment, planned *deploy.Planned) (driver.Script, hcl.Diagnostics) {
	i := slices.IndexFunc(planned.Deployments, func(made *deploy.Deployment) bool { return made.Name == d })
	if i < 0 || planned.Deployments[i].Evaluation == nil || !planned.Deployments[i].Evaluation.HasTestScript {
		return driver.Script{}, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: fmt.Sprintf("Composition %s has no test", d.Composition),
			Detail: "Give it a testScript, beside its roles, or name a file: nxc test SCRIPT.",
		}}
	}
	e := planned.Deployments[i].Evaluation
	s := driver.Script{Text: e.TestScript, File: filepath.Join(p.Config.Dir, ".nxc", "tests", d.Composition+".py")}
	if at := e.TestScriptAt; at != nil {
		if text, err := os.ReadFile(at.File); err == nil {
			if lines := driver.Locate(s.Text, string(text), at.Line); lines != nil {
				s.File, s.Lines = at.File, lines
				t.addSources(map[string]*hcl.File{s.File: {Bytes: text}})
				return s, nil
			}
		}
	}
	// It was made, or read from elsewhere: it gets a file of its own.
	t.addSources(map[string]*hcl.File{s.File: {Bytes: []byte(s.Text)}})
	if err := os.MkdirAll(filepath.Dir(s.File), 0o755); err != nil {
		return s, nil // it is shown all the same
	}
	_ = os.WriteFile(s.File, []byte(s.Text), 0o644)
	return s, nil
}

// runAll runs the scripts, and reports whether all passed.
func (t *trial) runAll(o opened, d addr.Deployment, scripts []driver.Script, n int) bool {
	passed := true
	for _, s := range scripts {
		if t.soft.Err() != nil {
			return false
		}
		passed = t.runOne(o, d, s, n) && passed
	}
	return passed
}

// runOne runs one script once.
func (t *trial) runOne(o opened, d addr.Deployment, s driver.Script, n int) bool {
	r := view.TestRun{Deployment: d.String(), Script: filepath.Base(s.File), Number: n, Of: t.repeat, Several: t.several}
	record := &driver.Recorder{Suite: d.String(), Script: r.Script}
	fail := func(err error) bool {
		if t.soft.Err() == nil {
			o.fail("The test could not be run", err)
		}
		t.ended(r, record, nil, err)
		return false
	}
	options, err := testOptions(t.soft, t.env, o, d, s, t.python)
	if err != nil {
		return fail(err)
	}
	options.Timeout, options.WaitLimit = t.timeout, t.wait
	options.Events = func(e driver.Event) {
		record.Add(e)
		t.view.TestEvent(r, e)
	}
	t.view.TestBegan(r, besides(options.Results))
	result, err := driver.Run(t.soft, options)
	if err != nil {
		return fail(err)
	}
	if result.Failure != nil && result.Failure.Kind != driver.Interrupted {
		t.view.Diagnostics(failureOf(d, result, besides(options.Results)))
	}
	t.ended(r, record, result, nil)
	return result.Failure == nil
}

func (t *trial) ended(r view.TestRun, record *driver.Recorder, result *driver.Result, err error) {
	t.view.TestEnded(r, result)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcomes = append(t.outcomes, view.TestOutcome{TestRun: r, Result: result})
	t.junitAll.Add(record, result, err)
}

// besides is a path as people type it from here.
func besides(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}

// testOptions are what a test and an interactive session have in common.
func testOptions(ctx context.Context, env *Env, o opened, d addr.Deployment, s driver.Script, python driver.Python) (driver.Options, error) {
	running, diags := o.RunningNodes(ctx, nil)
	if diags.HasErrors() {
		return driver.Options{}, toldError{diags}
	}
	nodes := make([]driver.Node, len(running))
	for i, n := range running {
		nodes[i] = testNode{o.Project, n}
	}
	results, err := resultsFolder(o.Config.Dir, d)
	if err != nil {
		return driver.Options{}, fmt.Errorf("make a folder for the results: %w", err)
	}
	return driver.Options{
		Python: python, Dir: o.Config.Dir, Environ: slices.Clone(env.Environ), Flavour: d.String(),
		Nodes: nodes, Script: s, Results: results, Relay: relay,
	}, nil
}

// resultsFolder makes a folder for a run, and removes those of long ago.
func resultsFolder(dir string, d addr.Deployment) (string, error) {
	above, err := filepath.Abs(filepath.Join(dir, ".nxc", "tests", d.Composition+"."+d.Flavour))
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(above, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(above) // sorted by name, which is by time
	if err != nil {
		return "", err
	}
	for i := 0; i <= len(entries)-keptRuns; i++ {
		_ = os.RemoveAll(filepath.Join(above, entries[i].Name()))
	}
	for {
		folder := filepath.Join(above, strings.ReplaceAll(time.Now().UTC().Format("20060102-150405.000"), ".", "-"))
		if err := os.Mkdir(folder, 0o755); !os.IsExist(err) {
			return folder, err
		}
		time.Sleep(time.Millisecond)
	}
}
