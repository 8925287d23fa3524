package state

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

var account = cty.Object(map[string]cty.Type{
	"name":     cty.String,
	"password": cty.String,
	"tags":     cty.Map(cty.String),
	"groups":   cty.Set(cty.String),
	"keys":     cty.List(cty.Object(map[string]cty.Type{"label": cty.String, "secret": cty.String})),
	"extra":    cty.DynamicPseudoType,
	"id":       cty.String,
	"size":     cty.Number,
})

func accountValue(change map[string]cty.Value) cty.Value {
	v := map[string]cty.Value{
		"name":     cty.StringVal("alice"),
		"password": cty.StringVal("hunter2"),
		"tags":     cty.MapVal(map[string]cty.Value{"b": cty.StringVal("<&>"), "a": cty.StringVal("é\u2028")}),
		"groups":   cty.SetVal([]cty.Value{cty.StringVal("wheel"), cty.StringVal("users")}),
		"keys": cty.ListVal([]cty.Value{
			cty.ObjectVal(map[string]cty.Value{"label": cty.StringVal("one"), "secret": cty.StringVal("s1")}),
			cty.ObjectVal(map[string]cty.Value{"label": cty.StringVal("two"), "secret": cty.NullVal(cty.String)}),
		}),
		"extra": cty.TupleVal([]cty.Value{cty.True, cty.NumberFloatVal(1.5)}),
		"id":    cty.StringVal("u-1"),
		"size":  cty.MustParseNumberVal("12345678901234567890.125"),
	}
	for k, e := range change {
		v[k] = e
	}
	return cty.ObjectVal(v)
}

func computedID(name string) bool { return name == "id" || name == "size" }

var accountSecrets = []cty.Path{cty.GetAttrPath("password"), cty.GetAttrPath("keys").IndexInt(0).GetAttr("secret"), cty.GetAttrPath("keys").IndexInt(1).GetAttr("secret")}

func TestObjectRoundTrip(t *testing.T) {
	tests := map[string]map[string]cty.Value{
		"full":  nil,
		"nulls": {"tags": cty.NullVal(cty.Map(cty.String)), "id": cty.NullVal(cty.String), "extra": cty.NullVal(cty.DynamicPseudoType)},
		"empty": {"tags": cty.MapValEmpty(cty.String), "groups": cty.SetValEmpty(cty.String), "name": cty.StringVal("")},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			want := accountValue(change)
			i := Incarnation{Provider: "p", Attempt: "a"}
			if err := i.SetObject(want, Split{Type: account, Computed: computedID}); err != nil {
				t.Fatal(err)
			}
			got, err := i.Object(account)
			if err != nil {
				t.Fatal(err)
			}
			if !got.RawEquals(want) {
				t.Errorf("got %#v\nwant %#v", got, want)
			}
			if strings.Contains(string(i.Asked), `"id"`) || strings.Contains(string(i.Observed), `"name"`) {
				t.Errorf("asked %s and observed %s are mixed", i.Asked, i.Observed)
			}
		})
	}
}

func TestObjectRefuses(t *testing.T) {
	var i Incarnation
	tests := map[string]struct {
		value cty.Value
		split Split
		want  string
	}{
		"null":           {cty.NullVal(account), Split{}, "is null"},
		"string":         {cty.StringVal("x"), Split{}, "is string"},
		"unknown":        {accountValue(map[string]cty.Value{"id": cty.UnknownVal(cty.String)}), Split{}, "unknown values"},
		"other's schema": {accountValue(map[string]cty.Value{"more": cty.True}), Split{Type: account}, "no such attribute"},
	}
	for name, test := range tests {
		if err := i.SetObject(test.value, test.split); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	planned := accountValue(map[string]cty.Value{"id": cty.UnknownVal(cty.String)})
	if err := i.SetObject(planned, Split{Type: account, Computed: computedID, Planned: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := i.Object(account); err != nil || !got.GetAttr("id").IsNull() || got.GetAttr("name").AsString() != "alice" {
		t.Errorf("got %#v, %v; want what is known", got, err)
	}
	i.Asked = []byte(`{"name":"x","gone":1}`)
	if _, err := i.Object(account); err == nil || !strings.Contains(err.Error(), "does not fit its schema") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsStayOut(t *testing.T) {
	seal := newSealer("token")
	value := accountValue(map[string]cty.Value{"name": cty.StringVal("marked").Mark("sensitive")})
	i := Incarnation{Provider: "p", Attempt: "a1"}
	if err := i.SetObject(value, Split{Type: account, Computed: computedID, Sensitive: accountSecrets, Seal: seal}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"hunter2", "s1", "marked"} {
		if strings.Contains(string(i.Asked)+string(i.Observed), text) {
			t.Errorf("%q is in %s", text, i.Asked)
		}
	}
	if len(i.Secrets) != 3 {
		t.Fatalf("got %v, want three secrets: a null one is none", i.Secrets)
	}
	prior, err := i.Object(account)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := value.UnmarkDeep()

	if got := i.Restore(prior, plain, seal); !got.RawEquals(plain) {
		t.Errorf("with the same secrets wanted, got %#v", got)
	}
	got := i.Restore(prior, accountValue(map[string]cty.Value{"password": cty.StringVal("other")}), seal)
	if !got.GetAttr("password").IsNull() {
		t.Errorf("another password must show as a change, got %#v", got.GetAttr("password"))
	}
	if key := got.GetAttr("keys").Index(cty.NumberIntVal(0)).GetAttr("secret"); key.AsString() != "s1" {
		t.Errorf("the key did not change, got %#v", key)
	}
	if got := i.Restore(prior, plain, newSealer("another")); !got.GetAttr("password").IsNull() {
		t.Error("another token's fingerprints must not fit")
	}
	if got := i.Restore(prior, plain, nil); !got.RawEquals(plain) {
		t.Error("without a token nothing can be told, and counts as unchanged")
	}
	other := Incarnation{Provider: "p", Attempt: "a2"}
	if err := other.SetObject(value, Split{Type: account, Sensitive: accountSecrets, Seal: seal}); err != nil {
		t.Fatal(err)
	}
	if other.Secrets[0].Fingerprint == i.Secrets[0].Fingerprint {
		t.Error("the same secret in two objects must not show")
	}
	shorter := accountValue(map[string]cty.Value{"keys": cty.ListValEmpty(account.AttributeType("keys").ElementType())})
	if got := i.Restore(prior, shorter, seal); !got.GetAttr("keys").Index(cty.NumberIntVal(0)).GetAttr("secret").IsNull() {
		t.Error("what has no counterpart stays null")
	}
}

func TestSecretInSet(t *testing.T) {
	v := cty.ObjectVal(map[string]cty.Value{"groups": cty.SetVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")})})
	i := Incarnation{Attempt: "a"}
	if err := i.SetObject(v, Split{Sensitive: []cty.Path{cty.GetAttrPath("groups").Index(cty.StringVal("a"))}}); err != nil {
		t.Fatal(err)
	}
	if string(i.Asked) != "{}" || len(i.Secrets) != 1 || i.Secrets[0].Fingerprint != "" {
		t.Errorf("got %s and %v; a secret element leaves out the set", i.Asked, i.Secrets)
	}
}

func TestProviderAndOutputs(t *testing.T) {
	config := cty.ObjectVal(map[string]cty.Value{"host": cty.StringVal("ssh://lab"), "key": cty.StringVal("k")})
	seal := newSealer("token")
	p, err := NewProvider(Location{Kind: "docker-engine", ID: "x"}, config, []cty.Path{cty.GetAttrPath("key")}, seal)
	if err != nil || strings.Contains(string(p.Config), `"k"`) {
		t.Fatalf("got %s, %v", p.Config, err)
	}
	got, err := p.Value(config.Type())
	if err != nil || !got.GetAttr("key").IsNull() {
		t.Fatalf("got %#v, %v", got, err)
	}
	if got := p.Restore(got, config, seal); !got.RawEquals(config) {
		t.Errorf("got %#v", got)
	}
	if !p.Location.Same(Location{Kind: "docker-engine", ID: "x", Label: "renamed"}) || p.Location.Same(Location{Kind: "docker-engine", ID: "y"}) {
		t.Error("a location is the same by kind and id")
	}

	list := cty.TupleVal([]cty.Value{cty.StringVal("a"), cty.NumberIntVal(1), cty.NullVal(cty.DynamicPseudoType)})
	o, err := NewOutput(list, false)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := o.Cty(); err != nil || !v.RawEquals(list) {
		t.Errorf("got %#v, %v", v, err)
	}
	o, err = NewOutput(cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("x").Mark("sensitive")}), false)
	if err != nil || !o.Sensitive || o.Value != nil {
		t.Errorf("got %+v, %v; a marked output is sensitive", o, err)
	}
	if v, err := o.Cty(); err != nil || v.IsKnown() {
		t.Errorf("got %#v, %v; what was left out is unknown", v, err)
	}
	if _, err := NewOutput(cty.UnknownVal(cty.String), false); err == nil {
		t.Error("an unknown output was recorded")
	}
}

func TestDepose(t *testing.T) {
	r := &Resource{Address: lan(), Incarnation: Incarnation{Provider: "p", Attempt: "a1"}}
	d := r.Depose()
	if d.Exists() || len(d.Deposed) != 1 || !r.Exists() || len(r.Deposed) != 0 {
		t.Errorf("got %+v from %+v", d, r)
	}
	if d.WithoutDeposed("a1") != nil {
		t.Error("nothing is left without the only object")
	}
	if got := d.WithoutDeposed("other"); got == nil || len(got.Deposed) != 1 {
		t.Errorf("got %+v", got)
	}
}
