package null_test

import (
	"os"
	"reflect"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
	"github.com/nixos-compose/nxc/providers/null"
)

func TestMain(m *testing.M) {
	sdktest.Main(null.Provider)
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	sdktest.Run(t, sdktest.Suite{
		Provider: null.Provider(),
		Command:  sdktest.Self(),
		Cases: []sdktest.Case{
			{
				Type: "null_resource", Invisible: true,
				Config: map[string]any{"triggers": map[string]any{"image": "1"}},
				Update: map[string]any{"triggers": map[string]any{"image": "2"}},
			},
			{Name: "without triggers", Type: "null_resource", Invisible: true},
		},
	})
}

func create(t *testing.T, p plugins.Provider, op plugins.Operation) string {
	t.Helper()
	r := p.Apply(t.Context(), plugins.ApplyRequest{
		Type: "null_resource", Action: plugins.Create, Operation: op,
		Planned: cty.ObjectVal(map[string]cty.Value{
			"triggers": cty.NullVal(cty.Map(cty.String)), "id": cty.UnknownVal(cty.String),
		}),
	}, nil)
	if r.Diagnostics.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	return r.Object.GetAttr("id").AsString()
}

// An id is the same for the same attempt and differs in everything else.
func TestID(t *testing.T) {
	p := sdktest.Serve(t, null.Provider())
	op := plugins.Operation{UUID: "u", Address: "null_resource.a", Attempt: "1"}
	id := create(t, p, op)
	if again := create(t, p, op); again != id {
		t.Errorf("the same attempt made %s and %s", id, again)
	}
	for _, other := range []plugins.Operation{
		{UUID: "v", Address: op.Address, Attempt: op.Attempt},
		{UUID: op.UUID, Address: "null_resource.b", Attempt: op.Attempt},
		{UUID: op.UUID, Address: op.Address, Attempt: "2"},
	} {
		if create(t, p, other) == id {
			t.Errorf("%+v has the id of %+v", other, op)
		}
	}
}

func TestData(t *testing.T) {
	p := sdktest.Serve(t, null.Provider())
	inputs := cty.MapVal(map[string]cty.Value{"a": cty.StringVal("1")})
	for name, inputs := range map[string]cty.Value{"some": inputs, "none": cty.NullVal(cty.Map(cty.String))} {
		v, d := p.ReadData(t.Context(), plugins.ReadDataRequest{Type: "null_data", Config: cty.ObjectVal(map[string]cty.Value{
			"inputs": inputs, "outputs": cty.NullVal(cty.Map(cty.String)),
		})})
		if d.HasErrors() {
			t.Fatal(d)
		}
		want := inputs
		if inputs.IsNull() {
			want = cty.MapValEmpty(cty.String)
		}
		if got := v.GetAttr("outputs"); !got.RawEquals(want) {
			t.Errorf("%s: got %#v", name, got)
		}
	}
}

// Wherever the plugin runs, it points at the same place.
func TestLocation(t *testing.T) {
	p := sdktest.Serve(t, null.Provider())
	l, d := p.Configure(t.Context(), plugins.ConfigureRequest{Config: cty.EmptyObjectVal})
	if want := (plugins.Location{Kind: "null", ID: "null", Label: "nowhere"}); d.HasErrors() || !reflect.DeepEqual(l, want) {
		t.Errorf("got %v, %v", l, d)
	}
}
