package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// shape is a block of a schema with its type made once: making a cty type
// costs more than everything else that planning one object does.
type shape struct {
	*schema.Block
	typ    cty.Type
	nested []nestedShape

	replaces  bool // an attribute, at any depth, needs another object
	sensitive bool // an attribute, at any depth, is sensitive
	exclusive bool // an attribute, at any depth, is exclusive
}

type nestedShape struct {
	name    string
	nesting schema.Nesting
	typ     cty.Type // of the attribute that holds the block or blocks
	*shape
}

func shapeOf(b *schema.Block) *shape {
	s := &shape{Block: b}
	types := make(map[string]cty.Type, len(b.Attributes)+len(b.Blocks))
	for i := range b.Attributes {
		a := &b.Attributes[i]
		types[a.Name] = a.Type
		s.replaces = s.replaces || a.Replace
		s.sensitive = s.sensitive || a.Sensitive
		s.exclusive = s.exclusive || a.Exclusive
	}
	for i := range b.Blocks {
		n := nestedShape{name: b.Blocks[i].Name, nesting: b.Blocks[i].Nesting, shape: shapeOf(&b.Blocks[i].Block)}
		n.typ = n.shape.typ
		if n.nesting == schema.List {
			n.typ = cty.List(n.typ)
		}
		types[n.name] = n.typ
		s.replaces = s.replaces || n.replaces
		s.sensitive = s.sensitive || n.sensitive
		s.exclusive = s.exclusive || n.exclusive
		s.nested = append(s.nested, n)
	}
	s.typ = cty.Object(types)
	return s
}

// fits reports whether v is an object of the shape's type, as far as the
// schema says it: attributes of any type may hold any.
func (s *shape) fits(v cty.Value) bool {
	return v.Type().Equals(s.typ) || len(v.Type().TestConformance(s.typ)) == 0
}

// shapes caches shapes by block.
type shapes map[*schema.Block]*shape

func (c shapes) of(b *schema.Block) *shape {
	s, ok := c[b]
	if !ok {
		s = shapeOf(b)
		c[b] = s
	}
	return s
}
