package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/internal/marks"
)

// CompositionValue is an evaluated composition block. All of it is known: Nix
// evaluates it when planning.
type CompositionValue struct {
	Source        string // absolute path of a file or folder that exists; "" when Flake says it
	Flake         string // absolute path of a folder with a flake.nix, "" for none
	Outputs       bool   // the flake's own outputs are used as they are
	Attribute     string // "" for the whole
	Nixpkgs       string // as written: "embedded", a lock file with or without "#NODE", a path; "" when left out
	NixpkgsRange  hcl.Range
	NixpkgsConfig cty.Value           // an object, empty when left out
	Roles         map[string]RoleSpec // nil when left out
	Params        cty.Value           // an object
	Setup         string              // absolute path of a setup.toml, "" for none
	Variant       string              // of the setup; "" for what it selects itself
	Modules       []string            // absolute paths that exist
	Overlays      []string

	Packages       json.RawMessage // how packages are built otherwise; nil when left out
	PackageSources []string        // absolute paths that exist, of their sources
}

// Composition evaluates a composition block.
func (e *Evaluator) Composition(c *Composition) (*CompositionValue, hcl.Diagnostics) {
	if len(c.Flavours) == 0 {
		return nil, hcl.Diagnostics{errorAt(c.DeclRange, "No flavour", "Composition %q has no flavour block.", c.Name)}
	}
	// Every flavour's references begin with those of the composition.
	s, diags := e.scope(entity{kind: blockEntity, block: blockOf(c.Flavours[0].Deployment())})
	if diags.HasErrors() {
		return nil, diags
	}
	r := &compositionReader{scope: s, dir: e.config.Dir}
	v := &CompositionValue{NixpkgsRange: c.DeclRange}
	v.Attribute = r.text(c.Attribute)
	v.Nixpkgs = r.text(c.Nixpkgs)
	if c.Nixpkgs != nil {
		v.NixpkgsRange = c.Nixpkgs.Expr.Range()
	}
	v.NixpkgsConfig = r.object(c.NixpkgsConfig, "{ allowUnfree = true }")
	if source := r.text(c.Source); source != "" {
		v.Source = r.path(source, c.Source.Expr.Range(), "The composition")
	} else if c.Source != nil && !r.diags.HasErrors() {
		r.add(errorAt(c.Source.Expr.Range(), "File not found", "The source of a composition is the path of a Nix file, such as \"./composition.nix\"."))
	}
	if flake := r.text(c.Flake); flake != "" {
		v.Flake = r.flake(flake, c.Flake.Expr.Range())
	}
	v.Outputs = r.truth(c.Outputs)
	if setup := r.text(c.Setup); setup != "" {
		v.Setup = r.path(setup, c.Setup.Expr.Range(), "The setup")
	}
	v.Variant = r.text(c.Variant)
	v.Modules = r.paths(c.Modules, "The module")
	v.Overlays = r.paths(c.Overlays, "The overlay")
	v.Params = r.object(c.Params, "{ page = \"hello\" }")
	v.Packages, v.PackageSources = r.packages(c.Packages)
	v.Roles = r.roles(c.Roles)
	return v, append(diags, r.diags...)
}

// compositionReader evaluates the arguments of a composition.
type compositionReader struct {
	scope
	dir   string
	diags hcl.Diagnostics
}

func (r *compositionReader) add(diag *hcl.Diagnostic) { r.diags = append(r.diags, diag) }

// known evaluates an argument that must be known and not sensitive. It returns
// cty.NilVal when it is left out, null or wrong.
func (r *compositionReader) known(attr *hcl.Attribute) cty.Value {
	if attr == nil {
		return cty.NilVal
	}
	value, diags := evaluate(attr.Expr, r.EvalContext)
	r.diags = append(r.diags, diags...)
	switch {
	case diags.HasErrors():
		return cty.NilVal
	case marks.IsSensitive(value):
		r.add(errorAt(attr.Expr.Range(), "Sensitive value", "%q reaches Nix, whose store everybody on the machine can read. Give nodes their secrets in another way; nonsensitive(…) says that this is none.", attr.Name))
		return cty.NilVal
	case !value.IsWhollyKnown():
		r.add(errorAt(attr.Expr.Range(), "Not known yet", "%q must be known when planning, because Nix evaluates the composition then. %s", attr.Name, unknownCause(attr.Expr, r.EvalContext)))
		return cty.NilVal
	case value.IsNull():
		return cty.NilVal
	}
	value, _ = value.UnmarkDeep()
	return value
}

// text evaluates a string, "" when there is none.
func (r *compositionReader) text(attr *hcl.Attribute) string {
	value := r.known(attr)
	if value == cty.NilVal {
		return ""
	}
	if value.Type() != cty.String {
		r.add(errorAt(attr.Expr.Range(), "Wrong type", "%q must be a string; this is %s.", attr.Name, typeName(value)))
		return ""
	}
	return value.AsString()
}

// truth evaluates true or false, false when there is neither.
func (r *compositionReader) truth(attr *hcl.Attribute) bool {
	value := r.known(attr)
	if value == cty.NilVal {
		return false
	}
	if value.Type() != cty.Bool {
		r.add(errorAt(attr.Expr.Range(), "Wrong type", "%q must be true or false; this is %s.", attr.Name, typeName(value)))
		return false
	}
	return value.True()
}

// paths evaluates a list of paths.
func (r *compositionReader) paths(attr *hcl.Attribute, what string) []string {
	value := r.known(attr)
	if value == cty.NilVal {
		return nil
	}
	list, err := convert.Convert(value, cty.List(cty.String))
	if err != nil {
		r.add(errorAt(attr.Expr.Range(), "Wrong type", "%q must be a list of paths.", attr.Name))
		return nil
	}
	var all []string
	for i, element := range list.AsValueSlice() {
		at := rangeInside(attr.Expr, cty.IndexIntPath(i))
		if element.IsNull() {
			r.add(errorAt(at, "Wrong type", "%q must be a list of paths, and this one is null.", attr.Name))
			continue
		}
		all = append(all, r.path(element.AsString(), at, what))
	}
	return all
}

// path makes a path absolute and checks that something is there.
func (r *compositionReader) path(path string, at hcl.Range, what string) string {
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(r.dir, path)
	}
	full, err := filepath.Abs(full)
	if err == nil {
		_, err = os.Stat(full)
	}
	switch {
	case os.IsNotExist(err):
		r.add(errorAt(at, "File not found", "%s %q is not there; paths begin at the folder of the configuration.%s", what, path, nearFile(full, path)))
	case err != nil:
		r.add(errorAt(at, "File cannot be read", "%s: %s.", what, cause(path, err)))
	}
	return full
}

// flake returns the absolute path of a flake's folder.
func (r *compositionReader) flake(path string, at hcl.Range) string {
	if strings.Contains(path, ":") {
		r.add(errorAt(at, "Not a folder", "\"flake\" is the folder of a NixOSCompose project, such as \".\"; %q is fetched by nobody. Clone it, and name the folder.", path))
		return ""
	}
	folder := r.path(path, at, "The flake")
	if filepath.Base(folder) == "flake.nix" {
		folder = filepath.Dir(folder)
	}
	if _, err := os.Stat(filepath.Join(folder, "flake.nix")); os.IsNotExist(err) && !r.diags.HasErrors() {
		r.add(errorAt(at, "File not found", "%q has no flake.nix. A composition without one is named by source = \"./composition.nix\".", path))
	}
	return folder
}

// nearFile suggests a file of the same folder for one that is not there.
func nearFile(full, written string) string {
	entries, err := os.ReadDir(filepath.Dir(full))
	if err != nil {
		return ""
	}
	var candidates []string
	for _, entry := range entries {
		if entry.IsDir() || strings.HasSuffix(entry.Name(), ".nix") {
			candidates = append(candidates, strings.TrimSuffix(written, filepath.Base(written))+entry.Name())
		}
	}
	return DidYouMean(written, candidates)
}

// object evaluates an object, empty when left out.
func (r *compositionReader) object(attr *hcl.Attribute, example string) cty.Value {
	value := r.known(attr)
	if value == cty.NilVal {
		return cty.EmptyObjectVal
	}
	if !value.Type().IsObjectType() && !value.Type().IsMapType() {
		r.add(errorAt(attr.Expr.Range(), "Wrong type", "%q must be an object, such as %s; this is %s.", attr.Name, example, typeName(value)))
		return cty.EmptyObjectVal
	}
	return value
}

// roles evaluates how many nodes each role has.
func (r *compositionReader) roles(attr *hcl.Attribute) map[string]RoleSpec {
	value := r.known(attr)
	if value == cty.NilVal {
		return nil
	}
	if !value.Type().IsObjectType() && !value.Type().IsMapType() {
		r.add(errorAt(attr.Expr.Range(), "Wrong type", "\"roles\" must be an object, such as { server = 1, client = 2 }; this is %s.", typeName(value)))
		return nil
	}
	roles := map[string]RoleSpec{}
	for key, spec := range value.Elements() {
		name := key.AsString()
		at := rangeInside(attr.Expr, cty.GetAttrPath(name))
		if spec.IsNull() {
			continue // as if it were left out
		}
		if role, ok := r.role(name, spec, at); ok {
			roles[name] = role
		}
	}
	return roles
}

// role reads one role: a number, a list of names, or { rest = true, min = N }.
func (r *compositionReader) role(name string, spec cty.Value, at hcl.Range) (RoleSpec, bool) {
	role := RoleSpec{Range: at}
	typ := spec.Type()
	switch {
	case typ == cty.Number || typ == cty.String:
		n, ok := wholeNumber(spec)
		if ok && n >= 0 {
			role.Count = n
			return role, true
		}
		if number, err := convert.Convert(spec, cty.Number); err == nil && number.AsBigFloat().Sign() < 0 {
			r.add(errorAt(at, "Count below zero", "Role %q has %s nodes. It must be a whole number from 0; 0 makes none.", name, number.AsBigFloat().Text('f', -1)))
			return role, false
		}
	case typ.IsTupleType() || typ.IsListType() || typ.IsSetType():
		if list, err := convert.Convert(spec, cty.List(cty.String)); err == nil {
			role.Names = []string{}
			for _, v := range list.AsValueSlice() {
				if v.IsNull() {
					r.add(errorAt(at, "Not a node name", "Role %q has null among its names.", name))
					return role, false
				}
				role.Names = append(role.Names, v.AsString())
			}
			return role, true
		}
	case typ.IsObjectType():
		return r.restRole(name, role, spec)
	}
	r.add(errorAt(at, "Not a number of nodes", "Role %q takes a number (2), a list of names ([\"alice\", \"bob\"]), or the nodes that remain ({ rest = true, min = 1 }).", name))
	return role, false
}

// restRole reads { rest = true, min = N }.
func (r *compositionReader) restRole(name string, role RoleSpec, spec cty.Value) (RoleSpec, bool) {
	known := []string{"min", "rest"}
	for _, attribute := range keysOf(spec) {
		value := spec.GetAttr(attribute)
		var ok bool
		switch attribute {
		case "rest":
			ok = value.Type() == cty.Bool && !value.IsNull() && value.True()
			role.Rest = ok
		case "min":
			role.Min, ok = wholeNumber(value)
			ok = ok && role.Min >= 0
		default:
			r.add(errorAt(role.Range, "Unknown attribute", "Role %q has no %q; it has %s.%s", name, attribute, listed(known), DidYouMean(attribute, known)))
			return role, false
		}
		if !ok {
			r.add(errorAt(role.Range, "Wrong type", "Role %q: rest must be true, and min a whole number from 0.", name))
			return role, false
		}
	}
	if !slices.Contains(keysOf(spec), "rest") {
		r.add(errorAt(role.Range, "Not a number of nodes", "Role %q needs rest = true to take the nodes that remain.", name))
		return role, false
	}
	return role, true
}

// wholeNumber converts a known value that is not null.
func wholeNumber(v cty.Value) (int, bool) {
	number, err := convert.Convert(v, cty.Number)
	if err != nil || number.IsNull() {
		return 0, false
	}
	n, accuracy := number.AsBigFloat().Int64()
	return int(n), accuracy == 0 && n <= maxCount
}
