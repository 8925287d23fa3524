package sdk

import (
	"errors"
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

func TestDiagnose(t *testing.T) {
	image := cty.GetAttrPath("image")
	port := cty.GetAttrPath("port").IndexInt(0).GetAttr("host")
	for name, test := range map[string]struct {
		err  error
		want plugins.Diagnostics
	}{
		"nil":       {nil, nil},
		"plain":     {errors.New("no space left"), plugins.Diagnostics{{Summary: "no space left"}}},
		"two lines": {errors.New("cannot pull\nthe registry is down\n"), plugins.Diagnostics{{Summary: "cannot pull", Detail: "the registry is down"}}},
		"attribute": {AttributeError("image", "No such image", "Build it."),
			plugins.Diagnostics{{Summary: "No such image", Detail: "Build it.", Path: image}}},
		"wrapped": {fmt.Errorf("start it: %w", AttributeError("port[0].host", "In use", "")),
			plugins.Diagnostics{{Summary: "start it: In use", Path: port}}},
		"joined": {errors.Join(AttributeError("image", "A", ""), errors.New("B"), Warn("C", "D")),
			plugins.Diagnostics{{Summary: "A", Path: image}, {Summary: "B"}, {Severity: plugins.Warning, Summary: "C", Detail: "D"}}},
		"one sentence": {fmt.Errorf("both %w and %w", errors.New("a"), errors.New("b")), plugins.Diagnostics{{Summary: "both a and b"}}},
		"bad path":     {AttributeError("port[", "Still told", ""), plugins.Diagnostics{{Summary: "Still told"}}},
		"conversion":   {image.NewErrorf("must be a whole number"), plugins.Diagnostics{{Summary: "Must be a whole number", Path: image}}},
	} {
		if got, want := spell(diagnose(test.err)), spell(test.want); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// spell writes diagnostics so that equal ones are equal texts.
func spell(d plugins.Diagnostics) string {
	text := ""
	for i := range d {
		text += fmt.Sprintf("%d %q %q %s\n", d[i].Severity, d[i].Summary, d[i].Detail, pathText(d[i].Path))
	}
	return text
}

func TestParsePath(t *testing.T) {
	for text, want := range map[string]cty.Path{
		"a":               cty.GetAttrPath("a"),
		"a.b":             cty.GetAttrPath("a").GetAttr("b"),
		"port[10].host":   cty.GetAttrPath("port").IndexInt(10).GetAttr("host"),
		`labels["a b"]`:   cty.GetAttrPath("labels").IndexString("a b"),
		`m["x"][0].c.d_1`: cty.GetAttrPath("m").IndexString("x").IndexInt(0).GetAttr("c").GetAttr("d_1"),
	} {
		got, err := parsePath(text)
		if err != nil || !got.Equals(want) {
			t.Errorf("%s: got %#v, %v", text, got, err)
		}
		if back := pathText(got); back != text {
			t.Errorf("%s is written back as %s", text, back)
		}
	}
	for _, text := range []string{"a[", "a[x]", "a..b", "a[0"} {
		if _, err := parsePath(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}
