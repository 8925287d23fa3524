package state

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/nixos-compose/nxc/internal/addr"
)

var anyText = rapid.OneOf(rapid.StringMatching(`[a-z]{1,8}`), rapid.String())

// anyJSON draws a JSON object.
func anyJSON(t *rapid.T, label string) json.RawMessage {
	v := rapid.MapOfN(anyText, rapid.OneOf(
		rapid.Map(anyText, func(s string) any { return s }),
		rapid.Map(rapid.Int(), func(n int) any { return n }),
		rapid.Map(rapid.SliceOfN(anyText, 0, 3), func(s []string) any { return s }),
		rapid.Map(rapid.MapOfN(anyText, rapid.Float64(), 0, 3), func(m map[string]float64) any { return m }),
	), 0, 4).Draw(t, label)
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func anyIncarnation(t *rapid.T, attempt string, before []addr.Instance) Incarnation {
	i := Incarnation{
		Provider: "docker", SchemaVersion: int64(rapid.IntRange(0, 3).Draw(t, "version")), Attempt: attempt,
		Status: rapid.SampledFrom([]Status{Ready, Tainted, HalfMade}).Draw(t, "status"),
		Asked:  anyJSON(t, "asked"), Observed: anyJSON(t, "observed"),
	}
	if len(before) > 0 {
		i.Dependencies = rapid.SliceOfNDistinct(rapid.SampledFrom(before), 0, 3, rapid.ID[addr.Instance]).Draw(t, "dependencies")
	}
	if rapid.Bool().Draw(t, "secret") {
		i.Secrets = []Secret{{Path: cty.GetAttrPath("a").IndexInt(1).IndexString(anyText.Draw(t, "key")), Fingerprint: fingerprintPrefix + "00"}}
	}
	return i
}

// anyState draws a state that makes sense.
func anyState(t *rapid.T) *State {
	s := &State{Lineage: "l", Owner: "sha256:o"}
	for n, d := range []addr.Deployment{top, docker, vm} {
		if !rapid.Bool().Draw(t, "deployment") {
			continue
		}
		s.SetDeployment(&Deployment{Name: d, UUID: fmt.Sprint("u", n), Flavour: d.Flavour, Providers: map[string]Provider{"docker": {Config: anyJSON(t, "config")}}})
	}
	var before []addr.Instance
	count := rapid.IntRange(0, 8).Draw(t, "resources")
	for n := range count {
		for _, d := range s.Names() {
			a := addr.In(d, "docker_container", anyText.Draw(t, "key"))
			if d.IsTop() {
				a = addr.Instance{Type: "null_resource", Name: fmt.Sprint("n", n), Key: addr.IntKey(n)}
			}
			if s.Resource(a) != nil {
				continue
			}
			r := &Resource{Address: a}
			if rapid.IntRange(0, 9).Draw(t, "current") > 0 {
				r.Incarnation = anyIncarnation(t, fmt.Sprint("a", n), before)
			}
			for m := rapid.IntRange(0, 2).Draw(t, "deposed"); m > 0 || !r.Exists() && len(r.Deposed) == 0; m-- {
				r.Deposed = append(r.Deposed, anyIncarnation(t, fmt.Sprint("d", n, m), before))
			}
			s.SetResource(r)
			before = append(before, a)
		}
	}
	return s
}

func TestAnyStateRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t)
		if err := s.Verify(); err != nil {
			t.Fatal(err)
		}
		first, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode("x", first)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		second, err := back.Encode()
		if err != nil || string(first) != string(second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
		for _, d := range s.Names() {
			if s.Hash(d) != back.Hash(d) {
				t.Fatalf("%q has another hash", d)
			}
		}
		if err := back.Verify(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAnyStateSharesNothingThatChanges changes a clone in every way.
func TestAnyStateSharesNothingThatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, other := anyState(t), anyState(t)
		before, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		c := s.Clone()
		c.Open = append(c.Open, Command{Journal: "x"})
		for _, r := range s.Resources() {
			c.RemoveResource(r.Address)
		}
		for _, d := range []addr.Deployment{top, docker, vm} {
			c.take(d, other)
		}
		if after, err := s.Encode(); err != nil || string(before) != string(after) {
			t.Fatalf("a clone's change changed the original (%v)", err)
		}
		c.Open, c.Lineage, c.Owner = nil, other.Lineage, other.Owner
		want, err := other.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Encode(); err != nil || string(got) != string(want) {
			t.Fatalf("taking every deployment makes the other state (%v):\n%s\n%s", err, got, want)
		}
	})
}

// anyType draws a type that an attribute may have, three deep at most.
func anyType(t *rapid.T, depth int) cty.Type {
	kinds := []string{"string", "number", "bool", "any"}
	if depth > 0 {
		kinds = append(kinds, "list", "set", "map", "object", "tuple")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return cty.String
	case "number":
		return cty.Number
	case "bool":
		return cty.Bool
	case "list":
		return cty.List(anyElement(t, depth))
	case "set":
		return cty.Set(anyElement(t, depth))
	case "map":
		return cty.Map(anyElement(t, depth))
	case "object":
		return cty.Object(map[string]cty.Type{"a": anyType(t, depth-1), "b": anyType(t, depth-1)})
	case "tuple":
		return cty.Tuple([]cty.Type{anyType(t, depth-1)})
	}
	return cty.DynamicPseudoType
}

func anyElement(t *rapid.T, depth int) cty.Type {
	for {
		if e := anyType(t, depth-1); !e.HasDynamicTypes() {
			return e
		}
	}
}

// anyValue draws a value of a type.
func anyValue(t *rapid.T, of cty.Type) cty.Value {
	if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return cty.NullVal(of)
	}
	some := func(e cty.Type) []cty.Value {
		var all []cty.Value
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			all = append(all, anyValue(t, e))
		}
		return all
	}
	switch {
	case of == cty.String:
		return cty.StringVal(anyText.Draw(t, "text"))
	case of == cty.Number:
		return cty.NumberFloatVal(float64(rapid.Int32().Draw(t, "number")) / 8)
	case of == cty.Bool:
		return cty.BoolVal(rapid.Bool().Draw(t, "bool"))
	case of == cty.DynamicPseudoType:
		return anyValue(t, anyElement(t, 2))
	case of.IsListType():
		if all := some(of.ElementType()); len(all) > 0 {
			return cty.ListVal(all)
		}
		return cty.ListValEmpty(of.ElementType())
	case of.IsSetType():
		if all := some(of.ElementType()); len(all) > 0 {
			return cty.SetVal(all)
		}
		return cty.SetValEmpty(of.ElementType())
	case of.IsMapType():
		all := map[string]cty.Value{}
		for _, v := range some(of.ElementType()) {
			all[anyText.Draw(t, "key")] = v
		}
		if len(all) > 0 {
			return cty.MapVal(all)
		}
		return cty.MapValEmpty(of.ElementType())
	case of.IsTupleType():
		return cty.TupleVal([]cty.Value{anyValue(t, of.TupleElementType(0))})
	}
	return cty.ObjectVal(map[string]cty.Value{"a": anyValue(t, of.AttributeType("a")), "b": anyValue(t, of.AttributeType("b"))})
}

// TestAnyObjectRoundTrips records an object and reads it back, and reads it as
// cty itself does.
func TestAnyObjectRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := map[string]cty.Type{"x": anyType(t, 3), "y": anyType(t, 3), "z": cty.String}
		want := cty.ObjectVal(map[string]cty.Value{"x": anyValue(t, types["x"]), "y": anyValue(t, types["y"]), "z": anyValue(t, cty.String)})
		i := Incarnation{}
		err := i.SetObject(want, Split{Type: cty.Object(types), Computed: func(name string) bool { return name == "y" }})
		if err != nil {
			t.Fatal(err)
		}
		got, err := i.Object(cty.Object(types))
		if err != nil {
			t.Fatalf("%v in %s", err, i.JSON())
		}
		same, err := ctyjson.Unmarshal(i.JSON(), cty.Object(types))
		if err != nil || !got.RawEquals(same) {
			t.Fatalf("cty reads %#v, %v\nwe read  %#v", same, err, got)
		}
		if !got.RawEquals(normalNulls(want, cty.Object(types))) {
			t.Fatalf("got %#v\nwant %#v", got, want)
		}
	})
}

// normalNulls gives null attributes the schema's type: what stood there for a
// null of a type left open is not recorded.
func normalNulls(v cty.Value, t cty.Type) cty.Value {
	all := v.AsValueMap()
	for name, e := range all {
		if e.IsNull() {
			all[name] = cty.NullVal(t.AttributeType(name))
		}
	}
	return cty.ObjectVal(all)
}

// TestGitMergesAnyChanges lets two people change, remove or replace different
// resources: git merges both, and what comes out is what both meant.
func TestGitMergesAnyChanges(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		base := New()
		base.SetDeployment(&Deployment{Name: docker, UUID: "u", Providers: dockerProvider()})
		for n := range 6 {
			a := node(fmt.Sprint("n", n))
			base.SetResource(&Resource{Address: a, Incarnation: Incarnation{Provider: "docker", Attempt: fmt.Sprint("a", n), Asked: []byte(`{"image":"i","name":"n"}`), Observed: []byte(`{"id":"x"}`)}})
		}
		ours, theirs, both := base.Clone(), base.Clone(), base.Clone()
		removed := -2
		for n := range 6 {
			a := node(fmt.Sprint("n", n))
			by := rapid.SampledFrom([]string{"nobody", "us", "them"}).Draw(t, "who")
			side := map[string]*State{"us": ours, "them": theirs}[by]
			if side == nil {
				continue
			}
			// What two people remove side by side git cannot tell apart.
			if n > removed+1 && rapid.Bool().Draw(t, "remove") {
				removed = n
				side.RemoveResource(a)
				both.RemoveResource(a)
				continue
			}
			r := base.Resource(a).Copy()
			r.Attempt, r.Observed = "b", []byte(`{"id":"`+by+`","more":[1,2]}`)
			side.SetResource(r)
			both.SetResource(r)
		}
		var paths []string
		for name, s := range map[string]*State{"base": base, "ours": ours, "theirs": theirs} {
			data, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"ours", "base", "theirs"} {
			paths = append(paths, filepath.Join(dir, name))
		}
		got, err := exec.Command(git, append([]string{"merge-file", "-p"}, paths...)...).Output()
		if err != nil {
			t.Fatalf("git does not merge (%v):\n%s", err, got)
		}
		want, err := both.Encode()
		if err != nil || string(got) != string(want) {
			t.Fatalf("git merged to something else (%v):\n%s", err, got)
		}
	})
}

// TestGitMergesAdditions adds a resource at each end and in the middle.
func TestGitMergesAdditions(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	with := func(names ...string) string {
		s := &State{Lineage: "l"}
		s.SetDeployment(&Deployment{Name: docker, UUID: "u", Providers: dockerProvider()})
		for _, n := range names {
			s.SetResource(&Resource{Address: node(n), Incarnation: Incarnation{Provider: "docker", Attempt: n, Asked: []byte(`{"name":"n"}`)}})
		}
		return encode(t, s)
	}
	tests := map[string]struct{ base, ours, theirs, want []string }{
		"first and last":         {[]string{"m"}, []string{"a", "m"}, []string{"m", "z"}, []string{"a", "m", "z"}},
		"between":                {[]string{"a", "m", "z"}, []string{"a", "b", "m", "z"}, []string{"a", "m", "n", "z"}, []string{"a", "b", "m", "n", "z"}},
		"last, and another gone": {[]string{"a", "m", "z"}, []string{"a", "m", "z", "zz"}, []string{"m", "z"}, []string{"m", "z", "zz"}},
		"the last gone":          {[]string{"a", "m", "z"}, []string{"a", "m"}, []string{"0", "a", "m", "z"}, []string{"0", "a", "m"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"merge-file", "-p"}
			for n, names := range [][]string{test.ours, test.base, test.theirs} {
				path := filepath.Join(dir, fmt.Sprint(n))
				must(t, os.WriteFile(path, []byte(with(names...)), 0o644))
				args = append(args, path)
			}
			got, err := exec.Command(git, args...).Output()
			if err != nil || string(got) != with(test.want...) {
				t.Errorf("got %v:\n%s", err, got)
			}
		})
	}
}
