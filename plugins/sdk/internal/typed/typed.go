// Package typed derives a schema from a Go struct, and converts between the
// struct and the cty values of that schema.
//
// A field takes part when it has an nxc tag. Pointers are nullable; any other
// field cannot tell "left out" from its zero value, and the package says in
// one place (Encode) which of the two is meant. It knows nothing of resources,
// providers or the wire.
package typed

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// Type is a struct type together with its schema and its conversion.
type Type struct {
	Block  schema.Block
	goType reflect.Type
	value  cty.Type
	fields []field
}

// field is one struct field: an attribute or a nested block.
type field struct {
	name  string
	index []int
	conv  converter
	attr  *schema.Attribute // nil: a nested block
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Of derives the type of a struct type. The error says which field is wrong.
func Of(t reflect.Type) (*Type, error) {
	return derive(t, nil)
}

// For is Of for a type that is known when compiling.
func For[T any]() (*Type, error) {
	return Of(reflect.TypeFor[T]())
}

// Value returns the cty type of the struct's values.
func (t *Type) Value() cty.Type { return t.value }

// derive builds the type; within holds the structs around it, to catch cycles.
func derive(t reflect.Type, within []reflect.Type) (*Type, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	if slices.Contains(within, t) {
		return nil, fmt.Errorf("%s contains itself", t)
	}
	result := &Type{goType: t}
	if err := result.addFields(t, nil, append(slices.Clip(within), t)); err != nil {
		return nil, err
	}
	slices.SortFunc(result.fields, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	for i, f := range result.fields {
		if i > 0 && result.fields[i-1].name == f.name {
			return nil, fmt.Errorf("%s has two fields called %q", t, f.name)
		}
	}
	for i := range result.fields {
		if a := result.fields[i].attr; a != nil {
			result.Block.Attributes = append(result.Block.Attributes, *a)
		}
	}
	result.value = result.Block.Type()
	return result, nil
}

// addFields adds the tagged fields of t, and those of structs embedded in it.
func (t *Type) addFields(st reflect.Type, index []int, within []reflect.Type) error {
	for i := range st.NumField() {
		f := st.Field(i)
		at := append(slices.Clip(index), i)
		text, tagged := f.Tag.Lookup("nxc")
		if !tagged {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				if err := t.addFields(f.Type, at, within); err != nil {
					return err
				}
			}
			continue
		}
		if !f.IsExported() {
			return fmt.Errorf("field %s.%s has an nxc tag and is not exported", st, f.Name)
		}
		if err := t.addField(f, at, text, within); err != nil {
			return fmt.Errorf("field %s.%s: %w", st, f.Name, err)
		}
	}
	return nil
}

func (t *Type) addField(f reflect.StructField, index []int, text string, within []reflect.Type) error {
	tag, err := parseTag(text)
	if err != nil {
		return err
	}
	if tag.block {
		return t.addBlock(f, index, tag, within)
	}
	conv, err := converterFor(f.Type, within, false)
	if err != nil {
		return err
	}
	attr := &schema.Attribute{
		Name: tag.name, Type: conv.ty, Doc: f.Tag.Get("doc"),
		Required: tag.required, Computed: tag.computed, Sensitive: tag.sensitive,
		Replace: tag.replace, Exclusive: tag.exclusive,
		Optional: tag.optional || !tag.required && !tag.computed,
	}
	if tag.hasDefault {
		if attr.Default, err = parseDefault(tag.def, conv.ty); err != nil {
			return err
		}
	}
	t.fields = append(t.fields, field{name: tag.name, index: index, conv: conv, attr: attr})
	return nil
}

func (t *Type) addBlock(f reflect.StructField, index []int, tag tag, within []reflect.Type) error {
	elem, nesting := f.Type, schema.Single
	if elem.Kind() == reflect.Slice {
		elem, nesting = elem.Elem(), schema.List
	}
	if elem.Kind() == reflect.Pointer {
		elem = elem.Elem()
	}
	if elem.Kind() != reflect.Struct {
		return fmt.Errorf("a block needs a struct, a pointer to one, or a slice of them, not %s", f.Type)
	}
	nested, err := derive(elem, within)
	if err != nil {
		return err
	}
	block := nested.Block
	block.Doc = f.Tag.Get("doc")
	if tag.replace {
		block = ReplaceAll(block)
	}
	t.Block.Blocks = append(t.Block.Blocks, schema.NestedBlock{
		Name: tag.name, Nesting: nesting, Block: block, Required: tag.required,
	})
	t.fields = append(t.fields, field{name: tag.name, index: index, conv: blockConverter(f.Type, nested)})
	return nil
}

// ReplaceAll returns the block with Replace on everything that a user may set.
func ReplaceAll(b schema.Block) schema.Block {
	b.Attributes = slices.Clone(b.Attributes)
	for i := range b.Attributes {
		if a := &b.Attributes[i]; a.Required || a.Optional {
			a.Replace = true
		}
	}
	b.Blocks = slices.Clone(b.Blocks)
	for i := range b.Blocks {
		b.Blocks[i].Block = ReplaceAll(b.Blocks[i].Block)
	}
	return b
}

// tag is a parsed nxc tag.
type tag struct {
	name                                    string
	required, optional, computed, sensitive bool
	replace, exclusive, block, hasDefault   bool
	def                                     string
}

func parseTag(text string) (tag, error) {
	var t tag
	// A default may hold commas, so it is the last option.
	if before, def, ok := strings.Cut(text, ",default="); ok {
		text, t.def, t.hasDefault = before, def, true
	}
	name, options, _ := strings.Cut(text, ",")
	t.name = name
	if !validName.MatchString(name) {
		return t, fmt.Errorf("%q is not a name: use lower-case letters, digits and underscores", name)
	}
	flags := map[string]*bool{
		"required": &t.required, "optional": &t.optional, "computed": &t.computed, "sensitive": &t.sensitive,
		"replace": &t.replace, "exclusive": &t.exclusive, "block": &t.block,
	}
	for _, option := range strings.Split(options, ",") {
		if option == "" {
			continue
		}
		flag, ok := flags[option]
		if !ok {
			return t, fmt.Errorf("unknown option %q in the nxc tag", option)
		}
		*flag = true
	}
	return t, t.check()
}

func (t tag) check() error {
	switch {
	case t.required && (t.optional || t.computed):
		return fmt.Errorf("required excludes optional and computed")
	case t.hasDefault && (t.required || t.computed || t.block):
		return fmt.Errorf("a default needs a plain optional attribute")
	case t.block && (t.computed || t.sensitive || t.exclusive):
		return fmt.Errorf("a block can only be required and replace; mark the attributes inside it")
	}
	return nil
}
