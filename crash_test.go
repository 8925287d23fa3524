package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/state"
)

var (
	kills     = flag.Int("kills", 0, "how often TestCrash kills something in each of its worlds; 0 is a few")
	crashSeed = flag.Uint64("crash-seed", 0, "repeat the choices of an earlier TestCrash; 0 draws new ones")
)

// TestCrash ends nxc, its providers, or both, with SIGKILL, at random instants
// of an apply or a destroy, and then demands what the website promises: one
// apply converges, the plan after it is empty, the state and the world hold
// exactly the same objects, and a destroy leaves nothing.
//
// A few kills run each time; "make crash N=200" does more of them, and prints
// what became of each.
func TestCrash(t *testing.T) {
	for _, newWorld := range []func(*testing.T) *world{nullWorld, fakeWorld, dockerWorld, qemuWorld, g5kWorld} {
		w := newWorld(t)
		t.Run(w.name, w.run)
	}
}

// world is a place where things are made, and a configuration of them.
type world struct {
	name    string
	skip    string // why it cannot be had here
	few     int    // kills in a short run
	config  string // has the variables n and word
	most    int    // for n
	prepare func(t *testing.T, w *world)
	outside func(t *testing.T, w *world) []string // attempts of what exists, sorted

	nxc, dir string
	env      []string
	random   *rand.Rand
	takes    map[moment]time.Duration // undisturbed, as it was lately
	tally    tally
}

// tally counts the kills and what became of them.
type tally struct {
	kills, recovered, lost, leaked int

	rivals   int // kills with another nxc waiting or at work
	applying int // kills while the journal was open
	underWay int // kills that left operations of which the end was not known
}

func (c tally) String() string {
	return fmt.Sprintf("%d kills, %d recovered, %d lost, %d leaked; %d came during the apply itself, %d of them left operations under way; "+
		"at %d another nxc was there",
		c.kills, c.recovered, c.lost, c.leaked, c.applying, c.underWay, c.rivals)
}

func (w *world) run(t *testing.T) {
	if w.skip != "" {
		t.Skip(w.skip)
	}
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	w.random = rand.New(rand.NewPCG(seed, 0))
	w.dir, w.takes = t.TempDir(), map[moment]time.Duration{}
	var err error
	if w.nxc, err = exec.LookPath("nxc"); err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(w.dir, ".home"), "NO_COLOR=1",
		"NXC_PLUGIN_TIMEOUT=3m") // how busy the machine is, is not what is tried
	if w.prepare != nil {
		w.prepare(t, w)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "main.nxc.hcl"), []byte(w.config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			w.command("destroy", w.variant()).Run()
		}
	})
	w.measure(t)
	times := *kills
	if times == 0 {
		times = w.few
	}
	for i := range times {
		if end, bounded := t.Deadline(); bounded && time.Until(end) < 45*time.Second && i >= w.few {
			break // -timeout bounds a long run: it ends in time to clean up and to count
		}
		w.round(t, i)
		if t.Failed() {
			t.Fatalf("repeat with -crash-seed %d", seed)
		}
	}
	w.clean(t)
	t.Logf("%s: %s", w.name, w.tally)
}

// variant is a way to set the variables: other numbers, updates, replacements.
func (w *world) variant() []string {
	return []string{
		"-var", "n=" + strconv.Itoa(1+w.random.IntN(w.most)),
		"-var", "word=" + string('a'+rune(w.random.IntN(3))),
	}
}

// command is nxc with a verb.
func (w *world) command(verb string, args []string) *exec.Cmd {
	args = append([]string{verb}, args...)
	if verb != "plan" {
		args = append(args, "-auto-approve")
	}
	c := exec.Command(w.nxc, args...)
	c.Dir, c.Env = w.dir, w.env
	return c
}

// must runs a command that has to succeed, and returns what it said.
func (w *world) must(t *testing.T, what, verb string, args ...string) string {
	t.Helper()
	out, err := w.command(verb, args).CombinedOutput()
	if err != nil {
		t.Errorf("%s: nxc %s %s: %v\n%s", what, verb, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// measure takes the time of verbs that nobody disturbs.
func (w *world) measure(t *testing.T) {
	most := []string{"-var", "n=" + strconv.Itoa(w.most), "-var", "word=a"}
	for _, verb := range []string{"apply", "destroy"} {
		begin := time.Now()
		w.must(t, "undisturbed", verb, most...)
		w.takes[moment{verb, false}] = time.Since(begin)
		w.takes[moment{verb, true}] = time.Since(begin) / 2
	}
	if t.Failed() {
		t.FailNow()
	}
}

// round kills once, recovers, and looks.
func (w *world) round(t *testing.T, i int) {
	verb := "apply"
	if w.random.IntN(4) == 0 {
		verb = "destroy"
	}
	who := []victim{theCommand, theProviders, both}[w.random.IntN(3)]
	m := moment{verb, w.random.IntN(3) > 0}
	after := time.Duration(w.random.Int64N(int64(w.takes[m])*8/10 + 1)) // later, most have ended
	during := w.variant()
	var rival *exec.Cmd
	if w.random.IntN(4) == 0 { // it takes over what the kill leaves, or finds its plan out of date
		rival = w.command("apply", append(w.variant(), "-lock-timeout", "2m"))
	}
	hit, out := w.kill(t, m, during, who, after, rival)
	what := fmt.Sprintf("kill %d, of %s, %s after %s nxc %s %s", i+1, who, after.Round(100*time.Microsecond),
		map[bool]string{false: "the start of", true: "the journal of"}[m.inside], verb, strings.Join(during, " "))
	if hit {
		w.tally.kills++
		w.tally.underWay += w.openJournals(t)
	} else {
		what += " (it had ended)"
	}
	if rival != nil {
		what += ", beside another nxc"
		if hit {
			w.tally.rivals++
		}
	}
	if before, _, err := state.Read(w.stateFile()); err != nil {
		t.Errorf("%s: %v", what, err)
	} else if err := before.Verify(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	then := w.variant()
	if w.random.IntN(2) == 0 {
		then = during
	}
	healed := w.must(t, what, "apply", then...)
	w.must(t, what+", and an apply", "plan", append(then, "-detailed-exitcode")...)
	w.compare(t, what)
	if t.Failed() {
		t.Logf("what was killed had said:\n%s\nwhat came after it said:\n%s", out, healed)
		return
	}
	if hit {
		w.tally.recovered++
	}
	if testing.Verbose() && *kills > 0 {
		t.Logf("recovered: %s", what)
	}
}

// compare demands that the state and the world hold the same objects.
func (w *world) compare(t *testing.T, what string) {
	t.Helper()
	s, _, err := state.Read(w.stateFile())
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if len(s.Open) > 0 {
		t.Errorf("%s: the state says that %v runs", what, s.Open)
	}
	if left := w.journals(); len(left) > 0 {
		t.Errorf("%s: journals are left: %v", what, left)
	}
	var known []string
	for _, r := range s.Resources() {
		if r.Exists() {
			known = append(known, r.Attempt)
		}
		for _, d := range r.Deposed {
			known = append(known, d.Attempt)
		}
	}
	if w.outside == nil {
		return
	}
	there := w.outside(t, w)
	for _, a := range there {
		if !slices.Contains(known, a) {
			w.tally.leaked++
			t.Errorf("%s: attempt %s exists, and the state does not know it", what, a)
		}
	}
	for _, a := range known {
		if !slices.Contains(there, a) {
			w.tally.lost++
			t.Errorf("%s: attempt %s is in the state, and does not exist", what, a)
		}
	}
}

// clean destroys everything and demands that nothing is left.
func (w *world) clean(t *testing.T) {
	w.must(t, "at the end", "destroy")
	s, _, err := state.Read(w.stateFile())
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() > 0 {
		t.Errorf("after destroy the state has %d resources", s.Len())
	}
	w.compare(t, "after destroy")
}

func (w *world) stateFile() string { return filepath.Join(w.dir, "nxc.state.json") }

func (w *world) journals() []string {
	list, _ := filepath.Glob(filepath.Join(w.dir, ".nxc", "journal", "*.journal"))
	return list
}

// openJournals counts the journals with an operation of which they do not say
// how it ended.
func (w *world) openJournals(t *testing.T) int {
	n := 0
	for _, path := range w.journals() {
		j, err := state.ReadJournal(path)
		if err != nil {
			t.Error(err)
			continue
		}
		open := map[string]bool{}
		for _, r := range j.Records {
			if r.Intent != nil {
				open[r.Intent.Address.String()+" "+r.Intent.Attempt] = true
			}
			if r.Result != nil {
				delete(open, r.Result.Address.String()+" "+r.Result.Attempt)
			}
		}
		if len(open) > 0 {
			n++
		}
	}
	return n
}

// lines runs a program and returns the lines that it prints.
func lines(t *testing.T, program string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, failed.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
