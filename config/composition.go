package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// reservedLabels of a composition's attributes speak of its selected
// deployment, so no flavour can have them.
func reservedLabels() []string { return []string{"address", "node", "role", "system"} }

// composition decodes a composition block.
func (d *decoder) composition(b *hcl.Block) {
	if !d.identifier(b, 0) || !d.declare("composition "+b.Labels[0], b.DefRange) {
		return
	}
	schema := hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{
			{Name: "source"}, {Name: "flake"}, {Name: "outputs"}, {Name: "attribute"}, {Name: "nixpkgs"}, {Name: "nixpkgs_config"}, {Name: "roles"},
			{Name: "params"}, {Name: "setup"}, {Name: "variant"},
			{Name: "modules"}, {Name: "overlays"}, {Name: "update"}, {Name: "provider"}, {Name: "depends_on"},
			{Name: "count"}, {Name: "for_each"},
		},
		Blocks: []hcl.BlockHeaderSchema{{Type: "flavour", LabelNames: []string{"label"}}, {Type: "package", LabelNames: []string{"name"}}},
	}
	content := d.content(b.Body, &schema)
	attrs := content.Attributes
	c := &Composition{
		Name:          b.Labels[0],
		Source:        attrs["source"],
		Flake:         attrs["flake"],
		Outputs:       attrs["outputs"],
		Attribute:     attrs["attribute"],
		Nixpkgs:       attrs["nixpkgs"],
		NixpkgsConfig: attrs["nixpkgs_config"],
		Roles:         attrs["roles"],
		Params:        attrs["params"],
		Setup:         attrs["setup"],
		Variant:       attrs["variant"],
		Modules:       attrs["modules"],
		Overlays:      attrs["overlays"],
		Update:        attrs["update"],
		DependsOn:     d.dependsOn(attrs["depends_on"]),
		DeclRange:     b.DefRange,
	}
	if c.Source == nil && c.Flake == nil {
		d.add(errorAt(b.DefRange, "Missing required argument", "Composition %q needs source = \"./composition.nix\", or flake = \".\" for a NixOSCompose project.", c.Name))
	}
	if c.Outputs != nil && c.Flake == nil {
		d.add(errorAt(c.Outputs.Range, "Outputs of nothing", "\"outputs\" says that a flake's own outputs are used as they are, so it needs the flake: flake = \".\"."))
	}
	c.Provider, _ = d.providerChoice(attrs["provider"])
	for _, name := range []string{"count", "for_each"} {
		if attr := attrs[name]; attr != nil {
			d.add(errorAt(attr.NameRange, "Reserved name", "A composition cannot be repeated with %s yet. Its roles repeat nodes: roles = { client = 10 }.", name))
		}
	}
	for _, inner := range content.Blocks {
		if inner.Type == "package" {
			d.packageBlock(c, inner)
		} else {
			d.flavour(c, inner)
		}
	}
	d.checkFlavours(c)
	d.config.Compositions[c.Name] = c
}

// flavour decodes a flavour block.
func (d *decoder) flavour(c *Composition, b *hcl.Block) {
	label := b.Labels[0]
	if !d.identifier(b, 0) || !d.declare("flavour "+c.Name+"::"+label, b.DefRange) {
		return
	}
	if slices.Contains(reservedLabels(), label) {
		d.add(errorAt(b.LabelRanges[0], "Reserved name", "A flavour cannot be called %q, because composition.%s.%s speaks of the selected deployment. Give it another label, and the type with type = \"…\".", label, c.Name, label))
		return
	}
	content, rest := d.partial(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "provider"}, {Name: "update"}}})
	f := &Flavour{Composition: c.Name, Label: label, Type: label, Update: content.Attributes["update"], Body: rest, DeclRange: b.DefRange}
	d.literal(content.Attributes["type"], &f.Type)
	d.literal(content.Attributes["default"], &f.Default)
	f.Provider, f.ProviderRange = d.providerChoice(content.Attributes["provider"])
	c.Flavours = append(c.Flavours, f)
}

func (d *decoder) checkFlavours(c *Composition) {
	if len(c.Flavours) == 0 && !d.diags.HasErrors() {
		d.add(errorAt(c.DeclRange, "No flavour", "Composition %q can be deployed nowhere: it has no flavour block. Add one, such as flavour \"docker\" {}.", c.Name))
	}
	var marked *Flavour
	for _, f := range c.Flavours {
		switch {
		case !f.Default:
		case marked != nil:
			d.add(errorAt(f.DeclRange, "Two default flavours", "%s is the default, and so is %s at %s. Mark one of them.", f.Deployment(), marked.Deployment(), place(marked.DeclRange)))
		default:
			marked = f
		}
	}
}
