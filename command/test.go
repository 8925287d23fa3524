package command

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/driver"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

func testCommand(env *Env) *command {
	var f testFlags
	return &command{
		synopsis: "Run a test script against what is deployed",
		usage:    "[flags] [SCRIPT…]",
		help: `
Runs the composition's testScript, or the given files, against deployed nodes.
A script is Python in the language of NixOS tests: each node is a variable, and
server.wait_for_unit("nginx.service"), client1.succeed("curl http://server/")
and the like drive it. What it may say is on the website's page on tests.

Without -ephemeral the deployment that runs is tested, or those chosen with
-flavour. With it, what an apply would make is deployed, tested and destroyed,
for each repetition anew.

A log of each node is kept in .nxc/tests; of a test that failed, also what the
nodes' consoles, units and journals said.

Exit status: 0 passed, 1 could not be run, 3 a test failed, 130 interrupted.

Examples:
  nxc test
  nxc test -ephemeral -flavour docker -flavour vm-ramdisk -parallel
  nxc test load.py -repeat 10 -timeout 2m -junit results.xml`,
		flags: f.register,
		run:   func(ctx context.Context, args []string) int { return f.run(ctx, env, args) },
	}
}

// exitFailed says that a script ran and did not pass.
const exitFailed = 3

// testFlags are those of test.
type testFlags struct {
	projectFlags
	ephemeral, keep, parallel bool
	timeout, wait             time.Duration
	repeat, parallelism       int
	junit                     string
}

func (f *testFlags) register(fs *flag.FlagSet) {
	f.projectFlags.register(fs)
	fs.BoolVar(&f.ephemeral, "ephemeral", false, "deploy for the test, and destroy after it, also when it failed")
	fs.BoolVar(&f.keep, "keep", false, "with -ephemeral: destroy nothing when a test failed")
	fs.BoolVar(&f.parallel, "parallel", false, "test all chosen deployments at one time")
	fs.DurationVar(&f.timeout, "timeout", time.Hour, "end each run of a script after this `TIME`; 0: never")
	fs.DurationVar(&f.wait, "wait-timeout", 0, "no single wait or command takes longer than this `TIME`,\nwhatever the script says; 0: as it says")
	fs.IntVar(&f.repeat, "repeat", 1, "run each script so many `TIMES`, also after a failure")
	fs.IntVar(&f.parallelism, "parallelism", 10, "with -ephemeral: do so `MANY` things at one time when deploying")
	fs.StringVar(&f.junit, "junit", "", "write the results to `FILE`, for tools that read JUnit's format")
}

func (f *testFlags) run(ctx context.Context, env *Env, args []string) int {
	complaint := ""
	switch {
	case f.repeat < 1:
		complaint = "-repeat is at least 1"
	case f.timeout < 0 || f.wait < 0:
		complaint = "-timeout and -wait-timeout are not below zero"
	case f.keep && !f.ephemeral:
		complaint = "-keep belongs to -ephemeral: without it nothing is destroyed"
	case f.parallelism < 1:
		complaint = "-parallelism is at least 1"
	}
	if complaint != "" {
		fmt.Fprintln(env.Stderr, "nxc test:", complaint)
		return exitError
	}
	t := &trial{testFlags: f, env: env, files: map[string]*hcl.File{}}
	t.view = f.view(env, t.sources)
	defer t.view.Flush()
	var say atomic.Bool
	soft, hard, stop := interruptible(ctx, func(times int) {
		switch {
		case !say.Load():
		case times == 1:
			t.view.Note("Interrupted: the test ends. Press Ctrl-C again to give up at once.")
		case times == 2:
			t.view.Note("Giving up. What was under way is found again by the next command.")
		}
	})
	defer stop()
	say.Store(true)
	t.soft, t.hard = soft, hard
	if !t.prepare(args) {
		return exitError
	}
	targets, status := t.targets()
	if status != exitOK {
		return status
	}
	t.several = len(targets) > 1 && f.parallel
	t.all(targets)
	slices.SortStableFunc(t.outcomes, func(a, b view.TestOutcome) int { return order(a, targets) - order(b, targets) })
	t.view.Tests(t.outcomes)
	if !t.report() {
		return exitError
	}
	return t.status()
}

// order is where a run's deployment stands among those that were chosen.
func order(o view.TestOutcome, targets []addr.Deployment) int {
	return slices.IndexFunc(targets, func(d addr.Deployment) bool { return d.String() == o.Deployment })
}

// trial is one nxc test under way.
type trial struct {
	*testFlags
	env        *Env
	view       view.View
	soft, hard context.Context
	python     driver.Python
	scripts    []driver.Script // given as files; none: each composition's own
	several    bool

	mu       sync.Mutex
	files    map[string]*hcl.File
	outcomes []view.TestOutcome
	junitAll driver.JUnit
	broken   bool // something could not be run, or not be destroyed
}

// sources are the files that diagnostics point into.
func (t *trial) sources() map[string]*hcl.File {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]*hcl.File, len(t.files))
	for name, file := range t.files {
		all[name] = file
	}
	return all
}

func (t *trial) addSources(more map[string]*hcl.File) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, file := range more {
		t.files[name] = file
	}
}

// prepare finds Python and reads the scripts that were given, before anything
// else is done.
func (t *trial) prepare(args []string) bool {
	python, diags := findPython(t.env)
	t.view.Diagnostics(diags)
	if diags.HasErrors() {
		return false
	}
	t.python = python
	for _, name := range args {
		text, err := os.ReadFile(name)
		if err != nil {
			t.view.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot read the test script", Detail: err.Error() + "."}})
			return false
		}
		path, err := filepath.Abs(name)
		if err != nil {
			path = name
		}
		t.files[path] = &hcl.File{Bytes: text}
		t.scripts = append(t.scripts, driver.Script{Text: string(text), File: path})
	}
	return true
}

// targets finds out which deployments are meant.
func (t *trial) targets() (list []addr.Deployment, status int) {
	f := t.projectFlags
	f.all = !t.ephemeral && len(f.flavours) == 0
	status = f.openIn(t.soft, t.env, "test", t.view, t.addSources, func(o opened) int {
		found, diags := o.TestTargets(t.ephemeral)
		t.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		if t.ephemeral && t.parallel {
			if err := o.Store.Settle(t.soft); err != nil {
				return o.fail("The state cannot be begun", err)
			}
		}
		list = found
		return exitOK
	})
	if t.soft.Err() != nil {
		status = exitInterrupted
	}
	return list, status
}

// all tests the deployments, one after the other or at one time.
func (t *trial) all(targets []addr.Deployment) {
	if !t.parallel {
		for _, d := range targets {
			t.deployment(d)
		}
		return
	}
	var running sync.WaitGroup
	for _, d := range targets {
		running.Go(func() { t.deployment(d) })
	}
	running.Wait()
}

// report writes the JUnit file.
func (t *trial) report() bool {
	if t.junit == "" {
		return true
	}
	text, err := t.junitAll.Marshal()
	if err == nil {
		err = atomicfile.Write(t.junit, text, 0o644)
	}
	if err != nil {
		t.view.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The results cannot be written", Detail: err.Error() + "."}})
	}
	return err == nil
}

func (t *trial) status() int {
	failed := false
	for _, o := range t.outcomes {
		switch {
		case o.Passed():
		case o.Result != nil:
			failed = true
		default:
			t.broken = true
		}
	}
	switch {
	case t.soft.Err() != nil:
		return exitInterrupted
	case t.broken:
		return exitError
	case failed:
		return exitFailed
	}
	return exitOK
}
