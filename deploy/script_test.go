package deploy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state/statetest"
)

var update = flag.Bool("update", false, "rewrite the scripts in testdata/script that are made from trials")

// script writes a trial as a session with the real programs.
func (tr *trial) script(about string) string {
	var text, files strings.Builder
	fmt.Fprintf(&text, "# %s\n", about)
	if tr.composed() {
		fmt.Fprint(&text, "[!nix] skip 'Nix is not installed'\n")
	}
	fmt.Fprint(&text, "mkdir .nxc/plugins\nsymlink .nxc/plugins/nxc-provider-fake -> $FAKE\n")
	for i := range tr.steps {
		s := &tr.steps[i]
		fmt.Fprintf(&text, "\n# Step %d.\n", i+1)
		for _, d := range s.drift {
			fmt.Fprintln(&text, d.script())
		}
		fmt.Fprintf(&text, "cp %d.hcl main.nxc.hcl\n", i+1)
		fmt.Fprintf(&files, "-- %d.hcl --\n%s", i+1, s.configuration(true))
		if len(s.faults) > 0 {
			fmt.Fprintf(&text, "cp %d.faults .nxc/fake/%s\n", i+1, fake.FaultsFile)
			fmt.Fprintf(&files, "-- %d.faults --\n%s", i+1, s.faultsFile())
		}
		if s.disk.N > 0 {
			fmt.Fprintf(&text, "env %s='%s'\n", statetest.Variable, s.disk)
		}
		fmt.Fprintln(&text, s.run())
		if s.disk.N > 0 {
			fmt.Fprintf(&text, "env %s=\n", statetest.Variable)
		}
		if len(s.faults) > 0 {
			fmt.Fprintf(&text, "rm .nxc/fake/%s\n", fake.FaultsFile)
		}
		if s.timeout {
			fmt.Fprintf(&text, "cp %d-well.hcl main.nxc.hcl\n", i+1)
			fmt.Fprintf(&files, "-- %d-well.hcl --\n%s", i+1, s.configuration(false))
		}
		if s.heal {
			for _, command := range []string{"nxc apply -auto-approve", "nxc plan -detailed-exitcode"} {
				fmt.Fprintf(&text, "exec %s\n", command)
				for _, flavour := range s.nodesOn {
					fmt.Fprintf(&text, "exec %s -flavour w::%s\n", command, flavour)
				}
			}
			fmt.Fprint(&text, "exec nxc state verify\nexec sh -c 'test $(nxc state list | grep -vc ^data) = $(ls -d .nxc/fake/*/* | grep -c mark$)'\n")
		}
	}
	fmt.Fprint(&text, "\nexec nxc destroy -auto-approve\nexec sh -c '! ls -d .nxc/fake/*/* | grep .'\n\n")
	return text.String() + "-- .nxc/fake/things/.gitkeep --\n-- composition.nix --\n" + composition + strings.TrimRight(files.String(), "\n") + "\n"
}

// composed reports whether a trial needs Nix.
func (tr *trial) composed() bool {
	return slices.ContainsFunc(tr.steps, func(s step) bool { return s.nodes > 0 })
}

// run is a step's command, whatever its exit status.
func (s *step) run() string {
	command := "nxc " + s.command
	if s.only != "" && !strings.HasPrefix(s.command, "state") {
		command += " -flavour w::" + s.only
	}
	switch s.command {
	case "apply", "destroy":
		command += " -auto-approve"
		if s.serial {
			command += " -parallelism 1"
		}
	}
	if s.hangs() { // Ctrl-C, twice
		return fmt.Sprintf("exec sh -c '%s & sleep 1; kill -TERM $!; sleep 0.3; kill -TERM $! 2>/dev/null; wait $! || true'", command)
	}
	return fmt.Sprintf("exec sh -c '%s || true'", command)
}

func (d drift) script() string {
	folder := ".nxc/fake/things/" + d.name
	switch d.how {
	case "changed":
		return fmt.Sprintf("exec sh -c 'test ! -d %s || printf \"by hand\" >%s/content'", folder, folder)
	default:
		return fmt.Sprintf("exec rm -rf %s %s.mark", folder, folder)
	}
}

// aBadDay has a bit of everything that a trial may have.
var aBadDay = trial{steps: []step{
	{
		command: "apply", serial: true, heal: true,
		things: []thing{
			{label: "t0", name: "n0x", content: "p"},
			{label: "t1", name: "n1x", many: "count", n: 2, on: []int{0}, first: true},
			{label: "t2", name: "n2x", many: "for_each", n: 2, on: []int{0, 1}, after: true},
			{label: "t3", name: "n3x", on: []int{0}, data: true},
		},
		faults: []fake.Fault{{Verb: "create", Name: "n1x-1", When: fake.Half, How: fake.Crash}},
	},
	{
		command: "apply", serial: true,
		things: []thing{
			{label: "u0", was: "t0", name: "n0y", content: "q"},
			{label: "t1", name: "n1y", many: "count", n: 2, on: []int{0}, first: true},
		},
		drift: []drift{{"n1x-0", "gone"}, {"n3x", "changed"}},
		disk:  statetest.Fault{Step: statetest.Append, N: 6, How: statetest.Killed},
	},
	{
		command: "apply", heal: true, nodes: 2, nodesOn: []string{"a", "b"}, only: "b",
		things: []thing{{label: "u0", was: "t0", name: "n0y", content: "q"}},
		disk:   statetest.Fault{Step: statetest.Append, N: 5, How: statetest.Kill},
	},
	{
		command: "apply", heal: true, nodes: 1, nodesOn: []string{"b"},
		things: []thing{{label: "u0", was: "t0", name: "n0z", content: "q"}},
		faults: []fake.Fault{{Verb: "delete", Name: "*", When: fake.After, How: fake.Hang}},
	},
}}

// TestScript keeps the script of a trial in testdata/script, where it is run
// with the real programs, and plays the trial here.
func TestScript(t *testing.T) {
	if err := aBadDay.play(); err != nil {
		t.Error(err)
	}
	path := filepath.Join("..", "testdata", "script", "random_trial.txtar")
	want := aBadDay.script("A trial of TestRandomFaults in package deploy, written by `go test ./deploy -update`.")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not what its trial is written as (%v); run go test ./deploy -update", path, err)
	}
}
