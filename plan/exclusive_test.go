package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// A collection claims each of its elements.
func TestHoldsElements(t *testing.T) {
	block := &schema.Block{Attributes: []schema.Attribute{{Name: "published", Type: cty.List(cty.String), Computed: true, Exclusive: true}}}
	shapes := shapes{}
	for name, test := range map[string]struct {
		v    cty.Value
		want []string
	}{
		"two":     {cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b")}), []string{"a", "b"}},
		"none":    {cty.ListValEmpty(cty.String), nil},
		"null":    {cty.NullVal(cty.List(cty.String)), nil},
		"unknown": {cty.UnknownVal(cty.List(cty.String)), nil},
		"partly":  {cty.ListVal([]cty.Value{cty.UnknownVal(cty.String), cty.StringVal("b")}), []string{"b"}},
	} {
		var got []string
		for _, h := range holds(shapes.of(block), "p", "t", cty.ObjectVal(map[string]cty.Value{"published": test.v})) {
			got = append(got, h.claim.value)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
