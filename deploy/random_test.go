package deploy_test

import (
	"context"
	"flag"
	"fmt"
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
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state"
)

// inProcess runs the fake provider without a process of its own.
type inProcess struct{}

func (inProcess) Names() []string     { return []string{"fake"} }
func (inProcess) Survivors(int) []int { return nil }

func (i inProcess) Schema(ctx context.Context, name string) (*plugins.Schema, plugins.Diagnostics) {
	p, d := i.Start(ctx, name)
	if d.HasErrors() {
		return nil, d
	}
	return p.Schema(ctx)
}

func (inProcess) Start(context.Context, string) (deploy.Plugin, plugins.Diagnostics) {
	p, err := sdk.New(fake.Provider())
	if err != nil {
		return nil, plugins.NewError("no provider", err.Error())
	}
	return closing{p}, nil
}

type closing struct{ plugins.Provider }

func (closing) Close(context.Context) error { return nil }

// quiet is told everything and says nothing.
type quiet struct{}

func (quiet) Started(apply.Operation)                             {}
func (quiet) Progress(apply.Operation, apply.Progress)            {}
func (quiet) Done(apply.Operation, time.Duration, []plan.Problem) {}
func (quiet) Skipped(*plan.Change, addr.Instance)                 {}
func (quiet) Step(string)                                         {}
func (quiet) Nix(addr.Deployment, nix.Event)                      {}
func (quiet) Warn(hcl.Diagnostics)                                {}

// thing is one resource of a random configuration.
type thing struct {
	name, content, fail string
	first               bool // create_before_destroy
	on                  int  // index of an earlier one it uses; -1: none
}

func drawThings(t *rapid.T) []thing {
	list := make([]thing, rapid.IntRange(0, 5).Draw(t, "things"))
	for i := range list {
		list[i] = thing{
			name:    fmt.Sprintf("n%d%s", i, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")),
			content: rapid.SampledFrom([]string{"p", "q", ""}).Draw(t, "content"),
			fail:    rapid.SampledFrom([]string{"", "", "", "create-before", "create-after", "update"}).Draw(t, "fail"),
			first:   rapid.Bool().Draw(t, "first"),
			on:      rapid.IntRange(-1, i-1).Draw(t, "on"),
		}
	}
	return list
}

// configuration writes things down, with their faults or without.
func configuration(root string, list []thing, faults bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "provider \"fake\" {\n  root = %q\n}\n", root)
	for i, th := range list {
		fmt.Fprintf(&b, "\nresource \"fake_thing\" \"t%d\" {\n  name = %q\n", i, th.name)
		if th.on >= 0 {
			fmt.Fprintf(&b, "  content = fake_thing.t%d.id\n", th.on)
		} else {
			fmt.Fprintf(&b, "  content = %q\n", th.content)
		}
		if faults && th.fail != "" {
			fmt.Fprintf(&b, "  fail = %q\n", th.fail)
		}
		fmt.Fprintf(&b, "  lifecycle {\n    create_before_destroy = %t\n  }\n}\n", th.first)
	}
	return b.String()
}

// TestRandomFaults applies random configurations with random faults, then the
// same without: one apply must converge, the plan after it must be empty, the
// world and the state must hold the same, and destroy must leave nothing. A
// failure shows the configurations, which a script can be made of.
func TestRandomFaults(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks != nil && checks.Value.String() == checks.DefValue {
		_ = checks.Value.Set("25") // each is several applies; -rapid.checks asks for more
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "nxc-random-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := &sandbox{T: t, dir: dir, root: filepath.Join(dir, "outside")}
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			list := drawThings(t)
			s.configure(configuration(s.root, list, true))
			s.run(false, false)
			s.configure(configuration(s.root, list, false))
			s.run(false, true)
			s.empty()
			s.compare()
		}
		s.run(true, true)
		s.compare()
		if left, _ := filepath.Glob(filepath.Join(s.root, "things", "*")); len(left) > 0 {
			t.Fatalf("destroy left %v", left)
		}
	})
}

type sandbox struct {
	*rapid.T
	dir, root string
	said      []string
}

func (s *sandbox) configure(text string) {
	s.said = append(s.said, "-- main.nxc.hcl --\n"+text)
	if err := os.WriteFile(filepath.Join(s.dir, "main.nxc.hcl"), []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
}

func (s *sandbox) fail(what string, diags hcl.Diagnostics) {
	s.Fatalf("%s: %v\n%s", what, diags, strings.Join(s.said, "\n"))
}

// plan opens the project and plans.
func (s *sandbox) plan(destroy bool) (*deploy.Project, *deploy.Planned, hcl.Diagnostics) {
	ctx := context.Background()
	p, diags := deploy.Open(ctx, deploy.Options{
		Dir: s.dir, StateHome: filepath.Join(s.dir, ".home"), CacheHome: filepath.Join(s.dir, ".cache"), RuntimeDir: filepath.Join(s.dir, ".run"),
		Command: "apply", Version: "0.1.0", Plugins: inProcess{}, Events: quiet{},
	}, func(map[string]*hcl.File) {})
	if diags.HasErrors() {
		return nil, nil, diags
	}
	planned, diags := p.Plan(ctx, deploy.PlanOptions{Destroy: destroy})
	return p, planned, diags
}

// run plans and applies; must says that it has to succeed.
func (s *sandbox) run(destroy, must bool) {
	p, planned, diags := s.plan(destroy)
	if diags.HasErrors() {
		if must {
			s.fail("the plan", diags)
		}
		return
	}
	applied, diags := p.Apply(context.Background(), planned, deploy.ApplyOptions{})
	if must && (diags.HasErrors() || applied.Failed) {
		s.fail("the apply", diags)
	}
}

func (s *sandbox) empty() {
	_, planned, diags := s.plan(false)
	if diags.HasErrors() || planned.HasChanges() {
		s.fail("the plan after the apply is not empty", diags)
	}
}

// compare demands that the state and the world hold the same attempts.
func (s *sandbox) compare() {
	now, _, err := state.Read(filepath.Join(s.dir, "nxc.state.json"))
	if err != nil {
		s.Fatal(err)
	}
	var known, there []string
	for _, r := range now.Resources() {
		for _, i := range append([]state.Incarnation{r.Incarnation}, r.Deposed...) {
			if i.Provider != "" {
				known = append(known, i.Attempt)
			}
		}
	}
	marks, _ := filepath.Glob(filepath.Join(s.root, "things", "*.mark"))
	for _, m := range marks {
		text, err := os.Readlink(m)
		if err != nil {
			s.Fatal(err)
		}
		_, rest, _ := strings.Cut(text, `"attempt":"`)
		attempt, _, _ := strings.Cut(rest, `"`)
		there = append(there, attempt)
	}
	slices.Sort(known)
	slices.Sort(there)
	if !slices.Equal(known, there) {
		s.Fatalf("the state has %v, and the world %v\n%s", known, there, strings.Join(s.said, "\n"))
	}
}
