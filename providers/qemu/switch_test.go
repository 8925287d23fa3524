package qemu

import (
	"maps"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

func TestMachinePlanSystem(t *testing.T) {
	p, err := sdk.New(provider(&host{program: "true"}))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := p.Schema(t.Context())
	block := s.Resources["qemu_machine"].Block
	type attrs = map[string]cty.Value
	str := cty.StringVal
	value := func(set attrs) cty.Value {
		all := attrs{}
		for name, typ := range block.Type().AttributeTypes() {
			all[name] = cty.NullVal(typ)
			if typ.IsListType() {
				all[name] = cty.ListValEmpty(typ.ElementType())
			}
		}
		maps.Copy(all, attrs{"name": str("n"), "system": str("s"), "update": str("switch"), "kernel": str("k"), "initrd": str("i"), "memory": str("512M"), "vcpus": cty.NumberIntVal(1),
			"modules": cty.ListVal([]cty.Value{str("loop")}), "running": cty.True, "accelerator": str("tcg")})
		maps.Copy(all, set)
		return cty.ObjectVal(all)
	}
	for name, test := range map[string]struct {
		change attrs
		want   string
	}{
		"another system":                  {attrs{"system": str("t"), "initrd": str("j")}, ""},
		"another system, not to switch":   {attrs{"system": str("t"), "initrd": str("j"), "update": str("replace")}, "its system changed"},
		"another kernel":                  {attrs{"system": str("t"), "kernel": str("l")}, "its kernel changed"},
		"other modules":                   {attrs{"system": str("t"), "modules": cty.ListVal([]cty.Value{str("nbd")})}, "its first stage loads other modules"},
		"a system not known yet":          {attrs{"system": cty.UnknownVal(cty.String)}, "its system changed"},
		"only the image that all share":   {attrs{"initrd": str("j"), "kernel": str("l")}, ""},
		"without a system, as by another": {attrs{"system": cty.NullVal(cty.String)}, "its system changed"},
	} {
		t.Run(name, func(t *testing.T) {
			proposed := value(test.change)
			var got plugins.PlanResult
			d := p.Plan(t.Context(), []plugins.PlanRequest{{Type: "qemu_machine", Prior: value(nil), Proposed: proposed, Config: proposed}},
				func(_ int, r plugins.PlanResult) { got = r })
			if d = append(d, got.Diagnostics...); d.HasErrors() {
				t.Fatal(d)
			}
			var reasons string
			for _, r := range got.Replace {
				reasons += r.Reason
			}
			if reasons != test.want {
				t.Errorf("replaced because %q, want %q", reasons, test.want)
			}
		})
	}
	if a := block.Attribute("kernel_params"); a == nil || !a.Replace {
		t.Error("other parameters of the kernel do not make another machine")
	}
}
