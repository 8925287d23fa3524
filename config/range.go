package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// RangeOf returns where the value at path of a resource is written. Of a
// deployment (an address with neither type nor name) it is where the flavour
// block says so. It falls back to the header of the block, and is nil when the
// configuration has no such block.
func (c *Config) RangeOf(a addr.Instance, path cty.Path) *hcl.Range {
	if r := c.Resource(a); r != nil {
		return rangeInBody(r.Body, path, r.DeclRange).Ptr()
	}
	_, f := c.Deployment(a.Deployment)
	switch {
	case f == nil:
		return nil
	case a.Type == "":
		return rangeInBody(f.Body, path, f.DeclRange).Ptr()
	default:
		return f.DeclRange.Ptr() // a resource that the expansion made is written nowhere
	}
}

// ProviderRange returns where the value at path of a provider's configuration
// is written, or nil when no block declares it.
func (c *Config) ProviderRange(configuration string, path cty.Path) *hcl.Range {
	p, ok := c.Providers[configuration]
	if !ok {
		return nil
	}
	return rangeInBody(p.Body, path, p.DeclRange).Ptr()
}

// rangeInBody finds the argument or block that path leads to.
func rangeInBody(body hcl.Body, path cty.Path, header hcl.Range) hcl.Range {
	if len(path) == 0 {
		return header
	}
	step, ok := path[0].(cty.GetAttrStep)
	if !ok {
		return header
	}
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		if attrs, _ := body.JustAttributes(); attrs[step.Name] != nil {
			return rangeInside(attrs[step.Name].Expr, path[1:])
		}
		return header
	}
	if attr := native.Attributes[step.Name]; attr != nil {
		if len(path) == 1 {
			return attr.SrcRange
		}
		return rangeInside(attr.Expr, path[1:])
	}
	rest, index := path[1:], 0
	if len(rest) > 0 {
		if at, ok := rest[0].(cty.IndexStep); ok && at.Key.Type() == cty.Number && at.Key.IsKnown() && !at.Key.IsNull() {
			n, _ := at.Key.AsBigFloat().Int64()
			rest, index = rest[1:], int(n)
		}
	}
	for _, block := range native.Blocks {
		if block.Type != step.Name {
			continue
		}
		if index == 0 {
			return rangeInBody(block.Body, rest, block.DefRange())
		}
		index--
	}
	return header
}

// rangeInside follows a path into an expression as far as it is written out.
func rangeInside(expr hcl.Expression, path cty.Path) hcl.Range {
	if len(path) == 0 {
		return expr.Range()
	}
	var key cty.Value
	switch step := path[0].(type) {
	case cty.GetAttrStep:
		key = cty.StringVal(step.Name)
	case cty.IndexStep:
		key = step.Key
	default:
		return expr.Range()
	}
	if !key.IsKnown() || key.IsNull() || key.IsMarked() {
		return expr.Range()
	}
	if key.Type() == cty.Number {
		items, diags := hcl.ExprList(expr)
		n, _ := key.AsBigFloat().Int64()
		if !diags.HasErrors() && n >= 0 && n < int64(len(items)) {
			return rangeInside(items[n], path[1:])
		}
		return expr.Range()
	}
	if pair := pairOf(expr, key.AsString()); pair != nil {
		return rangeInside(pair.Value, path[1:])
	}
	return expr.Range()
}

// pairOf finds a key in an expression that writes out an object, or nil.
func pairOf(expr hcl.Expression, name string) *hcl.KeyValuePair {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return nil
	}
	for i := range pairs {
		key := hcl.ExprAsKeyword(pairs[i].Key)
		if key == "" {
			if len(pairs[i].Key.Variables()) > 0 {
				continue
			}
			v, diags := pairs[i].Key.Value(nil)
			if diags.HasErrors() || v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
				continue
			}
			key = v.AsString()
		}
		if key == name {
			return &pairs[i]
		}
	}
	return nil
}
