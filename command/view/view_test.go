package view

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/plugins"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

var (
	web   = addr.Deployment{Composition: "webserver", Flavour: "docker"}
	other = addr.Deployment{Composition: "webserver", Flavour: "vm-ramdisk"}
)

// plans are what the golden files show, by their names.
func plans() map[string]*deploy.Planned {
	return map[string]*deploy.Planned{
		"nothing":  {Plan: &plan.Plan{}, Left: []addr.Deployment{other}},
		"empty":    {Plan: &plan.Plan{}, Destroy: true},
		"changes":  changed(),
		"top":      topLevel(),
		"destroy":  destroyed(),
		"hundreds": hundreds(),
		"switched": switched(),
	}
}

// changed is a deployment of which every kind of thing changes.
func changed() *deploy.Planned {
	const old, now = "/nix/store/aaa-system", "/nix/store/bbb-system"
	d := &deploy.Deployment{
		Name: web, Location: plugins.Location{Kind: "docker-engine", ID: "x", Label: "engine lab-3"},
		Roles: []deploy.RoleChange{
			{Role: "client", Old: "a", New: "b", Size: deploy.Sizes{Old: -1, New: -1}},
			{Role: "new", New: now},
			{
				Role: "server", Old: old, New: now, Known: true, Size: deploy.Sizes{Old: 412 << 20, New: -1},
				Diff: nix.ManifestDiff{Packages: []nix.Change{
					{Name: "curl", Action: nix.Added, To: "8.9.1"},
					{Name: "nginx", Action: nix.Changed, From: "1.26.1", To: "1.26.2"},
				}},
			},
			{Role: "same", Old: old, New: now, Known: true, Size: deploy.Sizes{Old: 129 << 20, New: 129<<20 + 5}},
		},
		Nodes: []deploy.Node{
			nodeOf("client1", "client", 0), nodeOf("client2", "client", 1), nodeOf("client3", "client", 2), nodeOf("server", "server", 0),
		},
		Contexts: []deploy.ContextChange{{Node: "client1", What: "hosts"}},
	}
	server := container("server", plan.Replace)
	server.Before, server.After = object(old, "10.89.0.2"), object(now, "10.89.0.2")
	server.Reasons = []plan.Reason{{Path: cty.GetAttrPath("command"), Text: "its command changed"}}
	gone := container("client2", plan.Create)
	gone.Reasons = []plan.Reason{{Text: "was removed outside nxc"}}
	return &deploy.Planned{
		Plan: &plan.Plan{
			Changes: []plan.Change{container("client1", plan.NoOp), gone, container("client3", plan.Create), server},
			Drift:   []plan.Drift{{Addr: gone.Addr, Current: cty.NullVal(cty.DynamicPseudoType)}},
		},
		Deployments: []*deploy.Deployment{d},
		Pins:        []deploy.PinChange{{Deployment: web, Old: "nixpkgs 24.05 0123456", New: "nixpkgs 24.11 a1b2c3d"}},
		Left:        []addr.Deployment{other},
		Notices:     []string{"nxc apply, run by ada on lab, did not end. 1 step done before that is kept."},
		Outputs: []deploy.OutputChange{
			{Deployment: web, Name: "url", Before: cty.StringVal("http://a"), After: cty.StringVal("http://b")},
			{Name: "password", After: cty.StringVal("hunter2").Mark(marks.Sensitive), Sensitive: true},
			{Name: "old", Before: cty.True},
		},
	}
}

// topLevel has resources without a composition, with names of all kinds.
func topLevel() *deploy.Planned {
	secret := []cty.PathValueMarks{{Path: cty.GetAttrPath("triggers").IndexString("password"), Marks: cty.NewValueMarks(marks.Sensitive)}}
	null := func(name string, key addr.Key, a plan.Action, before, after cty.Value) plan.Change {
		return plan.Change{
			Addr: addr.Instance{Type: "null_resource", Name: name, Key: key}, Provider: "null", Type: "null_resource",
			Action: a, Before: before, After: after, Marks: secret,
		}
	}
	triggers := func(id cty.Value, word, password string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{"id": id, "triggers": cty.MapVal(map[string]cty.Value{
			"word": cty.StringVal(word), "password": cty.StringVal(password),
		})})
	}
	unknown, none := cty.UnknownVal(cty.String), cty.NilVal
	replaced := null("cache", addr.NoKey, plan.Replace, triggers(cty.StringVal("1"), "a", "hunter2"), triggers(unknown, "b", "hunter2"))
	replaced.CreateBeforeDestroy = true
	replaced.Reasons = []plan.Reason{{Path: cty.GetAttrPath("triggers"), Text: "its triggers changed"}}
	return &deploy.Planned{Plan: &plan.Plan{Changes: []plan.Change{
		{Addr: addr.Instance{Data: true, Type: "docker_engine", Name: "here"}, Data: true, Type: "docker_engine", Action: plan.ReadLater},
		replaced,
		null("one", addr.NoKey, plan.Create, none, triggers(unknown, "a", "hunter2")),
		null("each", addr.StringKey("漢字"), plan.Delete, triggers(cty.StringVal("2"), "a", "x"), none),
		null("each", addr.StringKey("é"), plan.Delete, triggers(cty.StringVal("3"), "a", "x"), none),
		null("a_name_that_is_longer_than_any_other_name", addr.NoKey, plan.Delete, triggers(cty.StringVal("4"), "a", "x"), none),
	}}}
}

func destroyed() *deploy.Planned {
	return &deploy.Planned{Destroy: true, Plan: &plan.Plan{Changes: []plan.Change{
		container("client1", plan.Delete), container("server", plan.Delete),
	}}, Outputs: []deploy.OutputChange{
		{Deployment: web, Name: "url", Before: cty.StringVal("http://a")},
		{Deployment: other, Name: "url", Before: cty.StringVal("http://b")},
	}}
}

// switched has nodes that take on another system, one that cannot, and a
// deployment whose flavour cannot.
func switched() *deploy.Planned {
	const old, now = "/nix/store/aaa-system", "/nix/store/bbb-system"
	p := &deploy.Planned{Plan: &plan.Plan{}}
	for _, name := range []addr.Deployment{web, other} {
		p.Deployments = append(p.Deployments, &deploy.Deployment{
			Name: name, Flavour: name.Flavour, Switches: name == web, Updates: config.Updates{Switch: map[string]bool{"server": true}},
			Roles: []deploy.RoleChange{{Role: "server", Old: old, New: now, Size: deploy.Sizes{Old: -1, New: -1}}},
		})
		for i, node := range []string{"server1", "server2", "server3"} {
			c := container(node, plan.Update)
			c.Addr = addr.In(name, "docker_container", node)
			c.Before, c.After = object(old, "10.89.0.2"), object(now, "10.89.0.2")
			switch {
			case name == other:
				c.Action, c.Reasons = plan.Replace, []plan.Reason{{Path: cty.GetAttrPath("command"), Text: "its system changed"}}
			case i == 1:
				c.After = object(now, "10.89.0.3")
			case i == 2:
				c.Action, c.Reasons = plan.Replace, []plan.Reason{{Path: cty.GetAttrPath("address"), Text: "its kernel changed"}}
			}
			d := p.Deployments[len(p.Deployments)-1]
			d.Nodes = append(d.Nodes, nodeOf(node, "server", i))
			d.Nodes[i].Addr = c.Addr
			p.Plan.Changes = append(p.Plan.Changes, c)
		}
	}
	return p
}

func hundreds() *deploy.Planned {
	d := &deploy.Deployment{Name: web}
	p := &deploy.Planned{Plan: &plan.Plan{}, Deployments: []*deploy.Deployment{d}}
	for i := range 200 {
		name := fmt.Sprintf("client%03d", i)
		d.Nodes = append(d.Nodes, nodeOf(name, "client", i))
		c := container(name, plan.Create)
		c.After = object("/nix/store/s", fmt.Sprintf("10.89.0.%d", i+2))
		p.Plan.Changes = append(p.Plan.Changes, c)
	}
	return p
}

func container(name string, a plan.Action) plan.Change {
	c := plan.Change{
		Addr: addr.In(web, "docker_container", name), Provider: "docker", Type: "docker_container", Action: a,
		Before: object("/nix/store/aaa-system", "10.89.0.9"), After: object("/nix/store/aaa-system", "10.89.0.9"),
	}
	switch a {
	case plan.Create:
		c.Before = cty.NilVal
	case plan.Delete:
		c.After = cty.NilVal
	}
	return c
}

func object(system, address string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"command": cty.StringVal(system + "/init"), "address": cty.StringVal(address)})
}

func nodeOf(name, role string, index int) deploy.Node {
	return deploy.Node{
		ExpandedNode: plugins.ExpandedNode{Name: name, Role: role, Index: index, Address: "address"},
		Addr:         addr.In(web, "docker_container", name),
	}
}

func TestPlanAsText(t *testing.T) {
	for name, p := range plans() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			h := NewHuman(Options{Out: &out, Err: &out})
			h.Plan(p)
			h.Flush()
			for n, line := range strings.Split(out.String(), "\n") {
				if strings.TrimRight(line, " ") != line {
					t.Errorf("line %d ends with a space: %q", n+1, line)
				}
			}
			if strings.Contains(out.String(), "hunter2") {
				t.Error("a sensitive value is shown")
			}
			golden(t, name+".txt", out.Bytes())
		})
	}
}

var timestamp = regexp.MustCompile(`"@timestamp":"[^"]+"`)

func TestPlanAsJSON(t *testing.T) {
	for name, p := range plans() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			j := NewJSON(Options{Out: &out, Version: "1.2.3"})
			j.Plan(p)
			lines(t, out.Bytes())
			golden(t, name+".json", timestamp.ReplaceAll(out.Bytes(), []byte(`"@timestamp":"…"`)))
		})
	}
}

// TestApplyAsJSON follows one operation of each outcome.
func TestApplyAsJSON(t *testing.T) {
	var out bytes.Buffer
	j := NewJSON(Options{Out: &out, Version: "1.2.3"})
	made, broken, left := container("client1", plan.Create), container("client2", plan.Create), container("client3", plan.Create)
	op := func(c *plan.Change) apply.Operation {
		return apply.Operation{Change: c, Step: apply.Create, Attempt: "a1"}
	}
	j.Nix(web, nix.Event{Kind: nix.EventBuilding, Name: "system"})
	j.Nix(web, nix.Event{Kind: nix.EventBuilding})
	j.Started(op(&made))
	j.Progress(op(&made), apply.Progress{Phase: "starting", Done: 1, Expected: 2, Unit: "steps"})
	j.Done(op(&made), 1500*time.Millisecond, nil)
	j.Started(op(&broken))
	j.Done(op(&broken), time.Second, []plan.Problem{{Summary: "Port 80 of the host is taken"}})
	j.Skipped(&left, broken.Addr)
	j.Diagnostics(hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Port 80 of the host is taken", Detail: "By <nginx>.",
		Subject: &hcl.Range{Filename: "/somewhere/main.nxc.hcl", Start: hcl.Pos{Line: 1, Column: 1}, End: hcl.Pos{Line: 1, Column: 3}},
	}})
	j.Applied(&deploy.Applied{Created: 1, Failed: true, Outputs: []deploy.OutputChange{
		{Deployment: web, Name: "url", After: cty.StringVal("http://b")},
		{Name: "password", After: cty.StringVal("hunter2").Mark(marks.Sensitive), Sensitive: true},
	}})
	lines(t, out.Bytes())
	golden(t, "apply.json", timestamp.ReplaceAll(out.Bytes(), []byte(`"@timestamp":"…"`)))
}

// lines checks that each line is one JSON object with what programs look for.
func lines(t *testing.T, out []byte) {
	t.Helper()
	for _, line := range bytes.Split(bytes.TrimSuffix(out, []byte("\n")), []byte("\n")) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for _, name := range []string{"@level", "@message", "@module", "@timestamp", "type"} {
			if text, _ := m[name].(string); text == "" {
				t.Errorf("no %s in %s", name, line)
			}
		}
		if bytes.Contains(line, []byte("hunter2")) {
			t.Errorf("a sensitive value is shown: %s", line)
		}
	}
}

func TestSizes(t *testing.T) {
	for want, s := range map[string]deploy.Sizes{
		"":                                  {Old: -1, New: -1},
		"1.5 GiB":                           {Old: -1, New: 3 << 29},
		"412 MiB -> size known after build": {Old: 412 << 20, New: -1},
		"129 MiB":                           {Old: 129 << 20, New: 129<<20 + 1},
		"999 B -> 1.0 KiB":                  {Old: 999, New: 1024},
	} {
		if got := Sizes(s); got != want {
			t.Errorf("got %q of %+v, want %q", got, s, want)
		}
	}
}

func TestCells(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "é": 1, "e\u0301": 1, "漢字": 4, "ｗ": 2, "→": 1} {
		if got := cells(text); got != want {
			t.Errorf("got %d cells of %q, want %d", got, text, want)
		}
	}
	for name, c := range map[string]struct {
		text, want string
		to         int
	}{
		"fits":         {"漢字", "漢字", 4},
		"is cut":       {"abcdefgh", "abcd...", 7},
		"wide":         {"漢字漢字", "漢...", 6},
		"between wide": {"漢字漢字", "漢字...", 7},
	} {
		if got := cut(c.text, c.to); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	got := wrap("one two three four", 9)
	if want := "one two|three|four"; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update rewrites it. Got:\n%s", path, got)
	}
}

// A system that is another one through and through is not told to the end,
// unless that is asked for.
func TestManyDifferences(t *testing.T) {
	var d nix.ManifestDiff
	for i := range differencesShown + 5 {
		d.Units = append(d.Units, nix.Change{Name: fmt.Sprintf("unit%d", i), Action: nix.Added})
	}
	brief := (&planWriter{}).differences(d)
	if !strings.HasSuffix(brief, "+unit19, and 5 more (-v shows all)") {
		t.Errorf("got %q", brief)
	}
	if whole := (&planWriter{verbose: true}).differences(d); !strings.HasSuffix(whole, "+unit24") {
		t.Errorf("got %q", whole)
	}
}
