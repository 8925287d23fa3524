package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state/statetest"
)

// inProcess are plugins without processes. It counts what could write.
type inProcess struct {
	mu     sync.Mutex
	writes map[string]int
	offer  map[string]sdk.Provider
	lose   map[string]loss // by address
	moved  string          // what the location's id ends with, to seem another place
}

var _ Plugins = (*inProcess)(nil)

func newInProcess() *inProcess {
	return &inProcess{writes: map[string]int{}, offer: map[string]sdk.Provider{"fake": fake.Provider()}}
}

func (p *inProcess) Names() []string { return sortedKeys(p.offer) }

func (p *inProcess) Schema(ctx context.Context, name string) (*plugins.Schema, plugins.Diagnostics) {
	provider, err := sdk.New(p.offer[name])
	if err != nil {
		return nil, plugins.NewError("No such provider", err.Error())
	}
	return provider.Schema(ctx)
}

func (p *inProcess) Start(_ context.Context, name string) (Plugin, plugins.Diagnostics) {
	provider, err := sdk.New(p.offer[name])
	if err != nil {
		return nil, plugins.NewError("No such provider", err.Error())
	}
	return &counted{Provider: provider, p: p}, nil
}

func (p *inProcess) Survivors(int) []int { return nil }

func (p *inProcess) count(verb string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes[verb]++
}

// counted is a provider that notes each call that may change something.
type counted struct {
	plugins.Provider
	p *inProcess
}

func (c *counted) Configure(ctx context.Context, r plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics) {
	l, d := c.Provider.Configure(ctx, r)
	l.ID += c.p.moved
	return l, d
}

func (c *counted) Apply(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
	c.p.count("Apply")
	do := func() plugins.ApplyResult { return c.Provider.Apply(ctx, r, progress) }
	if l := c.p.lose[r.Operation.Address]; l != 0 {
		return l.result(do, r)
	}
	return do()
}

func (c *counted) SetContext(ctx context.Context, n plugins.Node, x plugins.Context) plugins.Diagnostics {
	c.p.count("SetContext")
	return c.Provider.SetContext(ctx, n, x)
}

func (c *counted) Exec(ctx context.Context, n plugins.Node, x plugins.Process) (int, plugins.Diagnostics) {
	c.p.count("Exec")
	return c.Provider.Exec(ctx, n, x)
}

func (c *counted) Copy(ctx context.Context, n plugins.Node, x plugins.Copy) plugins.Diagnostics {
	c.p.count("Copy")
	return c.Provider.Copy(ctx, n, x)
}

func (c *counted) Power(ctx context.Context, n plugins.Node, a plugins.PowerAction, progress func(plugins.Progress)) plugins.Diagnostics {
	c.p.count("Power")
	return c.Provider.Power(ctx, n, a, progress)
}

func (c *counted) Monitor(ctx context.Context, n plugins.Node, command string) (string, plugins.Diagnostics) {
	c.p.count("Monitor")
	return c.Provider.Monitor(ctx, n, command)
}

func (c *counted) Link(ctx context.Context, n plugins.Node, l plugins.Link) plugins.Diagnostics {
	c.p.count("Link")
	return c.Provider.Link(ctx, n, l)
}

func (c *counted) Close(ctx context.Context) error { return c.Stop(ctx) }

// silent hears events and forgets them.
type silent struct{}

func (silent) Waits(string)                                        {}
func (silent) Step(string)                                         {}
func (silent) Nix(addr.Deployment, nix.Event)                      {}
func (silent) Warn(hcl.Diagnostics)                                {}
func (silent) Started(apply.Operation)                             {}
func (silent) Progress(apply.Operation, apply.Progress)            {}
func (silent) Done(apply.Operation, time.Duration, []plan.Problem) {}
func (silent) Skipped(*plan.Change, addr.Instance)                 {}

// folder is a user's: a configuration, its state, and what is outside.
type folder struct {
	dir, home, outside string
	plugins            *inProcess
}

const things = `
variable "word" { default = "a" }
variable "n" { default = 2 }

provider "fake" { root = "%s" }

resource "fake_thing" "base" {
  count   = var.n
  name    = "base${count.index}"
  content = var.word
}

resource "fake_thing" "named" {
  name    = "named-${var.word}"
  content = fake_thing.base[0].id
}

output "id" { value = fake_thing.named.id }
`

func newFolder(t *testing.T) *folder {
	t.Helper()
	root := t.TempDir()
	f := &folder{dir: filepath.Join(root, "project"), home: filepath.Join(root, "home"), outside: filepath.Join(root, "outside"), plugins: newInProcess()}
	for _, dir := range []string{f.dir, f.outside} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(things, "%s", f.outside, 1)
	if err := os.WriteFile(filepath.Join(f.dir, "main.nxc.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return f
}

// open opens the project as a command does, with variables as NAME=VALUE.
func (f *folder) open(t *testing.T, variables ...string) *Project {
	t.Helper()
	disk := &statetest.Prefixes{World: func() map[string]string { return fake.Attempts(f.outside) }}
	o := Options{
		Disk: disk,
		Dir:  f.dir, StateHome: f.home, CacheHome: filepath.Join(f.home, "cache"), RuntimeDir: filepath.Join(f.home, "run"),
		Command: "test", Version: "0.1.0", Plugins: f.plugins, Events: silent{},
	}
	for _, v := range variables {
		o.Inputs = append(o.Inputs, config.InputArgument{Text: v})
	}
	p, diags := Open(t.Context(), o, func(map[string]*hcl.File) {})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	t.Cleanup(func() {
		p.Close(context.WithoutCancel(t.Context()))
		if err := disk.Check(); err != nil { // a kill at any record of it
			t.Error(err)
		}
	})
	return p
}

func (f *folder) plan(t *testing.T, o PlanOptions, variables ...string) (*Project, *Planned) {
	t.Helper()
	p := f.open(t, variables...)
	planned, diags := p.Plan(t.Context(), o)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p, planned
}

func (f *folder) apply(t *testing.T, o PlanOptions, variables ...string) *Applied {
	t.Helper()
	p, planned := f.plan(t, o, variables...)
	applied, diags := p.Apply(t.Context(), planned, ApplyOptions{Parallelism: 4})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return applied
}

// files is everything in the project, the state's home and outside, by content.
func (f *folder) files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, root := range []string{f.dir, f.home, f.outside} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case os.IsNotExist(err):
				return nil
			case err != nil:
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			sum := ""
			switch {
			case info.Mode().IsRegular():
				content, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				digest := sha256.Sum256(content)
				sum = hex.EncodeToString(digest[:])
			case info.Mode()&fs.ModeSymlink != 0:
				sum, err = os.Readlink(path)
			}
			all[path] = fmt.Sprint(info.Mode(), " ", sum)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// thing returns the file that stands for the named object.
func (f *folder) thing(name string) string {
	return filepath.Join(f.outside, "things", name, "content")
}

// TestPlanIsDry counts what a plan writes, through its providers and by
// itself: nothing, whatever it plans.
func TestPlanIsDry(t *testing.T) {
	for name, c := range map[string]struct {
		applied   bool
		disturb   func(t *testing.T, f *folder)
		options   PlanOptions
		variables []string
		changes   bool
	}{
		"nothing exists":         {changes: true},
		"destroy of nothing":     {options: PlanOptions{Destroy: true}},
		"nothing to do":          {applied: true},
		"updates and a replaced": {applied: true, variables: []string{"word=b"}, changes: true},
		"fewer":                  {applied: true, variables: []string{"n=1"}, changes: true},
		"asked for": {
			applied: true, changes: true,
			options: PlanOptions{Replace: []addr.Instance{{Type: "fake_thing", Name: "named"}}},
		},
		"destroy": {applied: true, options: PlanOptions{Destroy: true}, changes: true},
		"drift": {applied: true, changes: true, disturb: func(t *testing.T, f *folder) {
			if err := os.WriteFile(f.thing("base0"), []byte("somebody was here"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"gone": {applied: true, changes: true, disturb: func(t *testing.T, f *folder) {
			if err := os.RemoveAll(filepath.Dir(f.thing("base1"))); err != nil {
				t.Fatal(err)
			}
		}},
		"a lost .nxc": {applied: true, disturb: func(t *testing.T, f *folder) {
			if err := os.RemoveAll(filepath.Join(f.dir, ".nxc")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			if c.applied {
				f.apply(t, PlanOptions{})
			}
			if c.disturb != nil {
				c.disturb(t, f)
			}
			clear(f.plugins.writes)
			before := f.files(t)
			p, planned := f.plan(t, c.options, c.variables...)
			p.Close(t.Context())
			if got := planned.HasChanges(); got != c.changes {
				t.Errorf("changes: %v, want %v", got, c.changes)
			}
			if len(f.plugins.writes) > 0 {
				t.Errorf("a plan wrote through its provider: %v", f.plugins.writes)
			}
			after := f.files(t)
			for _, path := range slices.Sorted(maps.Keys(after)) {
				if after[path] != before[path] {
					t.Errorf("a plan wrote %s", strings.TrimPrefix(path, filepath.Dir(f.dir)))
				}
			}
			for _, path := range slices.Sorted(maps.Keys(before)) {
				if _, still := after[path]; !still {
					t.Errorf("a plan removed %s", strings.TrimPrefix(path, filepath.Dir(f.dir)))
				}
			}
		})
	}
}

// TestApply goes the whole way: what a plan says is what an apply does, and
// the next plan has nothing to do.
func TestApply(t *testing.T) {
	f := newFolder(t)
	steps := []struct {
		name      string
		options   PlanOptions
		variables []string
		want      Applied
	}{
		{"create", PlanOptions{}, nil, Applied{Created: 3}},
		{"nothing", PlanOptions{}, nil, Applied{}},
		{"change and replace", PlanOptions{}, []string{"word=b"}, Applied{Changed: 2, Replaced: 1}},
		{"fewer", PlanOptions{}, []string{"word=b", "n=1"}, Applied{Destroyed: 1}},
		{"destroy", PlanOptions{Destroy: true}, nil, Applied{Destroyed: 2, Destroy: true}},
	}
	for _, s := range steps {
		got := f.apply(t, s.options, s.variables...)
		got.Outputs = nil
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", s.want) {
			t.Errorf("%s: got %+v, want %+v", s.name, *got, s.want)
		}
	}
	if n := f.plugins.writes["Apply"]; n != 10 { // a replacement is two
		t.Errorf("%d operations were counted, want 10: the count is what other tests rely on", n)
	}
	left, err := os.ReadDir(filepath.Join(f.outside, "things"))
	if err == nil && len(left) > 0 {
		t.Errorf("destroy left %v", left)
	}
}

// TestAnotherPlace is about a provider that points elsewhere: nothing is read
// through it, and nothing written.
func TestAnotherPlace(t *testing.T) {
	f := newFolder(t)
	f.apply(t, PlanOptions{})
	clear(f.plugins.writes)
	f.plugins.moved = "-elsewhere"
	for _, o := range []PlanOptions{{}, {Destroy: true}} {
		_, diags := f.open(t).Plan(t.Context(), o)
		if !diags.HasErrors() || !strings.Contains(diags.Error(), "points at another place") {
			t.Errorf("destroy %v: got %v", o.Destroy, diags)
		}
	}
	if len(f.plugins.writes) > 0 {
		t.Errorf("wrote %v", f.plugins.writes)
	}
	f.plugins.moved = ""
	if _, planned := f.plan(t, PlanOptions{}); planned.HasChanges() {
		t.Error("back at its place there is something to do")
	}
}

// TestStalePlan: a plan is carried out on the state that it was made from.
func TestStalePlan(t *testing.T) {
	f := newFolder(t)
	p, planned := f.plan(t, PlanOptions{})
	f.apply(t, PlanOptions{})
	clear(f.plugins.writes)
	_, diags := p.Apply(t.Context(), planned, ApplyOptions{Parallelism: 1})
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "changed since the plan") {
		t.Errorf("got %v", diags)
	}
	if len(f.plugins.writes) > 0 {
		t.Errorf("wrote %v", f.plugins.writes)
	}
}

// Two commands that both plan before there is a state would give their
// providers the folders of two lineages: the second one plans again.
func TestStateBegunMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	second, planned := f.plan(t, PlanOptions{})
	first := f.open(t)
	if err := first.Store.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, diags := second.Apply(t.Context(), planned, ApplyOptions{}); !diags.HasErrors() || !strings.Contains(diags.Error(), "changed since the plan") {
		t.Fatalf("it was applied: %v", diags)
	}
	if len(f.plugins.writes) > 0 {
		t.Errorf("wrote %v", f.plugins.writes)
	}
	f.apply(t, PlanOptions{})
}
