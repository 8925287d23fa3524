package docker

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

func TestContainerPlan(t *testing.T) {
	p, s := callable(t, &engine{})
	block := s.Resources["docker_container"].Block
	port := func(host int64) cty.Value {
		return cty.TupleVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{
			"container": cty.NumberIntVal(80), "host": cty.NumberIntVal(host), "address": str("0.0.0.0"), "protocol": str("tcp")})})
	}
	exists := map[string]cty.Value{
		"name": str("n"), "image": str("i"), "id": str("1"), "container_name": str("n-1"), "address": str("172.17.0.2"),
		"running": cty.True, "published": cty.ListValEmpty(cty.String), "cgroup_parent": str(""),
	}
	with := func(change map[string]cty.Value) map[string]cty.Value {
		all := maps.Clone(exists)
		maps.Copy(all, change)
		return all
	}
	type attrs = map[string]cty.Value
	system := func(path, update string) attrs {
		return with(attrs{"systemd": cty.True, "system": str(path), "update": str(update)})
	}
	unknown := attrs{"address": cty.UnknownVal(cty.String), "published": cty.UnknownVal(cty.List(cty.String)), "running": cty.UnknownVal(cty.Bool)}
	for name, test := range map[string]struct {
		prior, proposed attrs
		want            attrs
		replace         string
	}{
		"create, all fixed": {nil, with(attrs{"ip": str("10.0.0.2"), "port": port(8080), "address": unknown["address"], "published": unknown["published"], "running": unknown["running"]}),
			attrs{"address": str("10.0.0.2"), "running": cty.True, "published": cty.ListVal([]cty.Value{str("0.0.0.0:8080/tcp")})}, ""},
		"create, the engine chooses": {nil, with(attrs{"port": port(0), "address": unknown["address"], "published": unknown["published"], "running": unknown["running"]}),
			attrs{"address": unknown["address"], "running": cty.True, "published": unknown["published"]}, ""},
		"nothing to do":                           {exists, exists, attrs{"running": cty.True, "address": str("172.17.0.2")}, ""},
		"stopped":                                 {with(attrs{"running": cty.False}), with(attrs{"running": cty.False}), attrs{"running": cty.True, "address": unknown["address"], "published": cty.ListValEmpty(cty.String)}, ""},
		"another image":                           {exists, with(attrs{"image": str("j")}), attrs{"image": str("j")}, "its image changed"},
		"an image not known yet":                  {exists, with(attrs{"image": cty.UnknownVal(cty.String)}), nil, "its image changed"},
		"another system":                          {system("s", "replace"), system("t", "replace"), nil, "its system changed"},
		"another system, to switch to":            {system("s", "switch"), system("t", "switch"), attrs{"system": str("t")}, ""},
		"another system, not known yet":           {system("s", "switch"), with(attrs{"systemd": cty.True, "system": cty.UnknownVal(cty.String), "update": str("switch")}), nil, "its system changed"},
		"the first system":                        {exists, system("t", "switch"), nil, "its system changed"},
		"another system, and it is down":          {with(attrs{"systemd": cty.True, "system": str("s"), "update": str("switch"), "running": cty.False}), system("t", "switch"), nil, "its system changed"},
		"the user changes only what is to happen": {system("s", "replace"), system("s", "switch"), attrs{"update": str("switch")}, ""},
		"another image below a system":            {with(attrs{"systemd": cty.True}), with(attrs{"systemd": cty.True, "image": str("j")}), attrs{"image": str("j")}, ""},
		"an image below a system, unknown":        {with(attrs{"systemd": cty.True}), with(attrs{"systemd": cty.True, "image": cty.UnknownVal(cty.String)}), attrs{"image": cty.UnknownVal(cty.String)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			prior := cty.NullVal(block.Type())
			if test.prior != nil {
				prior = value(t, block, test.prior)
			}
			proposed := value(t, block, test.proposed)
			var got plugins.PlanResult
			d := p.Plan(t.Context(), []plugins.PlanRequest{{Type: "docker_container", Prior: prior, Proposed: proposed, Config: proposed}},
				func(_ int, r plugins.PlanResult) { got = r })
			if d = append(d, got.Diagnostics...); d.HasErrors() {
				t.Fatal(d)
			}
			for name, want := range test.want {
				if now := got.Planned.GetAttr(name); !now.RawEquals(want) {
					t.Errorf("%s: %#v, want %#v", name, now, want)
				}
			}
			var reasons string
			for _, r := range got.Replace {
				reasons += r.Reason
			}
			if diff := cmp.Diff(test.replace, reasons); diff != "" {
				t.Errorf("replaced because of (-want +got):\n%s", diff)
			}
		})
	}
}
