package typed

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

type port struct {
	Host     int    `nxc:"host,required,exclusive" doc:"On the host."`
	Protocol string `nxc:"protocol,default=tcp"`
}

type limits struct {
	Memory string `nxc:"memory"`
}

type base struct {
	ID string `nxc:"id,computed"`
}

type machine struct {
	base
	Name   string            `nxc:"name,required,replace"`
	Count  int               `nxc:"count_"`
	Small  uint8             `nxc:"small"`
	Ratio  float64           `nxc:"ratio"`
	On     bool              `nxc:"on,default=true"`
	Wait   time.Duration     `nxc:"wait,default=1m"`
	Args   []string          `nxc:"args"`
	Labels map[string]string `nxc:"labels"`
	Matrix map[string][]int  `nxc:"matrix"`
	Maybe  *string           `nxc:"maybe"`
	Any    cty.Value         `nxc:"any"`
	Ports  []port            `nxc:"port,block"`
	Limits *limits           `nxc:"limits,block"`
	Found  []string          `nxc:"found,computed"`
	Where  place             `nxc:"where,computed"`
}

type place struct {
	Host string `nxc:"host"`
	Port int    `nxc:"port"`
}

func machineType(t *testing.T) *Type {
	t.Helper()
	m, err := For[machine]()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSchema(t *testing.T) {
	m := machineType(t)
	for name, want := range map[string]schema.Attribute{
		"name":  {Type: cty.String, Required: true, Replace: true},
		"id":    {Type: cty.String, Computed: true},
		"on":    {Type: cty.Bool, Optional: true, Default: cty.True},
		"wait":  {Type: cty.String, Optional: true, Default: cty.StringVal("1m")},
		"args":  {Type: cty.List(cty.String), Optional: true},
		"any":   {Type: cty.DynamicPseudoType, Optional: true},
		"where": {Type: cty.Object(map[string]cty.Type{"host": cty.String, "port": cty.Number}), Computed: true},
	} {
		want.Name = name
		got := m.Attribute(name)
		if got == nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("attribute %s: got %+v, want %+v", name, got, want)
		}
	}
	ports := m.Block.Nested("port")
	if ports == nil || ports.Nesting != schema.List || !ports.Block.Attribute("host").Exclusive {
		t.Errorf("block port: %+v", ports)
	}
	if l := m.Block.Nested("limits"); l == nil || l.Nesting != schema.Single {
		t.Errorf("block limits: %+v", l)
	}
}

func TestSchemaMistakes(t *testing.T) {
	type cycle struct {
		Inner []*cycle `nxc:"inner,block"`
	}
	for want, of := range map[string]any{
		"is not a struct": 7,
		"unknown option": struct {
			A string `nxc:"a,wanted"`
		}{},
		"is not a name": struct {
			A string `nxc:"Name"`
		}{},
		"two fields called": struct {
			A string `nxc:"a"`
			B string `nxc:"a"`
		}{},
		"required excludes": struct {
			A string `nxc:"a,required,computed"`
		}{},
		"a default needs": struct {
			A string `nxc:"a,computed,default=x"`
		}{},
		"string keys": struct {
			A map[int]string `nxc:"a"`
		}{},
		"cannot hold": struct {
			A chan int `nxc:"a"`
		}{},
		"a block needs a struct": struct {
			A string `nxc:"a,block"`
		}{},
		"contains itself": cycle{},
		"not exported": struct {
			a string `nxc:"a"`
		}{},
		`default "x"`: struct {
			A int `nxc:"a,default=x"`
		}{},
	} {
		_, err := Of(reflect.TypeOf(of))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: got %v, want %q", of, err, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	m := machineType(t)
	text := ""
	for name, want := range map[string]machine{
		"zero": {},
		"full": {
			base: base{ID: "1"}, Name: "a", Count: -3, Small: 255, Ratio: 1.5, On: true, Wait: 90 * time.Minute,
			Args: []string{"x", ""}, Labels: map[string]string{"k": "v"}, Matrix: map[string][]int{"m": {1, 2}},
			Maybe: &text, Any: cty.TupleVal([]cty.Value{cty.True, cty.StringVal("x")}),
			Ports: []port{{Host: 80, Protocol: "tcp"}, {Host: 53, Protocol: "udp"}}, Limits: &limits{Memory: "1G"},
			Found: []string{"f"}, Where: place{"h", 1},
		},
		"empty lists": {Args: []string{}, Labels: map[string]string{}, Ports: []port{}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := m.Encode(want, verbatim)
			if err != nil {
				t.Fatal(err)
			}
			var got machine
			if _, err := m.Decode(v, &got); err != nil {
				t.Fatal(err)
			}
			if want.Any == cty.NilVal {
				want.Any = cty.NullVal(cty.DynamicPseudoType)
			}
			if want.Ports != nil && len(want.Ports) == 0 || want.Ports == nil {
				want.Ports, got.Ports = nil, nil // no block is no block
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// What a zero field means depends on whether it is asked for or exists.
func TestModes(t *testing.T) {
	m := machineType(t)
	for name, test := range map[string]struct {
		mode Mode
		want map[string]cty.Value
	}{
		"wish": {Wish, map[string]cty.Value{
			"name": cty.StringVal(""), "id": cty.NullVal(cty.String), "on": cty.True, "count_": cty.NullVal(cty.Number),
			"found": cty.NullVal(cty.List(cty.String)), "args": cty.NullVal(cty.List(cty.String)), "maybe": cty.NullVal(cty.String),
			"port": cty.ListValEmpty(m.Block.Nested("port").Block.Type()),
		}},
		"result": {Result, map[string]cty.Value{
			"name": cty.StringVal(""), "id": cty.StringVal(""), "on": cty.False, "count_": cty.NullVal(cty.Number),
			"found": cty.ListValEmpty(cty.String), "args": cty.NullVal(cty.List(cty.String)), "maybe": cty.NullVal(cty.String),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := m.Encode(machine{}, test.mode)
			if err != nil {
				t.Fatal(err)
			}
			if !v.Type().Equals(m.Value()) {
				t.Errorf("type %#v", v.Type())
			}
			for attr, want := range test.want {
				if got := v.GetAttr(attr); !got.RawEquals(want) {
					t.Errorf("%s: got %#v, want %#v", attr, got, want)
				}
			}
		})
	}
}

func TestDecodeMistakes(t *testing.T) {
	m := machineType(t)
	good, _ := m.Encode(machine{Any: cty.NullVal(cty.DynamicPseudoType), Ports: []port{{}, {}}}, Result)
	with := func(path string, v cty.Value) cty.Value {
		attrs := good.AsValueMap()
		attrs[path] = v
		return cty.ObjectVal(attrs)
	}
	for want, v := range map[string]cty.Value{
		"small: must be a whole number from 0 to 255, not 256": with("small", cty.NumberIntVal(256)),
		"count_: must be a whole number, not 1.5":              with("count_", cty.NumberFloatVal(1.5)),
		`wait: must be a duration such as "90s"`:               with("wait", cty.StringVal("soon")),
		"port[1].host: must be a whole number": with("port", cty.ListVal([]cty.Value{
			cty.ObjectVal(map[string]cty.Value{"host": cty.Zero, "protocol": cty.StringVal("")}),
			cty.ObjectVal(map[string]cty.Value{"host": cty.NumberFloatVal(0.5), "protocol": cty.StringVal("")}),
		})),
	} {
		_, err := m.Decode(v, new(machine))
		if err == nil {
			t.Errorf("%s: no error", want)
			continue
		}
		pe, ok := err.(cty.PathError)
		if !ok {
			t.Errorf("%v has no path", err)
			continue
		}
		if got := pathString(pe.Path) + ": " + err.Error(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := m.Decode(cty.NullVal(m.Value()), new(machine)); err == nil {
		t.Error("null decoded")
	}
}

func pathString(p cty.Path) string {
	var b strings.Builder
	for i, step := range p {
		switch step := step.(type) {
		case cty.GetAttrStep:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step.Name)
		case cty.IndexStep:
			b.WriteString("[" + step.Key.AsBigFloat().String() + "]")
		}
	}
	return b.String()
}

// What was left out has its default, also where nobody filled it in before.
func TestDecodeDefaults(t *testing.T) {
	m := machineType(t)
	v, err := m.Encode(machine{Any: cty.NullVal(cty.DynamicPseudoType), Ports: []port{{Host: 1}}}, Wish)
	if err != nil {
		t.Fatal(err)
	}
	attrs := v.AsValueMap()
	attrs["on"], attrs["wait"] = cty.NullVal(cty.Bool), cty.NullVal(cty.String)
	attrs["port"] = cty.ListVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"host": cty.Zero, "protocol": cty.NullVal(cty.String)})})
	var got machine
	if _, err := m.Decode(cty.ObjectVal(attrs), &got); err != nil {
		t.Fatal(err)
	}
	if !got.On || got.Wait != time.Minute || got.Ports[0].Protocol != "tcp" {
		t.Errorf("on %v, wait %s, protocol %q", got.On, got.Wait, got.Ports[0].Protocol)
	}
	back, err := m.Merge(&got, cty.ObjectVal(attrs), nil)
	if err != nil || !back.GetAttr("on").IsNull() {
		t.Errorf("null became %#v, %v", back.GetAttr("on"), err)
	}
}

func TestUnknown(t *testing.T) {
	m := machineType(t)
	v, _ := m.Encode(machine{Name: "a", Any: cty.NullVal(cty.DynamicPseudoType)}, Result)
	attrs := v.AsValueMap()
	attrs["id"] = cty.UnknownVal(cty.String)
	attrs["labels"] = cty.MapVal(map[string]cty.Value{"a": cty.StringVal("1"), "b": cty.UnknownVal(cty.String)})
	var got machine
	unknown, err := m.Decode(cty.ObjectVal(attrs), &got)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]bool{"id": true, "labels": true}; !reflect.DeepEqual(unknown, want) {
		t.Errorf("unknown %v, want %v", unknown, want)
	}
	if got.ID != "" || got.Labels["a"] != "1" || got.Labels["b"] != "" {
		t.Errorf("got %+v", got)
	}
}

// Merge keeps null and zero apart, which a field cannot.
func TestMerge(t *testing.T) {
	m := machineType(t)
	v, _ := m.Encode(machine{Name: "a", Any: cty.NullVal(cty.DynamicPseudoType)}, Wish)
	attrs := v.AsValueMap()
	attrs["id"] = cty.UnknownVal(cty.String)
	attrs["found"] = cty.UnknownVal(cty.List(cty.String))
	attrs["labels"] = cty.MapValEmpty(cty.String)
	attrs["count_"] = cty.Zero
	baseValue := cty.ObjectVal(attrs)
	var object machine
	if _, err := m.Decode(baseValue, &object); err != nil {
		t.Fatal(err)
	}
	object.ID = "7"
	object.Ratio = 2
	got, err := m.Merge(&object, baseValue, nil)
	if err != nil {
		t.Fatal(err)
	}
	for attr, want := range map[string]cty.Value{
		"name": cty.StringVal("a"), "id": cty.StringVal("7"), "ratio": cty.NumberIntVal(2), "count_": cty.Zero,
		"small": cty.NullVal(cty.Number), "labels": cty.MapValEmpty(cty.String), "args": cty.NullVal(cty.List(cty.String)),
		"found": cty.ListValEmpty(cty.String), "on": cty.True,
	} {
		if g := got.GetAttr(attr); !g.RawEquals(want) {
			t.Errorf("%s: got %#v, want %#v", attr, g, want)
		}
	}
	kept, err := m.Merge(&object, baseValue, map[string]bool{"found": true, "name": true})
	if err != nil {
		t.Fatal(err)
	}
	if kept.GetAttr("found").IsKnown() || kept.GetAttr("name").IsKnown() || !kept.GetAttr("id").IsKnown() {
		t.Errorf("kept unknown: %#v", kept)
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m", 10 * time.Second: "10s", 20 * time.Hour: "20h",
	} {
		got := shortDuration(d)
		if got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
		if back, err := time.ParseDuration(got); err != nil || back != d {
			t.Errorf("%q does not parse back: %v", got, err)
		}
	}
}
