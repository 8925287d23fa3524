package config

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Moved says that what stood at one address stands at another one now.
type Moved struct {
	From, To  addr.Instance // an instance, or a whole block
	DeclRange hcl.Range
}

// Removed says that a resource's block is gone and what becomes of its objects.
type Removed struct {
	From      addr.Instance // an instance, or a whole block
	Destroy   bool          // false: they are left where they are, and forgotten
	DeclRange hcl.Range
}

// moved decodes a moved block.
func (d *decoder) moved(b *hcl.Block) {
	content := d.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "from", Required: true}, {Name: "to", Required: true}}})
	from, ok1 := d.address(content.Attributes["from"])
	to, ok2 := d.address(content.Attributes["to"])
	if !ok1 || !ok2 {
		return
	}
	switch {
	case from == to:
		d.add(errorAt(b.DefRange, "Nothing moves", "%s is moved to itself. Remove the block.", from))
	case from.Type != to.Type:
		d.add(errorAt(content.Attributes["to"].Expr.Range(), "Another type", "%s cannot become %s: an object keeps its type.", from, to))
	case d.declare("move from "+from.String(), b.DefRange):
		d.config.Moved = append(d.config.Moved, Moved{From: from, To: to, DeclRange: b.DefRange})
	}
}

// removed decodes a removed block.
func (d *decoder) removed(b *hcl.Block) {
	content := d.content(b.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "from", Required: true}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}},
	})
	from, ok := d.address(content.Attributes["from"])
	if !ok {
		return
	}
	r := Removed{From: from, Destroy: true, DeclRange: b.DefRange}
	for _, inner := range content.Blocks {
		lifecycle := d.content(inner.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "destroy"}}})
		d.literal(lifecycle.Attributes["destroy"], &r.Destroy)
	}
	if d.declare("removed block of "+from.String(), b.DefRange) {
		d.config.Removed = append(d.config.Removed, r)
	}
}

// address reads an argument that names a resource, or all of a block.
func (d *decoder) address(attr *hcl.Attribute) (addr.Instance, bool) {
	if attr == nil {
		return addr.Instance{}, false // its absence was reported
	}
	t, diags := hcl.AbsTraversalForExpr(attr.Expr)
	if diags.HasErrors() {
		d.add(errorAt(attr.Expr.Range(), "Not an address", "%q takes the address of a resource, without quotes: docker_network.lan, or docker_container.node[0].", attr.Name))
		return addr.Instance{}, false
	}
	a, err := addr.Parse(spell(t))
	if err != nil || a.Data {
		d.add(errorAt(attr.Expr.Range(), "Not an address", "%s is not the address of a resource, such as docker_network.lan or composition.web.docker.docker_container[\"client1\"].", spell(t)))
		return addr.Instance{}, false
	}
	return a, true
}

// checkRefactoring looks at moved, removed and import blocks when all files
// have been read.
func (d *decoder) checkRefactoring() {
	d.orderMoves()
	for _, m := range d.config.Moved {
		if r := d.config.Resource(m.To); r == nil && m.To.Deployment.IsTop() && !d.movesOn(m.To) {
			d.add(errorAt(m.DeclRange, "Moved to nowhere", "%s has no block in the configuration, so nothing can have become it.", m.To.Block()))
		}
		if m.From.Key.IsNone() && m.To.Key.IsNone() && d.config.Resource(m.From) != nil {
			d.add(errorAt(m.DeclRange, "Still there", "%s still has a block in the configuration, so it cannot have become %s. Remove one of them.", m.From, m.To))
		}
	}
	for _, r := range d.config.Removed {
		if r.From.Key.IsNone() && d.config.Resource(r.From) != nil {
			d.add(errorAt(r.DeclRange, "Still there", "%s still has a block in the configuration, so it is not removed. Remove one of them.", r.From))
		}
	}
	for _, i := range d.config.Imports {
		if d.config.Resource(i.To) == nil && i.To.Deployment.IsTop() {
			d.add(errorAt(i.DeclRange, "Imported to nowhere", "%s has no block in the configuration. Write one that describes the object as it is.", i.To.Block()))
		}
	}
}

// movesOn reports whether what arrives at an address is moved further.
func (d *decoder) movesOn(at addr.Instance) bool {
	return slices.ContainsFunc(d.config.Moved, func(m Moved) bool { return overlap(m.From, at) })
}

// overlap reports whether two addresses have objects in common; one without a
// key may be all of a block.
func overlap(a, b addr.Instance) bool {
	return a.Block() == b.Block() && (a.Key == b.Key || a.Key.IsNone() || b.Key.IsNone())
}

// orderMoves puts moved blocks that make a chain, over names that are gone, in
// its order: what was called twice otherwise is on its way to its last name.
func (d *decoder) orderMoves() {
	left := slices.Clone(d.config.Moved)
	var ordered []Moved
	for len(left) > 0 {
		next := slices.IndexFunc(left, func(m Moved) bool {
			return d.config.Resource(m.From) != nil ||
				!slices.ContainsFunc(left, func(o Moved) bool { return o != m && overlap(o.To, m.From) })
		})
		if next < 0 {
			d.add(errorAt(left[0].DeclRange, "Moved in a circle", "What is moved from %s comes back there through other moved blocks. Keep those that lead to the name that it has now.", left[0].From))
			return
		}
		ordered = append(ordered, left[next])
		left = slices.Delete(left, next, next+1)
	}
	d.config.Moved = ordered
}

// Timeouts bound a resource's operations; 0 is the provider's own default.
type Timeouts struct{ Create, Update, Delete time.Duration }

// timeouts decodes a resource's timeouts block.
func (d *decoder) timeouts(b *hcl.Block) Timeouts {
	content := d.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "create"}, {Name: "update"}, {Name: "delete"}}})
	var t Timeouts
	for _, of := range []struct {
		name string
		into *time.Duration
	}{{"create", &t.Create}, {"update", &t.Update}, {"delete", &t.Delete}} {
		attr := content.Attributes[of.name]
		var text string
		d.literal(attr, &text)
		if attr == nil || text == "" {
			continue
		}
		bound, err := time.ParseDuration(text)
		if err != nil || bound <= 0 {
			d.add(errorAt(attr.Expr.Range(), "Not a duration", "%q must be a duration such as \"90s\" or \"10m\".", of.name))
			continue
		}
		*of.into = bound
	}
	return t
}
