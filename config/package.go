package config

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// PackageBlock is a package block of a composition: how a package of nixpkgs
// is built otherwise, for every role.
type PackageBlock struct {
	Name      string // of nixpkgs, or nur.repos.REPOSITORY.NAME
	Arguments []*hcl.Attribute
	DeclRange hcl.Range
}

// packageArguments are the arguments of a package block, as the build section
// of a setup.toml has them.
func packageArguments() []string { return []string{"args", "attrs", "deps", "src"} }

// packageBlock decodes a package block.
func (d *decoder) packageBlock(c *Composition, b *hcl.Block) {
	p := &PackageBlock{Name: b.Labels[0], DeclRange: b.DefRange}
	parts := strings.Split(p.Name, ".")
	fromNUR := len(parts) == 4 && parts[0] == "nur" && parts[1] == "repos"
	for _, part := range parts {
		fromNUR = fromNUR && part != ""
	}
	if p.Name == "" || len(parts) > 1 && !fromNUR {
		d.add(errorAt(b.LabelRanges[0], "Not a package's name", "%q is neither the name of a package of nixpkgs, such as \"hello\", nor one of NUR, \"nur.repos.REPOSITORY.NAME\".", p.Name))
		return
	}
	if !d.declare("package "+c.Name+" "+p.Name, b.DefRange) {
		return
	}
	schema := hcl.BodySchema{}
	for _, name := range packageArguments() {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	content := d.content(b.Body, &schema)
	for _, name := range packageArguments() {
		if attr := content.Attributes[name]; attr != nil {
			p.Arguments = append(p.Arguments, attr)
		}
	}
	if len(p.Arguments) == 0 && !d.diags.HasErrors() {
		d.add(errorAt(b.DefRange, "Nothing changes", "Package %q says nothing. Give it src, args, deps or attrs, or remove the block.", p.Name))
	}
	c.Packages = append(c.Packages, p)
}

// packages evaluates package blocks to JSON, in the form of the build section
// of a setup.toml, and lists the folders that they name.
func (r *compositionReader) packages(blocks []*PackageBlock) (raw json.RawMessage, sources []string) {
	if len(blocks) == 0 {
		return nil, nil
	}
	all := map[string]any{}
	for _, p := range blocks {
		changes := map[string]json.RawMessage{}
		for _, attr := range p.Arguments {
			value := r.packageArgument(attr)
			if value == cty.NilVal {
				continue
			}
			if attr.Name == "src" && value.Type() == cty.String {
				path := r.path(value.AsString(), attr.Expr.Range(), "The source")
				sources, value = append(sources, path), cty.StringVal(path)
			}
			text, err := ctyjson.Marshal(value, value.Type())
			if err != nil {
				r.add(errorAt(attr.Expr.Range(), "Wrong value", "%q cannot be passed to Nix: %v.", attr.Name, err))
				continue
			}
			changes[attr.Name] = text
		}
		at, parts := all, strings.Split(p.Name, ".")
		for _, part := range parts[:len(parts)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[part] = inner
			}
			at = inner
		}
		at[parts[len(parts)-1]] = changes
	}
	raw, err := json.Marshal(all)
	if err != nil {
		r.add(errorAt(blocks[0].DeclRange, "Wrong value", "The packages cannot be passed to Nix: %v.", err))
	}
	return raw, sources
}

// packageArgument evaluates an argument of a package block and checks its form.
func (r *compositionReader) packageArgument(attr *hcl.Attribute) cty.Value {
	value := r.known(attr)
	if value == cty.NilVal {
		return value
	}
	isObject := value.Type().IsObjectType() || value.Type().IsMapType()
	wrong := func(want string) cty.Value {
		r.add(errorAt(attr.Expr.Range(), "Wrong type", "%q must be %s; this is %s.", attr.Name, want, typeName(value)))
		return cty.NilVal
	}
	switch attr.Name {
	case "src":
		if value.Type() != cty.String && (!isObject || value.LengthInt() != 1) {
			return wrong("a folder, such as \"./hello\", or one of nixpkgs's fetchers with its arguments, such as { fetchurl = { url = …, hash = … } }")
		}
	case "deps":
		if !isObject {
			return wrong("an object of names of packages, such as { mpi = \"mpich\" }")
		}
		for _, name := range value.AsValueMap() {
			if name.IsNull() || name.Type() != cty.String {
				return wrong("an object of names of packages, such as { mpi = \"mpich\" }")
			}
		}
	default:
		if !isObject {
			return wrong("an object")
		}
	}
	return value
}
