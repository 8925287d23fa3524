// Package schema describes the values that a provider speaks of: the
// attributes and nested blocks of its own configuration, of its resources, its
// data sources and its flavours.
//
// It is shared by the core, which decodes and plans by it, and by the SDK,
// which derives it from a provider's types. It describes; it decodes nothing.
package schema

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Attribute is one argument or computed value.
type Attribute struct {
	Name string
	Type cty.Type
	Doc  string

	Required  bool      // the user must set it
	Optional  bool      // the user may set it
	Computed  bool      // the provider decides it when the user does not
	Default   cty.Value // value of an optional attribute left out; cty.NilVal: null (or computed)
	Sensitive bool      // never shown, never stored in clear
	Replace   bool      // another value makes another object
	Exclusive bool      // two objects of one location must not hold the same value, or element, at one time
}

// Nesting says how often a nested block may stand, and how it is held.
type Nesting uint8

const (
	Single Nesting = iota // at most once; an object, or null
	List                  // any number, in order; a list of objects
)

// NestedBlock is a block inside a block.
type NestedBlock struct {
	Name     string
	Nesting  Nesting
	Block    Block
	Required bool // at least one
}

// Block is the body of a block.
type Block struct {
	Doc        string
	Attributes []Attribute // sorted by name
	Blocks     []NestedBlock
}

// Attribute returns the attribute called name, or nil.
func (b *Block) Attribute(name string) *Attribute {
	i, ok := slices.BinarySearchFunc(b.Attributes, name, func(a Attribute, n string) int {
		return strings.Compare(a.Name, n)
	})
	if !ok {
		return nil
	}
	return &b.Attributes[i]
}

// Nested returns the nested block called name, or nil.
func (b *Block) Nested(name string) *NestedBlock {
	for i := range b.Blocks {
		if b.Blocks[i].Name == name {
			return &b.Blocks[i]
		}
	}
	return nil
}

// Type returns the type of the block's value: an object with every attribute,
// and every nested block as an object (Single) or a list of objects (List).
func (b *Block) Type() cty.Type {
	t := make(map[string]cty.Type, len(b.Attributes)+len(b.Blocks))
	for i := range b.Attributes {
		t[b.Attributes[i].Name] = b.Attributes[i].Type
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		t[n.Name] = n.Block.Type()
		if n.Nesting == List {
			t[n.Name] = cty.List(t[n.Name])
		}
	}
	return cty.Object(t)
}
