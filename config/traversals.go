package config

import (
	"cmp"
	"iter"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// metaArguments are nxc's own in a body whose rest is a provider's. Their
// references are looked at elsewhere.
func metaArguments() []string {
	return []string{"alias", "count", "default", "depends_on", "for_each", "provider", "type"}
}

// bodyTraversals lists what the expressions of a body refer to, in the order
// of the file, without knowing the body's schema.
func bodyTraversals(body hcl.Body) []hcl.Traversal {
	var all []hcl.Traversal
	if native, ok := body.(*hclsyntax.Body); ok {
		all = nativeTraversals(native, metaArguments(), nil)
	} else {
		all = genericTraversals(body)
	}
	slices.SortStableFunc(all, func(a, b hcl.Traversal) int {
		return cmp.Compare(a.SourceRange().Start.Byte, b.SourceRange().Start.Byte)
	})
	return all
}

// nativeTraversals walks a body in native syntax. iterators are the names that
// the dynamic blocks around it define.
func nativeTraversals(body *hclsyntax.Body, skip, iterators []string) []hcl.Traversal {
	var all []hcl.Traversal
	for name, attr := range body.Attributes {
		if slices.Contains(skip, name) {
			continue
		}
		for _, t := range hclsyntax.Variables(attr.Expr) {
			if !slices.Contains(iterators, t.RootName()) {
				all = append(all, t)
			}
		}
	}
	for _, block := range body.Blocks {
		switch {
		case block.Type == "lifecycle" && skip != nil:
		case block.Type == "dynamic" && len(block.Labels) == 1:
			inner := append(slices.Clone(iterators), iteratorName(block))
			for _, attr := range []string{"for_each", "labels"} {
				if a := block.Body.Attributes[attr]; a != nil {
					header := &hclsyntax.Body{Attributes: hclsyntax.Attributes{attr: a}}
					all = append(all, nativeTraversals(header, nil, iterators)...)
				}
			}
			for _, content := range block.Body.Blocks {
				all = append(all, nativeTraversals(content.Body, nil, inner)...)
			}
		default:
			all = append(all, nativeTraversals(block.Body, nil, iterators)...)
		}
	}
	return all
}

// iteratorName is the name by which a dynamic block's content refers to its
// present element.
func iteratorName(block *hclsyntax.Block) string {
	if attr := block.Body.Attributes["iterator"]; attr != nil {
		if name := hcl.ExprAsKeyword(attr.Expr); name != "" {
			return name
		}
	}
	return block.Labels[0]
}

// genericTraversals treats every property of a body in JSON syntax as an
// expression: what is a block by the schema looks the same.
func genericTraversals(body hcl.Body) []hcl.Traversal {
	attrs, _ := body.JustAttributes()
	iterators := map[string]bool{}
	if dynamic := attrs["dynamic"]; dynamic != nil {
		collectIterators(dynamic.Expr, iterators)
	}
	var all []hcl.Traversal
	for _, attr := range sortedAttributes(attrs) {
		for _, t := range attr.Expr.Variables() {
			if !iterators[t.RootName()] {
				all = append(all, t)
			}
		}
	}
	return all
}

// collectIterators adds the names that JSON's dynamic blocks define: the
// labels, or what stands in "iterator".
func collectIterators(dynamic hcl.Expression, into map[string]bool) {
	for label, content := range properties(dynamic) {
		into[label] = true
		for name, value := range properties(content) {
			if name == "iterator" {
				into[hcl.ExprAsKeyword(value)] = true
			}
		}
	}
}

// properties yields the properties of a JSON object, or of each object of a
// JSON array.
func properties(expr hcl.Expression) iter.Seq2[string, hcl.Expression] {
	return func(yield func(string, hcl.Expression) bool) {
		objects, diags := hcl.ExprList(expr)
		if diags.HasErrors() {
			objects = []hcl.Expression{expr}
		}
		for _, object := range objects {
			pairs, _ := hcl.ExprMap(object)
			for _, pair := range pairs {
				key, diags := pair.Key.Value(nil)
				if diags.HasErrors() || key.Type() != cty.String || !key.IsKnown() || key.IsNull() {
					continue
				}
				if !yield(key.AsString(), pair.Value) {
					return
				}
			}
		}
	}
}

// usesDynamic reports whether a body may have dynamic blocks, at any depth. In
// JSON syntax a block cannot be told from an object without a schema.
func usesDynamic(body hcl.Body) bool {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return true
	}
	return slices.ContainsFunc(native.Blocks, func(b *hclsyntax.Block) bool {
		return b.Type == "dynamic" || usesDynamic(b.Body)
	})
}
