package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// testbed is a script's own Grid'5000, on this machine.
type testbed struct {
	*simulator.Simulator
	heard int // requests before the present verb
}

func (b *testbed) close() {
	if b.Simulator != nil {
		b.Close()
	}
}

// testbedCommand is what scripts say to it:
//
//	testbed start [nodes=KIND] [CLUSTER=NODES…]    starts it, and points nxc at it
//	testbed jobs SITE N               waits until so many jobs run or wait
//	testbed kill SITE                 kills the newest job
//	testbed reserve SITE RESOURCES TYPE    makes a job of the user's, outside nxc: $JOB, its
//	                                  network $VLAN, and its nodes in the file machines
//	testbed fail NODE N               lets the next N deployments of a node fail
//	testbed lose NODE                 lets its next deployment end well, and the node be dead
//	testbed node NODE STATE           has a node die (Dead), or come back (Alive)
//	testbed fault METHOD PATH STATUS N    answers with a proxy's page, N times
//	testbed clear                     takes such faults back
//	testbed asked METHOD PATH         waits until it is asked for, counted from the verb before
//	testbed other SITE RESOURCES      has another user submit a job
//	testbed stall SITE on|off         stops its scheduler
//	testbed refuse SITE STATUS TEXT   refuses the next job
//	testbed cut METHOD PATH N         cuts the connection instead of answering, N times
//	testbed advance DURATION          moves its clock
//	testbed home SITE FILE there|gone says whether the home at a site has a file
func testbedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: testbed VERB ARGUMENT…")
	}
	b := ts.Value(testbedValue{}).(*testbed)
	if args[0] == "start" {
		ts.Check(b.start(ts, args[1:]))
		return
	}
	verbs := map[string]struct {
		arguments int
		do        func(args []string) error
	}{
		"reserve": {3, func(args []string) error { return b.reserve(ts, args[0], args[1], args[2]) }},
		"fail":    {2, func(args []string) error { return b.fail(args[0], args[1]) }},
		"lose":    {1, func(args []string) error { b.LoseDeployment(args[0] + grenoble); return nil }},
		"node":    {2, func(args []string) error { return b.SetNode(args[0]+grenoble, oar.NodeState(args[1])) }},
		"fault":   {4, func(args []string) error { return b.fault(args[0], args[1], args[2], args[3]) }},
		"clear":   {0, func([]string) error { b.ClearFaults(); return nil }},
		"asked":   {2, func(args []string) error { return b.asked(args[0], args[1]) }},
		"jobs":    {2, func(args []string) error { return b.awaitJobs(args[0], args[1]) }},
		"kill":    {1, func(args []string) error { return b.kill(args[0]) }},
		"other":   {2, func(args []string) error { return b.other(args[0], args[1]) }},
		"stall":   {2, func(args []string) error { return b.StallJobs(args[0], args[1] == "on") }},
		"refuse":  {3, func(args []string) error { return b.refuse(args[0], args[1], args[2]) }},
		"cut":     {3, func(args []string) error { return b.cut(args[0], args[1], args[2]) }},
		"home":    {3, func(args []string) error { return b.home(args[0], args[1], args[2]) }},
		"advance": {1, func(args []string) error { return b.advance(args[0]) }},
	}
	verb, ok := verbs[args[0]]
	if !ok || len(args)-1 != verb.arguments {
		ts.Fatalf("testbed %s: no such verb, or not its arguments", strings.Join(args, " "))
	}
	ts.Check(verb.do(args[1:]))
	b.heard = len(b.Requests())
}

// testbedValue is the key of a script's testbed.
type testbedValue struct{}

// start starts it with the clusters named, on which an hour takes half a minute.
func (b *testbed) start(ts *testscript.TestScript, clusters []string) error {
	sizes := map[string]int{}
	o := simulator.Options{User: "jdoe", Password: "secret-word", Clusters: sizes, Speed: 120}
	for _, c := range clusters {
		name, number, _ := strings.Cut(c, "=")
		if name == "nodes" {
			o.Nodes = simulator.Kind(number)
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		sizes[name] = n
	}
	if text, err := os.ReadFile(ts.MkAbs(".ssh/id_ed25519.pub")); err == nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return err
		}
		o.Keys = append(o.Keys, key)
	}
	if o.Nodes == simulator.Machines {
		machine, err := standardMachine(ts, o.User)
		if err != nil {
			return err
		}
		o.Machine = machine
	}
	s, err := simulator.Start(o)
	if err != nil {
		return err
	}
	b.Simulator = s
	ts.Setenv("NXC_G5K_API", s.API())
	ts.Setenv("NXC_G5K_GATEWAY", s.Gateway())
	ts.Setenv("NXC_G5K_KNOWN_HOSTS", s.KnownHosts())
	ts.Setenv("G5K_LOGIN", "jdoe")
	ts.Setenv("G5K_PASSWORD", "secret-word")
	return nil
}

// standardMachine is the standard environment of nodes that are machines: a
// light system that user logs in on, who becomes root by sudo-g5k.
func standardMachine(ts *testscript.TestScript, user string) (simulator.Machine, error) {
	index, err := standin.Ensure(context.Background(), standin.Options{}, nil)
	if err != nil {
		return simulator.Machine{}, err
	}
	build := exec.Command("nix-build", "--no-out-link", "--option", "substitute", "false", "--option", "build-users-group", "",
		"--argstr", "index", index, filepath.Join(ts.Getenv("REPO"), "providers", "g5k", "testdata", "metal.nix"))
	var complaint strings.Builder
	build.Stderr = &complaint
	built, err := build.Output()
	if err != nil {
		return simulator.Machine{}, fmt.Errorf("nix-build: %w: %s", err, complaint.String())
	}
	image := strings.TrimSpace(string(built))
	return simulator.Machine{
		Kernel: filepath.Join(image, "kernel"), Initrd: filepath.Join(image, "initrd"), Memory: "1G",
		CommandLine: "mitigations=off tsc=reliable no_timer_check loglevel=4",
		Files: func(s simulator.Standard) map[string][]byte {
			return map[string][]byte{
				"nxc-context/etc/nxc/role": []byte("node\n"), "nxc-context/etc/nxc/node": []byte(s.Name + "\n"), "nxc-context/etc/nxc/user": []byte(user + "\n"),
				"nxc-context/etc/nxc/authorized_keys": s.AuthorizedKeys, "nxc-context/etc/nxc/private/ssh_host_ed25519_key": s.HostKey,
			}
		},
	}, nil
}

// unfinished lists the numbers of jobs that have not ended.
func (b *testbed) unfinished(site string) (ids []int) {
	for _, j := range b.Jobs(site) {
		if !j.State.Ends() {
			ids = append(ids, j.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (b *testbed) awaitJobs(site, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); len(b.unfinished(site)) != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("after a minute %s has the jobs %v, not %d", site, b.unfinished(site), n)
		}
	}
	return nil
}

func (b *testbed) kill(site string) error {
	ids := b.unfinished(site)
	if len(ids) == 0 {
		return fmt.Errorf("there is no job at %s", site)
	}
	return b.KillJob(site, ids[len(ids)-1])
}

func (b *testbed) other(site, resources string) error {
	_, err := b.SubmitJob(site, oar.Submission{User: "other", Resources: resources, Command: "sleep 1d"})
	return err
}

// grenoble is the domain of the nodes that scripts name.
const grenoble = ".grenoble.grid5000.fr"

// reserve makes a job, and waits until it has its nodes. As OAR
// does, it lists each node once for each of some cores.
func (b *testbed) reserve(ts *testscript.TestScript, site, resources, kind string) error {
	made, err := b.SubmitJob(site, oar.Submission{User: "jdoe", Resources: resources, Types: []string{kind}, Command: "sleep 1d"})
	if err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		for _, j := range b.Jobs(site) {
			if j.ID != made.ID || j.State != oar.Running {
				continue
			}
			ts.Setenv("JOB", strconv.Itoa(j.ID))
			if len(j.Vlans) > 0 {
				ts.Setenv("VLAN", j.Vlans[0])
			}
			return os.WriteFile(ts.MkAbs("machines"), []byte(strings.Repeat(strings.Join(j.Nodes, "\n")+"\n", 2)), 0o600)
		}
		if time.Now().After(end) {
			return fmt.Errorf("job %d does not run after a minute", made.ID)
		}
	}
}

func (b *testbed) fail(node, times string) error {
	n, err := strconv.Atoi(times)
	for range n {
		b.FailDeployment(node + grenoble)
	}
	return err
}

func (b *testbed) fault(method, path, status, times string) error {
	code, err := strconv.Atoi(status)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(times)
	b.Inject(simulator.Fault{Method: method, Path: path, Status: code, Times: n})
	return err
}

func (b *testbed) asked(method, path string) error {
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if slices.ContainsFunc(b.Requests()[b.heard:], func(r simulator.Request) bool { return r.Method == method && strings.Contains(r.Path, path) }) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("after a minute nobody asked for %s %s", method, path)
		}
	}
}

func (b *testbed) refuse(site, status, text string) error {
	code, err := strconv.Atoi(status)
	if err != nil {
		return err
	}
	return b.RefuseJobs(site, code, text)
}

func (b *testbed) cut(method, path, times string) error {
	n, err := strconv.Atoi(times)
	b.Inject(simulator.Fault{Method: method, Path: path, Cut: true, Times: n})
	return err
}

func (b *testbed) home(site, file, want string) error {
	got := "there"
	if _, err := os.Lstat(filepath.Join(b.Home(site), file)); err != nil {
		got = "gone"
	}
	if got != want {
		return fmt.Errorf("in the home at %s, %s is %s", site, file, got)
	}
	return nil
}

func (b *testbed) advance(text string) error {
	d, err := time.ParseDuration(text)
	if err == nil {
		b.Advance(d)
	}
	return err
}

// g5kWorld is jobs of a simulated Grid'5000: what must never be lost, nor made
// twice.
func g5kWorld(t *testing.T) *world {
	b := &testbed{}
	w := &world{name: "g5k", few: 4, most: 3, config: `
variable "n" {
  type = number
}

variable "word" {}

provider "g5k" {
  poll = "20ms"
}

resource "g5k_job" "many" {
  count    = var.n
  site     = "grenoble"
  nodes    = 1
  walltime = "160h"
  project  = var.word
}

resource "g5k_job" "longer" {
  site     = "lyon"
  nodes    = 2
  walltime = { a = "160h", b = "161h", c = "162h" }[var.word]
}
`}
	w.prepare = func(t *testing.T, w *world) {
		s, err := simulator.Start(simulator.Options{User: "jdoe", Clusters: map[string]int{"dahu": 8, "taurus": 8}, Speed: 60})
		if err != nil {
			t.Fatal(err)
		}
		b.Simulator = s
		t.Cleanup(b.close)
		w.env = append(w.env, "NXC_G5K_API="+s.API(), "NXC_G5K_GATEWAY=", "G5K_LOGIN=jdoe")
	}
	w.outside = func(t *testing.T, w *world) (attempts []string) {
		for _, site := range []string{"grenoble", "lyon"} {
			for _, j := range b.Jobs(site) {
				if !j.State.Ends() {
					attempts = append(attempts, j.Name[strings.LastIndex(j.Name, "-")+1:])
				}
			}
		}
		slices.Sort(attempts)
		return attempts
	}
	return w
}
