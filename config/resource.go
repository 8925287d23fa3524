package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// reservedTypes begin references to something other than a resource.
func reservedTypes() []string {
	return []string{"composition", "count", "data", "each", "local", "module", "nxc", "path", "provider", "self", "var"}
}

// resource decodes a resource or data block.
func (d *decoder) resource(b *hcl.Block) {
	if !d.identifier(b, 0) || !d.identifier(b, 1) {
		return
	}
	r := &Resource{
		Addr:      addr.Instance{Data: b.Type == "data", Type: b.Labels[0], Name: b.Labels[1]},
		DeclRange: b.DefRange,
	}
	if slices.Contains(reservedTypes(), r.Addr.Type) {
		d.add(errorAt(b.LabelRanges[0], "Reserved name", "No resource has the type %q, because %s.… refers to something else.", r.Addr.Type, r.Addr.Type))
		return
	}
	if !d.declare(r.Addr.String(), b.DefRange) {
		return
	}
	schema := hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "count"}, {Name: "for_each"}, {Name: "depends_on"}, {Name: "provider"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "lifecycle"}, {Type: "timeouts"}},
	}
	for _, f := range foreignParts() {
		schema.Blocks = append(schema.Blocks, f.BlockHeaderSchema)
	}
	content, rest := d.partial(b.Body, &schema)
	r.Body = rest
	d.repetition(r, content.Attributes["count"], content.Attributes["for_each"])
	r.DependsOn = d.dependsOn(content.Attributes["depends_on"])
	r.Provider, r.ProviderRange = d.providerChoice(content.Attributes["provider"])
	if r.Provider == "" {
		r.Provider, _, _ = strings.Cut(r.Addr.Type, "_")
	}
	d.resourceBlocks(r, content.Blocks)
	d.config.Resources = append(d.config.Resources, r)
	d.config.resources[r.Addr] = r
}

func (d *decoder) repetition(r *Resource, count, forEach *hcl.Attribute) {
	if count != nil && forEach != nil {
		d.add(errorAt(forEach.NameRange, "Both count and for_each", "%s has count and for_each; it can have one of them.", r.Addr))
	}
	if count != nil {
		r.Count = count.Expr
	}
	if forEach != nil {
		r.ForEach = forEach.Expr
	}
}

func (d *decoder) resourceBlocks(r *Resource, blocks hcl.Blocks) {
	var lifecycle, timeouts *hcl.Block
	for _, b := range blocks {
		if b.Type == "timeouts" {
			if timeouts != nil {
				d.add(errorAt(b.DefRange, "Declared twice", "%s has a second timeouts block here; the first is at %s.", r.Addr, place(timeouts.DefRange)))
			}
			timeouts = b
			r.Timeouts = d.timeouts(b)
			continue
		}
		if b.Type != "lifecycle" {
			for _, f := range foreignParts() {
				if f.Type == b.Type {
					d.refuseForeign(b.DefRange, f.foreign)
				}
			}
			continue
		}
		if lifecycle != nil {
			d.add(errorAt(b.DefRange, "Declared twice", "%s has a second lifecycle block here; the first is at %s.", r.Addr, place(lifecycle.DefRange)))
			continue
		}
		lifecycle = b
		r.Lifecycle = d.lifecycle(b)
		if r.Addr.Data && (r.Lifecycle.CreateBeforeDestroy || r.Lifecycle.PreventDestroy || r.Lifecycle.IgnoreAll || r.Lifecycle.IgnoreChanges != nil) {
			d.add(errorAt(b.DefRange, "Data is only read", "%s is never created or destroyed; its lifecycle can only have preconditions and postconditions.", r.Addr))
		}
	}
}

func (d *decoder) lifecycle(b *hcl.Block) Lifecycle {
	content := d.content(b.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "create_before_destroy"}, {Name: "prevent_destroy"}, {Name: "ignore_changes"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}, {Type: "postcondition"}},
	})
	var l Lifecycle
	d.literal(content.Attributes["create_before_destroy"], &l.CreateBeforeDestroy)
	d.literal(content.Attributes["prevent_destroy"], &l.PreventDestroy)
	d.ignoreChanges(&l, content.Attributes["ignore_changes"])
	for _, inner := range content.Blocks {
		condition, ok := d.condition(inner)
		switch {
		case !ok:
		case inner.Type == "precondition":
			l.Preconditions = append(l.Preconditions, condition)
		default:
			l.Postconditions = append(l.Postconditions, condition)
		}
	}
	return l
}

// ignoreChanges reads `all` or a list of attributes.
func (d *decoder) ignoreChanges(l *Lifecycle, attr *hcl.Attribute) {
	if attr == nil {
		return
	}
	if hcl.ExprAsKeyword(attr.Expr) == "all" {
		l.IgnoreAll = true
		return
	}
	items, diags := hcl.ExprList(attr.Expr)
	if diags.HasErrors() {
		d.add(errorAt(attr.Expr.Range(), "Wrong type", "ignore_changes must be a list of attributes, such as [ports, labels[\"owner\"]], or all."))
		return
	}
	l.IgnoreChanges = []cty.Path{}
	for _, item := range items {
		t, diags := hcl.RelTraversalForExpr(item)
		if diags.HasErrors() {
			d.add(errorAt(item.Range(), "Not an attribute", "ignore_changes names attributes of this resource, such as ports or labels[\"owner\"]."))
			continue
		}
		l.IgnoreChanges = append(l.IgnoreChanges, pathOf(t))
	}
}

// pathOf converts a relative traversal.
func pathOf(t hcl.Traversal) cty.Path {
	var path cty.Path
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			path = path.GetAttr(step.Name)
		case hcl.TraverseIndex:
			path = path.Index(step.Key)
		}
	}
	return path
}

// condition reads a precondition, postcondition or validation block.
func (d *decoder) condition(b *hcl.Block) (Condition, bool) {
	content := d.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "condition", Required: true}, {Name: "error_message", Required: true},
	}})
	condition, message := content.Attributes["condition"], content.Attributes["error_message"]
	if condition == nil || message == nil {
		return Condition{}, false
	}
	return Condition{Condition: condition.Expr, ErrorMessage: message.Expr, DeclRange: b.DefRange}, true
}

// dependsOn reads a list of references.
func (d *decoder) dependsOn(attr *hcl.Attribute) []hcl.Traversal {
	if attr == nil {
		return nil
	}
	items, diags := hcl.ExprList(attr.Expr)
	if diags.HasErrors() {
		d.add(errorAt(attr.Expr.Range(), "Wrong type", "depends_on must be a list of references, such as [docker_network.lan, composition.web.docker]."))
		return nil
	}
	var all []hcl.Traversal
	for _, item := range items {
		t, diags := hcl.AbsTraversalForExpr(item)
		if diags.HasErrors() {
			d.add(errorAt(item.Range(), "Not a reference", "depends_on names blocks of this configuration, such as docker_network.lan or composition.web.docker."))
			continue
		}
		all = append(all, t)
	}
	return all
}

// providerChoice reads `provider = docker.lab2`.
func (d *decoder) providerChoice(attr *hcl.Attribute) (string, *hcl.Range) {
	if attr == nil {
		return "", nil
	}
	r := attr.Expr.Range()
	t, diags := hcl.AbsTraversalForExpr(attr.Expr)
	if !diags.HasErrors() && len(t) <= 2 {
		if name, ok := names(t); ok {
			return strings.Join(name, "."), &r
		}
	}
	d.add(errorAt(r, "Not a provider configuration", "Write the provider's name, or name and alias, such as docker or docker.lab2."))
	return "", nil
}

// names returns the steps of a traversal that has only names.
func names(t hcl.Traversal) ([]string, bool) {
	var all []string
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			all = append(all, step.Name)
		case hcl.TraverseAttr:
			all = append(all, step.Name)
		default:
			return all, false
		}
	}
	return all, true
}

// sortedAttributes returns attributes as they stand in the file.
func sortedAttributes(attrs hcl.Attributes) []*hcl.Attribute {
	all := make([]*hcl.Attribute, 0, len(attrs))
	for _, attr := range attrs {
		all = append(all, attr)
	}
	slices.SortFunc(all, func(a, b *hcl.Attribute) int {
		if a.Range.Start.Byte != b.Range.Start.Byte {
			return a.Range.Start.Byte - b.Range.Start.Byte
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

// spell writes a traversal as its author wrote it.
func spell(t hcl.Traversal) string {
	var b strings.Builder
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			fmt.Fprintf(&b, ".%s", step.Name)
		case hcl.TraverseIndex:
			b.WriteString(keyText(step.Key))
		case hcl.TraverseSplat:
			b.WriteString("[*]")
		}
	}
	return b.String()
}

// keyText spells an index, brackets included.
func keyText(key cty.Value) string {
	switch {
	case !key.IsKnown() || key.IsNull() || key.IsMarked():
		return "[…]"
	case key.Type() == cty.String:
		return addr.StringKey(key.AsString()).String()
	case key.Type() == cty.Number:
		return "[" + key.AsBigFloat().Text('f', -1) + "]"
	default:
		return "[…]"
	}
}
