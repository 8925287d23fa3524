package plan

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestCheckResult(t *testing.T) {
	ports := func(vs ...values) cty.Value {
		var all []cty.Value
		for _, v := range vs {
			all = append(all, port(v))
		}
		return cty.ListVal(all)
	}
	tests := map[string]struct {
		planned, result values
		want            []string
	}{
		"as planned":                 {planned: values{"note": str("n")}, result: values{"note": str("n")}},
		"unknown becomes known":      {planned: values{"id": unk}, result: values{"id": str("i")}},
		"unknown becomes null":       {planned: values{"id": unk}, result: values{}},
		"another value":              {planned: values{"note": str("n")}, result: values{"note": str("m")}, want: []string{`note was planned as "n" and came back as "m"`}},
		"a value that is gone":       {planned: values{"note": str("n")}, result: values{}, want: []string{`note was planned as "n" and came back as null`}},
		"a value nobody planned":     {planned: values{}, result: values{"size": num(4)}, want: []string{"size was planned as null and came back as 4"}},
		"null comes back empty":      {planned: values{}, result: values{"list": list()}},
		"empty comes back null":      {planned: values{"list": list()}, result: values{}},
		"a sensitive value":          {planned: values{"secret": str("a")}, result: values{"secret": str("b")}, want: []string{"secret was planned as a sensitive value and came back as a sensitive value"}},
		"still unknown":              {planned: values{"id": unk}, result: values{"id": unk}, want: []string{"some of its values are not known even now"}},
		"an unknown element":         {planned: values{"list": cty.ListVal([]cty.Value{str("a"), unk})}, result: values{"list": list("a", "b")}},
		"a known element changes":    {planned: values{"list": cty.ListVal([]cty.Value{str("a"), unk})}, result: values{"list": list("x", "b")}, want: []string{"list was planned as"}},
		"a list grows":               {planned: values{"list": cty.ListVal([]cty.Value{str("a"), unk})}, result: values{"list": list("a", "b", "c")}, want: []string{"list was planned as a list of 2 and came back as a list of 3"}},
		"a partly known list goes":   {planned: values{"list": cty.ListVal([]cty.Value{str("a"), unk})}, result: values{}, want: []string{"came back as null"}},
		"an unknown member of a set": {planned: values{"set": cty.SetVal([]cty.Value{str("a"), unk})}, result: values{"set": cty.SetVal([]cty.Value{str("a"), str("b")})}},
		"members that coincide":      {planned: values{"set": cty.SetVal([]cty.Value{str("a"), unk})}, result: values{"set": cty.SetVal([]cty.Value{str("a")})}},
		"a member of a set is gone":  {planned: values{"set": cty.SetVal([]cty.Value{str("a"), unk})}, result: values{"set": cty.SetVal([]cty.Value{str("b")})}, want: []string{"set was planned"}},
		"a set grows":                {planned: values{"set": cty.SetVal([]cty.Value{str("a"), unk})}, result: values{"set": cty.SetVal([]cty.Value{str("a"), str("b"), str("c")})}, want: []string{"set was planned"}},
		"an unknown value of a map": {
			planned: values{"map": cty.MapVal(map[string]cty.Value{"k": unk, "l": str("x")})},
			result:  values{"map": cty.MapVal(map[string]cty.Value{"k": str("v"), "l": str("x")})},
		},
		"a key of a map is gone": {
			planned: values{"map": cty.MapVal(map[string]cty.Value{"k": unk, "l": str("x")})},
			result:  values{"map": cty.MapVal(map[string]cty.Value{"l": str("x")})},
			want:    []string{"map was planned"},
		},
		"another key": {
			planned: values{"map": cty.MapVal(map[string]cty.Value{"k": unk})},
			result:  values{"map": cty.MapVal(map[string]cty.Value{"l": str("x")})},
			want:    []string{"map was planned"},
		},
		"any value": {planned: values{"any": cty.DynamicVal}, result: values{"any": list("a")}},
		"any value, known in part": {
			planned: values{"any": cty.ObjectVal(map[string]cty.Value{"k": unk})},
			result:  values{"any": cty.ObjectVal(map[string]cty.Value{"k": str("v")})},
		},
		"any value of another type": {
			planned: values{"any": cty.ObjectVal(map[string]cty.Value{"k": unk})},
			result:  values{"any": str("v")},
			want:    []string{"any was planned as an object"},
		},
		"blocks as planned":         {planned: values{"port": ports(values{"guest": num(1), "pid": unk})}, result: values{"port": ports(values{"guest": num(1), "pid": str("p")})}},
		"a block changes":           {planned: values{"port": ports(values{"guest": num(1)})}, result: values{"port": ports(values{"guest": num(2)})}, want: []string{"port[0].guest was planned as 1 and came back as 2"}},
		"blocks vanish":             {planned: values{"port": ports(values{"guest": num(1)})}, result: values{}, want: []string{"port was planned as a list of 1 and came back as a list of 0"}},
		"blocks multiply":           {planned: values{"port": ports(values{"guest": num(1)})}, result: values{"port": ports(values{"guest": num(1)}, values{"guest": num(2)})}, want: []string{"port was planned"}},
		"unknown blocks":            {planned: values{"port": cty.UnknownVal(cty.List(port(nil).Type()))}, result: values{"port": ports(values{"guest": num(1)})}},
		"null blocks come as empty": {planned: values{"port": cty.NullVal(cty.List(port(nil).Type()))}, result: values{}},
		"a single block":            {planned: values{"disk": disk(values{"size": num(1), "serial": unk})}, result: values{"disk": disk(values{"size": num(1), "serial": str("s")})}},
		"a single block changes":    {planned: values{"disk": disk(values{"size": num(1)})}, result: values{"disk": disk(values{"size": num(2)})}, want: []string{"disk.size was planned as 1 and came back as 2"}},
		"a single block vanishes":   {planned: values{"disk": disk(values{"size": num(1)})}, result: values{}, want: []string{"disk was planned as an object and came back as null"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := thing()
			problems := CheckResult(b, at("thing.a"), "p", object(b, test.planned), object(b, test.result))
			if len(problems) != len(test.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(problems), len(test.want), describe(problems))
			}
			for i, want := range test.want {
				if got := describe(problems[i : i+1]); !strings.Contains(got, want) || !strings.Contains(got, "Provider p") {
					t.Errorf("got %s\nwant %s", got, want)
				}
			}
		})
	}
	for name, result := range map[string]cty.Value{
		"null": cty.NullVal(shapeOf(thing()).typ), "another type": cty.EmptyObjectVal,
	} {
		if problems := CheckResult(thing(), at("thing.a"), "p", object(thing(), nil), result); len(problems) != 1 {
			t.Errorf("%s: got %s", name, describe(problems))
		}
	}
}

func TestDifferences(t *testing.T) {
	b := thing()
	typ := shapeOf(b).typ
	some := object(b, values{"note": str("n"), "port": cty.ListVal([]cty.Value{port(values{"guest": num(1)})})})
	tests := map[string]struct {
		before, after cty.Value
		want          string
	}{
		"both null":              {cty.NullVal(typ), cty.NullVal(typ), ""},
		"created":                {cty.NullVal(typ), some, "note port[0].guest!"},
		"deleted":                {some, cty.NullVal(typ), "note port[0].guest!"},
		"unknown":                {object(b, values{}), cty.UnknownVal(typ), "any id image! list map name note secret set size zone disk! port!"},
		"both unknown":           {cty.UnknownVal(typ), cty.UnknownVal(typ), ""},
		"an empty block appears": {object(b, nil), object(b, values{"disk": disk(nil)}), "disk"},
		"an unknown block": {
			object(b, nil), object(b, values{"disk": cty.UnknownVal(disk(nil).Type())}), "disk!",
		},
		"an unknown element": {
			some, object(b, values{"note": str("n"), "port": cty.ListVal([]cty.Value{cty.UnknownVal(port(nil).Type())})}), "port[0]!",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range Differences(b, test.before, test.after) {
				s := FormatPath(d.Path)
				if d.Replace {
					s += "!"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %q, want %q", s, test.want)
			}
		})
	}
}

func TestFormatPath(t *testing.T) {
	p := cty.GetAttrPath("port").IndexInt(2).GetAttr("labels").IndexString("a b")
	if got, want := FormatPath(p), `port[2].labels["a b"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := FormatPath(nil); got != "" {
		t.Errorf("got %q", got)
	}
	if got := FormatPath(cty.Path{cty.IndexStep{Key: cty.UnknownVal(cty.String)}, cty.IndexStep{Key: cty.True}}); got != "[?][…]" {
		t.Errorf("got %q", got)
	}
}
