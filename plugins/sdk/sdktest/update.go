package sdktest

import (
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// update changes in place or replaces, as schema and Plan say.
func (r *run) update(t *testing.T) {
	config := configValue(t, &r.rt.Block, r.Update)
	planned, replace := r.plan(t, config, r.object)
	if len(changes(r.object, planned, r.Drifts)) == 0 {
		t.Fatalf("the case's Update changes nothing")
	}
	if len(replace) == 0 && !replaces(&r.rt.Block, r.object, planned) {
		r.object = r.apply(t, plugins.Update, r.object, planned, r.attempt)
	} else {
		r.apply(t, plugins.Delete, r.object, r.null(), r.attempt)
		planned, _ = r.plan(t, config, r.null())
		r.attempt = newID(4)
		r.object = r.apply(t, plugins.Create, r.null(), planned, r.attempt)
	}
	r.wanted = config
	r.readAgrees(t)
	r.planIsEmpty(t)
	r.findIt(t)
}

// replaces reports whether an attribute that makes another object differs.
func replaces(b *schema.Block, prior, planned cty.Value) bool {
	for i := range b.Attributes {
		a := &b.Attributes[i]
		if a.Replace && !prior.GetAttr(a.Name).RawEquals(planned.GetAttr(a.Name)) {
			return true
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		if !prior.GetAttr(n.Name).RawEquals(planned.GetAttr(n.Name)) && anyReplace(&n.Block) {
			return true
		}
	}
	return false
}

func anyReplace(b *schema.Block) bool {
	return slices.ContainsFunc(b.Attributes, func(a schema.Attribute) bool { return a.Replace }) ||
		slices.ContainsFunc(b.Blocks, func(n schema.NestedBlock) bool { return anyReplace(&n.Block) })
}
