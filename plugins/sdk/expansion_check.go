package sdk

import (
	"fmt"

	"github.com/nixos-compose/nxc/plugins"
)

// checkExpansion finds mistakes of the author's before the core stumbles over them.
func (i *instance) checkExpansion(e *plugins.Expansion) (d plugins.Diagnostics) {
	complain := func(k plugins.ResourceKey, problem string) {
		d = append(d, plugins.NewError(fmt.Sprintf("The provider's expansion of %s[%q] is wrong", k.Type, k.Key),
			problem+". This is a mistake in the provider.")...)
	}
	known := map[plugins.ResourceKey]bool{}
	for n := range e.Resources {
		r := &e.Resources[n]
		t := i.schema.Resources[r.Type]
		switch {
		case t == nil:
			complain(r.ResourceKey, "There is no such type")
		case known[r.ResourceKey]:
			complain(r.ResourceKey, "It was added twice")
		case !r.Values.Type().Equals(t.Block.Type()):
			complain(r.ResourceKey, "Its values are of another type")
		}
		known[r.ResourceKey] = true
	}
	for n := range e.Resources {
		r := &e.Resources[n]
		for _, ref := range r.References {
			if !known[ref.From] {
				complain(r.ResourceKey, fmt.Sprintf("It refers to %s[%q], which is not there", ref.From.Type, ref.From.Key))
			}
		}
		for _, on := range r.DependsOn {
			if !known[on] {
				complain(r.ResourceKey, fmt.Sprintf("It depends on %s[%q], which is not there", on.Type, on.Key))
			}
		}
	}
	for n := range e.Nodes {
		if k := e.Nodes[n].Resource; !known[k] {
			complain(k, fmt.Sprintf("Node %s is to be this resource, which is not there", e.Nodes[n].Name))
		}
	}
	return d
}
