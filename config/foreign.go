package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// foreign is something that a person may bring from Terraform, and what nxc
// does instead.
type foreign struct {
	name    string
	instead string
}

// foreignBlock is a foreign thing that is a block.
type foreignBlock struct {
	hcl.BlockHeaderSchema
	foreign
}

func foreignOf(instead, name string, labels ...string) foreignBlock {
	return foreignBlock{hcl.BlockHeaderSchema{Type: name, LabelNames: labels}, foreign{name, instead}}
}

// foreignBlocks stand at the top of Terraform's files.
func foreignBlocks() []foreignBlock {
	return []foreignBlock{
		foreignOf("Settings stand in a block called nxc: nxc { required_version = \">= 0.1\" }.", "terraform"),
		foreignOf("The name is reserved. What is used again and again is a composition, and all *.nxc.hcl files of a folder are one configuration.", "module", "name"),
		foreignOf("Nothing secret is written to the state: mark a variable with sensitive = true.", "ephemeral", "type", "name"),
	}
}

// foreignSettings stand in Terraform's block of settings.
func foreignSettings() []foreignBlock {
	return []foreignBlock{
		foreignOf("The state is nxc.state.json beside the configuration, meant to be committed with it.", "backend", "type"),
		foreignOf("The state is nxc.state.json beside the configuration, meant to be committed with it.", "cloud"),
		foreignOf("A resource's type names its provider: docker_network belongs to the provider docker. The versions of providers that are not part of nxc are pinned in .nxc.lock.hcl.", "required_providers"),
	}
}

// foreignParts stand in Terraform's resources.
func foreignParts() []foreignBlock {
	return []foreignBlock{
		foreignOf("What runs inside a node belongs into the composition, as a systemd unit; `nxc exec` runs a command by hand.", "provisioner", "type"),
		foreignOf("A node is reached through its provider: `nxc connect`, `nxc exec` and `nxc cp` need no address and no key.", "connection"),
	}
}

// foreignCheck stands in Terraform's checks.
func foreignCheck() foreignBlock {
	return foreignOf("Write the data block beside the check, and refer to it there as data.TYPE.NAME.", "data", "type", "name")
}

func (d *decoder) refuseForeign(r hcl.Range, f foreign) {
	d.add(errorAt(r, "Not a block of nxc", "nxc has no block called %q. %s", f.name, f.instead))
}

// foreignArguments stand in blocks that nxc has as well.
func foreignArguments() []foreign {
	return []foreign{
		{"replace_triggered_by", "An object is replaced when an argument that its type cannot change differs: refer to the other object there, such as in the triggers of a null_resource. For once, nxc apply -replace ADDRESS does it."},
		{"ephemeral", "Nothing secret is written to the state, to plans or to logs: sensitive = true is enough."},
	}
}

// withForeign adds to what a block may have what it has in Terraform, so that it
// can be told apart from a slip.
func withForeign(schema *hcl.BodySchema) *hcl.BodySchema {
	s := &hcl.BodySchema{Attributes: slices.Clone(schema.Attributes), Blocks: schema.Blocks}
	for _, f := range foreignArguments() {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: f.name})
	}
	return s
}

// refuseArguments says what there is instead of Terraform's arguments.
func (d *decoder) refuseArguments(content *hcl.BodyContent, schema *hcl.BodySchema) {
	for _, f := range foreignArguments() {
		attr := content.Attributes[f.name]
		if attr == nil || slices.ContainsFunc(schema.Attributes, func(a hcl.AttributeSchema) bool { return a.Name == f.name }) {
			continue
		}
		delete(content.Attributes, f.name)
		d.add(errorAt(attr.NameRange, "Not an argument of nxc", "nxc has no argument called %q. %s", f.name, f.instead))
	}
}
