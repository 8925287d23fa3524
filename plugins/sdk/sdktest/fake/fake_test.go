package fake_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
)

func serve(t *testing.T) (p plugins.Provider, root string) {
	t.Helper()
	root = t.TempDir()
	p = sdktest.Serve(t, fake.Provider())
	l, d := p.Configure(t.Context(), plugins.ConfigureRequest{Config: cty.ObjectVal(map[string]cty.Value{
		"root": cty.StringVal(root), "fail": cty.NullVal(cty.String),
	})})
	if d.HasErrors() || l.ID != root {
		t.Fatalf("Configure: %v, %v", l, d)
	}
	return p, root
}

func thing(name, fault string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal(name), "content": cty.StringVal("c"), "secret": cty.NullVal(cty.String),
		"fail": cty.StringVal(fault), "delay": cty.NullVal(cty.String), "id": cty.UnknownVal(cty.String),
		"path": cty.UnknownVal(cty.String), "size": cty.NumberIntVal(1),
	})
}

func TestFaults(t *testing.T) {
	for fault, test := range map[string]struct {
		summary string
		left    []string
	}{
		"create-before": {"The fake provider fails before it makes anything", nil},
		"create-after":  {"The fake provider fails half-way", []string{"things/a", "things/a.mark"}},
		"create-hang":   {"context deadline exceeded", []string{"things/a", "things/a.mark"}},
	} {
		t.Run(fault, func(t *testing.T) {
			p, root := serve(t)
			op := plugins.Operation{Address: "fake_thing.a", UUID: "u", Attempt: "1", Timeout: 50 * time.Millisecond}
			r := p.Apply(t.Context(), plugins.ApplyRequest{Type: "fake_thing", Action: plugins.Create, Operation: op, Planned: thing("a", fault)}, nil)
			if !r.Diagnostics.HasErrors() || r.Diagnostics[0].Summary != test.summary {
				t.Errorf("got %v, want %q", r.Diagnostics, test.summary)
			}
			if r.Object.IsNull() != (test.left == nil) {
				t.Errorf("object %#v", r.Object)
			}
			if left := fake.Objects(root); !reflect.DeepEqual(left, test.left) {
				t.Errorf("left %v, want %v", left, test.left)
			}
			found, _ := p.Find(t.Context(), plugins.FindRequest{UUID: "u"})
			if len(found) != len(test.left)/2 || len(found) == 1 && found[0].Complete {
				t.Errorf("found %+v", found)
			}
		})
	}
}

func TestNameConflict(t *testing.T) {
	p, _ := serve(t)
	create := func(uuid string) plugins.Diagnostics {
		return p.Apply(t.Context(), plugins.ApplyRequest{
			Type: "fake_thing", Action: plugins.Create, Operation: plugins.Operation{UUID: uuid, Attempt: uuid}, Planned: thing("a", ""),
		}, nil).Diagnostics
	}
	if d := create("1"); d.HasErrors() {
		t.Fatal(d)
	}
	d := create("2")
	if !strings.Contains(d.Error(), "The name is taken") || !d[0].Path.Equals(cty.GetAttrPath("name")) {
		t.Errorf("got %v", d)
	}
}

func expand(t *testing.T, p plugins.Provider, nodes []string, prior []plugins.PriorObject) *plugins.Expansion {
	t.Helper()
	e, d := p.Expand(t.Context(), plugins.ExpandRequest{
		Composition: "web", Label: "fake", Flavour: "fake",
		Config: cty.ObjectVal(map[string]cty.Value{"fail": cty.NullVal(cty.Map(cty.String)), "delay": cty.NullVal(cty.String)}),
		Roles:  []plugins.Role{{Name: "client", System: "/nix/store/c", Nodes: nodes}},
		Prior:  prior,
	})
	if d.HasErrors() {
		t.Fatal(d)
	}
	return e
}

func addresses(e *plugins.Expansion) map[string]string {
	found := map[string]string{}
	for _, r := range e.Resources {
		if r.Type == "fake_node" {
			found[r.Key] = r.Values.GetAttr("address").AsString()
		}
	}
	return found
}

// Names that stay keep their addresses; a new one takes what is free.
func TestExpandIsStable(t *testing.T) {
	p, _ := serve(t)
	first := expand(t, p, []string{"client1", "client2"}, nil)
	if want := map[string]string{"client1": "10.99.0.2", "client2": "10.99.0.3"}; !reflect.DeepEqual(addresses(first), want) {
		t.Errorf("got %v, want %v", addresses(first), want)
	}
	var prior []plugins.PriorObject
	for _, r := range first.Resources[2:] { // client2 alone
		values := r.Values.AsValueMap()
		for name, v := range values {
			if v.IsNull() || !v.IsKnown() {
				values[name] = cty.NullVal(v.Type())
			}
		}
		prior = append(prior, plugins.PriorObject{ResourceKey: r.ResourceKey, Object: cty.ObjectVal(values)})
	}
	second := expand(t, p, []string{"client0", "client2"}, prior)
	if want := map[string]string{"client0": "10.99.0.2", "client2": "10.99.0.3"}; !reflect.DeepEqual(addresses(second), want) {
		t.Errorf("got %v, want %v", addresses(second), want)
	}
	if again := expand(t, p, []string{"client0", "client2"}, prior); !reflect.DeepEqual(again, second) {
		t.Error("the same request expands differently")
	}
}

func TestPowerAndConsole(t *testing.T) {
	p, root := serve(t)
	values := map[string]cty.Value{"name": cty.StringVal("n"), "system": cty.StringVal("/nix/store/s")}
	for _, name := range []string{"host_name", "network", "address", "fail", "delay", "id", "folder"} {
		values[name] = cty.NullVal(cty.String)
	}
	for _, name := range []string{"id", "folder", "address"} {
		values[name] = cty.UnknownVal(cty.String)
	}
	r := p.Apply(t.Context(), plugins.ApplyRequest{Type: "fake_node", Action: plugins.Create, Operation: plugins.Operation{Attempt: "1"}, Planned: cty.ObjectVal(values)}, nil)
	if r.Diagnostics.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	n := plugins.Node{Type: "fake_node", Object: r.Object}
	run := func() plugins.Diagnostics {
		_, d := p.Exec(t.Context(), n, plugins.Process{Command: []string{"/bin/true"}})
		return d
	}
	if d := run(); d.HasErrors() {
		t.Error(d)
	}
	if d := p.Power(t.Context(), n, plugins.PowerStop, nil); d.HasErrors() {
		t.Error(d)
	}
	if d := run(); !strings.Contains(d.Error(), "does not run") {
		t.Errorf("a stopped node runs programs: %v", d)
	}
	var out bytes.Buffer
	if d := p.Console(t.Context(), n, plugins.Console{Tail: 1, Output: &out}); d.HasErrors() || out.String() != "power: stop\n" {
		t.Errorf("console %q, %v", out.String(), d)
	}
	if _, err := os.Stat(filepath.Join(root, "nodes", "n", "root")); err != nil {
		t.Error(err)
	}
}
