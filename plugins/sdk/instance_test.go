package sdk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

type box struct {
	Name  string `nxc:"name,required"`
	Mode  string `nxc:"mode"`
	Size  int    `nxc:"size,computed"`
	Peers []peer `nxc:"peer,block"`
}

type peer struct {
	Address string `nxc:"address,required"`
}

// boxes does what the box's mode says.
type boxes struct{}

func (boxes) Create(ctx context.Context, op Operation, want *box) error {
	op.Phase("making " + want.Name)
	switch want.Mode {
	case "panic":
		want.Size = 1
		panic("out of cardboard")
	case "fail":
		return errors.New("no cardboard")
	case "half":
		want.Size = 5
		return errors.New("the cardboard tore")
	case "warn":
		want.Size = 9
		return Warn("The box is ugly", "")
	case "slow":
		<-ctx.Done()
		return ctx.Err()
	}
	want.Size = len(want.Name)
	return nil
}

func (boxes) Read(ctx context.Context, _ Operation, have *box) (bool, error) {
	Tell(ctx, "looking for the box")
	if have.Mode == "gone" {
		return false, Gone("the mice ate it")
	}
	return true, nil
}

func (boxes) Delete(context.Context, Operation, *box) error         { return nil }
func (boxes) Find(context.Context, Operation) ([]Found[box], error) { return nil, nil }
func (boxes) Update(context.Context, Operation, box, *box) error    { return errors.New("glued shut") }
func (boxes) Exec(context.Context, Operation, *box, plugins.Process) (int, error) {
	panic("no doors")
}

func testProvider() Provider {
	return Provider{
		Name: "box", Version: "1",
		Resources: []Resource{Managed[box]("box_box", boxes{}, Options{Version: 2})},
		Flavours: []Flavour{NewFlavour("boxed", map[string]string{"default.nix": "{}"},
			func(_ context.Context, r ExpandRequest[struct {
				Mode string `nxc:"mode"`
			}], out *Expansion) error {
				if r.Unknown("mode") {
					return errors.New("unknown")
				}
				Add(out, "box_box", "a", box{Name: "a", Peers: []peer{{}, {}}}).
					Ref("peer[1].address", "box_box", "b", "name").Ref("mode", "box_box", "b", "mode")
				b := Add(out, "box_box", "b", box{Name: "b"})
				switch r.Flavour.Mode {
				case "bad ref":
					b.Ref("nothing", "box_box", "a", "name")
				case "missing":
					b.DependsOn("box_box", "c")
				case "twice":
					Add(out, "box_box", "b", box{})
				case "type":
					Add(out, "box_lid", "b", box{})
				case "other":
					Add(out, "box_box", "c", peer{})
				case "node":
					out.Node(plugins.ExpandedNode{Name: "n", Resource: plugins.ResourceKey{Type: "box_box", Key: "n"}})
				}
				return nil
			})},
	}
}

func instanceOf(t *testing.T, p Provider) plugins.Provider {
	t.Helper()
	i, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func boxValue(mode string, size cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal("abc"), "mode": cty.StringVal(mode), "size": size,
		"peer": cty.ListValEmpty(cty.Object(map[string]cty.Type{"address": cty.String})),
	})
}

func TestApply(t *testing.T) {
	i := instanceOf(t, testProvider())
	for mode, test := range map[string]struct {
		size    int64 // -1: no object
		summary string
	}{
		"":      {3, ""},
		"fail":  {-1, "no cardboard"},
		"half":  {5, "the cardboard tore"},
		"warn":  {9, "The box is ugly"},
		"panic": {1, "The provider failed in Create of box_box: out of cardboard"},
		"slow":  {-1, "context deadline exceeded"},
	} {
		t.Run(mode, func(t *testing.T) {
			var phases []string
			r := i.Apply(t.Context(), plugins.ApplyRequest{
				Type: "box_box", Action: plugins.Create, Planned: boxValue(mode, cty.UnknownVal(cty.Number)),
				Operation: plugins.Operation{Timeout: 20 * time.Millisecond},
			}, func(p plugins.Progress) { phases = append(phases, p.Phase) })
			if len(phases) != 1 || phases[0] != "making abc" {
				t.Errorf("phases %q", phases)
			}
			if test.size < 0 {
				if !r.Object.IsNull() {
					t.Errorf("object %#v, want none", r.Object)
				}
			} else if want := boxValue(mode, cty.NumberIntVal(test.size)); !r.Object.RawEquals(want) {
				t.Errorf("object %#v, want %#v", r.Object, want)
			}
			if test.summary == "" {
				if len(r.Diagnostics) > 0 {
					t.Errorf("diagnostics %v", r.Diagnostics)
				}
				return
			}
			if len(r.Diagnostics) == 0 || r.Diagnostics[0].Summary != test.summary {
				t.Errorf("diagnostics %#v, want %q", r.Diagnostics, test.summary)
			}
			if mode == "slow" && r.Diagnostics[1].Summary != "Not finished within 20ms, while making abc" {
				t.Errorf("the time-out is told as %q", r.Diagnostics[1].Summary)
			}
		})
	}
}

func TestFailedUpdateKeepsPrior(t *testing.T) {
	i := instanceOf(t, testProvider())
	prior := boxValue("", cty.NumberIntVal(3))
	r := i.Apply(t.Context(), plugins.ApplyRequest{
		Type: "box_box", Action: plugins.Update, Prior: prior, Planned: boxValue("x", cty.NumberIntVal(3)),
	}, nil)
	if !r.Diagnostics.HasErrors() || !r.Object.RawEquals(prior) {
		t.Errorf("got %#v, %v", r.Object, r.Diagnostics)
	}
}

func TestReadGone(t *testing.T) {
	i := instanceOf(t, testProvider())
	i.Read(t.Context(), []plugins.ReadRequest{{Type: "box_box", Object: boxValue("gone", cty.Zero)}}, func(_ int, r plugins.ReadResult) {
		if !r.Object.IsNull() || r.Gone != "the mice ate it" || len(r.Diagnostics) > 0 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestPanicInHand(t *testing.T) {
	i := instanceOf(t, testProvider())
	_, d := i.Exec(t.Context(), plugins.Node{Type: "box_box", Object: boxValue("", cty.Zero)}, plugins.Process{})
	if !d.HasErrors() || !strings.Contains(d.Error(), "no doors") {
		t.Errorf("got %v", d)
	}
	if d := i.Link(t.Context(), plugins.Node{Type: "box_box", Object: boxValue("", cty.Zero)}, plugins.Link{}); !strings.Contains(d.Error(), `does not offer "link"`) {
		t.Errorf("got %v", d)
	}
}

func TestStopEndsOperations(t *testing.T) {
	i := instanceOf(t, testProvider())
	time.AfterFunc(10*time.Millisecond, func() { i.Stop(context.Background()) })
	r := i.Apply(t.Context(), plugins.ApplyRequest{Type: "box_box", Action: plugins.Create, Planned: boxValue("slow", cty.UnknownVal(cty.Number))}, nil)
	if len(r.Diagnostics) != 1 || r.Diagnostics[0].Summary != "Interrupted" {
		t.Errorf("got %#v", r.Diagnostics)
	}
}

func TestUpgradeWithoutUpgrader(t *testing.T) {
	i := instanceOf(t, testProvider())
	for object, want := range map[string]cty.Value{
		`{"name":"abc","mode":"m","size":1,"colour":"red"}`: boxValue("m", cty.NumberIntVal(1)),
		`[]`: cty.NilVal,
	} {
		i.Upgrade(t.Context(), []plugins.UpgradeRequest{{Type: "box_box", Version: 1, Object: []byte(object)}}, func(_ int, r plugins.UpgradeResult) {
			if want == cty.NilVal {
				if !r.Diagnostics.HasErrors() {
					t.Errorf("%s is accepted", object)
				}
				return
			}
			if r.Diagnostics.HasErrors() || !r.Object.RawEquals(want) {
				t.Errorf("%s: got %#v, %v", object, r.Object, r.Diagnostics)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	i := instanceOf(t, testProvider())
	expand := func(mode cty.Value) (*plugins.Expansion, plugins.Diagnostics) {
		return i.Expand(t.Context(), plugins.ExpandRequest{Flavour: "boxed", Config: cty.ObjectVal(map[string]cty.Value{"mode": mode})})
	}
	e, d := expand(cty.NullVal(cty.String))
	if d.HasErrors() {
		t.Fatal(d)
	}
	a := e.Resources[0]
	if a.Values.GetAttr("mode").IsKnown() || a.Values.GetAttr("peer").Index(cty.NumberIntVal(1)).GetAttr("address").IsKnown() {
		t.Errorf("references are not unknown: %#v", a.Values)
	}
	if !a.Values.GetAttr("peer").Index(cty.NumberIntVal(0)).GetAttr("address").IsKnown() || !a.Values.GetAttr("size").IsNull() {
		t.Errorf("values %#v", a.Values)
	}
	var references []string
	for _, r := range a.References {
		references = append(references, fmt.Sprintf("%s = %s[%s].%s", pathText(r.Path), r.From.Type, r.From.Key, r.Attribute))
	}
	if want := []string{"peer[1].address = box_box[b].name", "mode = box_box[b].mode"}; !slices.Equal(references, want) {
		t.Errorf("references %q, want %q", references, want)
	}
	for mode, want := range map[string]string{
		"bad ref": "no attribute nothing",
		"missing": `depends on box_box["c"], which is not there`,
		"twice":   "added twice",
		"type":    "no such type",
		"other":   "values are of another type",
		"node":    "Node n is to be this resource",
	} {
		if _, d := expand(cty.StringVal(mode)); !strings.Contains(strings.ToLower(d.Error()), strings.ToLower(want)) {
			t.Errorf("%s: got %v, want %q", mode, d, want)
		}
	}
	if _, d := expand(cty.UnknownVal(cty.String)); d.Error() != "unknown" {
		t.Errorf("unknown: %v", d)
	}
}

func TestDeclarationMistakes(t *testing.T) {
	boxed := func(name string) Resource { return Managed[box](name, boxes{}) }
	type reserved struct {
		Count int `nxc:"count"`
	}
	for want, p := range map[string]Provider{
		`provider name "Box"`:          {Name: "Box"},
		`must begin with "box_"`:       {Name: "box", Resources: []Resource{boxed("crate_a")}},
		"declared twice":               {Name: "box", Resources: []Resource{boxed("box_a"), boxed("box_a")}},
		"no handler":                   {Name: "box", Resources: []Resource{Managed[box]("box_a", nil)}},
		"is nxc's own there":           {Name: "box", Data: []Data{DataSource("box_a", func(context.Context, *reserved) error { return nil })}},
		"resource box_a: int is not a": {Name: "box", Resources: []Resource{Managed[int]("box_a", nil)}},
	} {
		if _, err := New(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestEachIsBoundedAndSerialised(t *testing.T) {
	var running, most, inResult atomic.Int32
	const n = 200
	seen := make([]bool, n)
	d := each(t.Context(), n, func(i int) int {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(time.Millisecond)
		running.Add(-1)
		return i
	}, func(i, r int) {
		if inResult.Add(1) != 1 {
			t.Error("two results at a time")
		}
		if i != r || seen[i] {
			t.Errorf("result %d for %d", r, i)
		}
		seen[i] = true
		inResult.Add(-1)
	})
	if d.HasErrors() {
		t.Error(d)
	}
	if m := most.Load(); m < 2 || m > parallelism {
		t.Errorf("%d at a time, want up to %d", m, parallelism)
	}
	for i, ok := range seen {
		if !ok {
			t.Fatalf("no result for %d", i)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d := each(ctx, n, func(i int) int { return i }, func(int, int) {}); !d.HasErrors() {
		t.Error("an ended context is no error")
	}
}

// TestPanicInConfigure names the provider: there is no type to name.
func TestPanicInConfigure(t *testing.T) {
	p := testProvider()
	p.Configure = Configure(func(context.Context, struct{}, plugins.Folders) (plugins.Location, error) { panic("no paper") })
	i, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	_, d := i.Configure(t.Context(), plugins.ConfigureRequest{Config: cty.EmptyObjectVal})
	if want := "The provider failed in Configure of provider box: no paper"; len(d) != 1 || d[0].Summary != want {
		t.Errorf("got %v, want %q", d, want)
	}
}
