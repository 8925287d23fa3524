package deploy_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"pgregory.net/rapid"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state"
	"github.com/nixos-compose/nxc/state/statetest"
)

// TestRandomFaults plays random trials: whatever goes wrong, at every record of
// every journal a kill would have lost nothing; one apply without faults
// converges, the plan after it is empty, the world and the state hold the
// same, and a destroy leaves nothing. A failure prints the smallest trial that
// was found as a script for testdata/script. `make random N=10000` plays more.
func TestRandomFaults(t *testing.T) {
	setDefault("rapid.nofailfile", "true") // the script is what to keep
	enough := time.Now().Add(24 * time.Hour)
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		enough = time.Now().Add(8 * time.Second) // nobody asked for a number
	}
	var found string
	t.Cleanup(func() {
		if found != "" {
			t.Log(found)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		if found == "" && time.Now().After(enough) {
			return
		}
		tr := drawTrial(t)
		if err := tr.play(); err != nil {
			found = fmt.Sprintf("%v\n\nAs a script for testdata/script:\n\n%s", err, tr.script("Found by TestRandomFaults."))
			t.Fatal("a trial went wrong; its smallest form is below") // always the same words, or rapid would not shrink
		}
	})
}

// setDefault sets a flag that nobody has set.
func setDefault(name, value string) {
	if f := flag.Lookup(name); f != nil && f.Value.String() == f.DefValue {
		_ = f.Value.Set(value)
	}
}

// play runs a trial in a folder of its own.
func (tr *trial) play() error {
	dir, err := os.MkdirTemp("", "nxc-random-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &sandbox{dir: dir, root: filepath.Join(dir, ".nxc", "fake")}
	for i := range tr.steps {
		s := &tr.steps[i]
		if err := b.play(s); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if err := b.well("destroy", ""); err != nil {
		return err
	}
	if err := b.compare(); err != nil {
		return fmt.Errorf("after the destroy, %w", err)
	}
	if left := fake.Objects(b.root); len(left) > 0 {
		return fmt.Errorf("the destroy left %v", left)
	}
	if s, _, err := state.Read(b.stateFile()); err != nil || s.Len() > 0 || len(s.Open) > 0 {
		return fmt.Errorf("after the destroy the state has %d resources, %d commands (%v)", s.Len(), len(s.Open), err)
	}
	return nil
}

// sandbox is a user's folder.
type sandbox struct{ dir, root string }

func (b *sandbox) stateFile() string { return filepath.Join(b.dir, "nxc.state.json") }

// play does a step: what others do, the command with its faults, and the
// healing.
func (b *sandbox) play(s *step) error {
	for _, d := range s.drift {
		if err := b.disturb(d); err != nil {
			return err
		}
	}
	if err := b.write(s.configuration(true), s.faultsFile()); err != nil {
		return err
	}
	if err := b.faulty(s); err != nil {
		return err
	}
	if err := b.write(s.configuration(false), ""); err != nil {
		return err
	}
	if !s.heal {
		return nil
	}
	for _, command := range []string{"apply", "plan"} {
		if err := b.well(command, ""); err != nil {
			return err
		}
		for _, flavour := range s.nodesOn {
			if err := b.well(command, flavour); err != nil {
				return err
			}
		}
	}
	return b.compare()
}

func (b *sandbox) disturb(d drift) error {
	folder := filepath.Join(b.root, "things", d.name)
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	switch d.how {
	case "changed":
		return os.WriteFile(filepath.Join(folder, "content"), []byte("by hand"), 0o600)
	default:
		return errors.Join(os.RemoveAll(folder), os.Remove(folder+".mark"))
	}
}

func (b *sandbox) write(configuration, faults string) error {
	if err := os.MkdirAll(b.root, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.root, fake.FaultsFile), []byte(faults), 0o600); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(b.dir, "composition.nix"), []byte(composition), 0o644),
		os.WriteFile(filepath.Join(b.dir, "main.nxc.hcl"), []byte(configuration), 0o644))
}

// faulty runs a step's command, which may fail, and checks what a kill at any
// moment of it would have left.
func (b *sandbox) faulty(s *step) error {
	c := &session{sandbox: b, plugins: &inProcess{}, flavour: s.only, parallelism: 4}
	if s.serial {
		c.parallelism = 1
	}
	ctx, hard := context.Background(), context.Background()
	if s.hangs() { // also with deadlines: not every verb has one
		patience := 60 * time.Millisecond
		if s.timeout {
			patience *= 5
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
		hard, cancel = context.WithTimeout(hard, patience+60*time.Millisecond)
		defer cancel()
	}
	failing := &statetest.Failing{Fault: s.disk, Kill: c.plugins.kill}
	prefixes := &statetest.Prefixes{Under: failing, World: b.world}
	c.disk = prefixes
	_, _ = c.run(ctx, hard, s.command) // it may fail in every way
	emergencies, _ := filepath.Glob(b.stateFile() + ".emergency-*")
	for _, path := range emergencies { // a killed command writes none, and the journal must do without
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return prefixes.Check()
}

// well runs a command without faults, about a flavour or the default, which
// must succeed.
func (b *sandbox) well(command, flavour string) error {
	prefixes := &statetest.Prefixes{World: b.world}
	c := &session{sandbox: b, plugins: &inProcess{}, disk: prefixes, flavour: flavour, parallelism: 4}
	changes, diags := c.run(context.Background(), context.Background(), command)
	if diags.HasErrors() {
		return fmt.Errorf("%s %s without faults: %w", command, flavour, diags)
	}
	if command == "plan" && changes != "" {
		return fmt.Errorf("the plan after the apply is not empty: %s", changes)
	}
	return prefixes.Check()
}

func (b *sandbox) world() map[string]string { return fake.Attempts(b.root) }

// compare demands that the state and the world hold the same attempts.
func (b *sandbox) compare() error {
	store, err := state.Open(context.Background(), state.Options{Dir: b.dir, StateHome: filepath.Join(b.dir, ".home")})
	if err != nil {
		return err
	}
	snap, err := store.Load(context.Background())
	if err != nil {
		return err
	}
	now := snap.State
	if err := now.Verify(); err != nil {
		return err
	}
	if len(snap.Recovered) > 0 {
		return fmt.Errorf("a command is not dealt with: %+v", *snap.Recovered[0])
	}
	var known []string
	for _, r := range now.Resources() {
		for _, i := range append([]state.Incarnation{r.Incarnation}, r.Deposed...) {
			if i.Provider != "" {
				known = append(known, i.Attempt)
			}
		}
	}
	slices.Sort(known)
	if there := slices.Sorted(maps.Keys(b.world())); !slices.Equal(known, there) {
		return fmt.Errorf("the state has %v, and the world %v", known, there)
	}
	return nil
}

// session is one command.
type session struct {
	*sandbox
	plugins     *inProcess
	disk        state.Disk
	flavour     string
	parallelism int
}

// run does what the command of that name does. It returns what a plan says.
func (c *session) run(ctx, hard context.Context, command string) (string, hcl.Diagnostics) {
	var flavours []string
	if c.flavour != "" {
		flavours = []string{"w::" + c.flavour}
	}
	p, diags := deploy.Open(ctx, deploy.Options{
		Dir: c.dir, StateHome: filepath.Join(c.dir, ".home"), CacheHome: filepath.Join(c.dir, ".cache"), RuntimeDir: filepath.Join(c.dir, ".run"),
		All: command == "destroy", Flavours: flavours, Command: command, Version: "0.1.0", Plugins: c.plugins, Events: quiet{}, Disk: c.disk, Standin: embedded,
	}, func(map[string]*hcl.File) {})
	if diags.HasErrors() {
		return "", diags
	}
	defer p.Close(context.Background())
	switch command {
	case "refresh":
		_, diags := p.Refresh(ctx)
		return "", diags
	case "state recover":
		_, diags := p.Recover(ctx, nil)
		return "", diags
	}
	planned, diags := p.Plan(ctx, deploy.PlanOptions{Destroy: command == "destroy"})
	if diags.HasErrors() {
		return "", diags
	}
	if command == "plan" {
		return changes(planned), nil
	}
	applied, diags := p.Apply(ctx, planned, deploy.ApplyOptions{Parallelism: c.parallelism, Hard: hard})
	if !diags.HasErrors() && (applied.Failed || applied.Interrupted) {
		return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("It failed without a word: %+v", *applied)}}
	}
	return "", diags
}

func changes(planned *deploy.Planned) string {
	if !planned.HasChanges() {
		return ""
	}
	all := "something"
	for i := range planned.Plan.Changes {
		if ch := &planned.Plan.Changes[i]; ch.Action != plan.NoOp {
			all += fmt.Sprintf(", %s %s", ch.Action, ch.Addr)
		}
	}
	return all + strings.Join(planned.Notices, ", ")
}

// quiet is told everything and says nothing.
type quiet struct{}

func (quiet) Started(apply.Operation)                             {}
func (quiet) Progress(apply.Operation, apply.Progress)            {}
func (quiet) Done(apply.Operation, time.Duration, []plan.Problem) {}
func (quiet) Skipped(*plan.Change, addr.Instance)                 {}
func (quiet) Waits(string)                                        {}
func (quiet) Step(string)                                         {}
func (quiet) Nix(addr.Deployment, nix.Event)                      {}
func (quiet) Warn(hcl.Diagnostics)                                {}

// embedded is nxc's own small nixpkgs, where users have it too.
func embedded(ctx context.Context, storeRoot string, progress func(string)) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return standin.Ensure(ctx, standin.Options{CacheDir: filepath.Join(cache, "nxc", "standin"), StoreRoot: storeRoot}, progress)
}
