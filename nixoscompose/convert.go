package nixoscompose

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Conversion is a configuration that says what a project says.
type Conversion struct {
	File  string // the name of the file to write, beside the project's
	Text  []byte
	Notes []string // what was done, and what the user must do or know
}

// Offer is what there is to convert to.
type Offer struct {
	Compositions []string // of the flake, if it has several
	Outputs      []string // of the flake, NAME::FLAVOUR, if it has nothing else
	Flavours     []string // that nxc's providers have, in their order
}

// Convert writes the configuration of a project.
func Convert(p *Project, offer Offer) Conversion {
	c := &converter{Project: p, offer: offer, file: hclwrite.NewEmptyFile()}
	names := offer.Compositions
	if len(offer.Outputs) > 0 {
		c.Setup = nil // it was used where the outputs were made
		names = composed(offer.Outputs)
	}
	c.variables()
	if len(names) == 0 {
		c.composition(c.name(), "")
	}
	for _, name := range names {
		c.composition(name, name)
	}
	c.remarks()
	text := hclwrite.Format(c.file.Bytes())
	text = emptyBlock.ReplaceAll(text, []byte("{}"))
	text = append(bytes.TrimSpace(text), '\n')
	return Conversion{File: c.name() + ".nxc.hcl", Text: text, Notes: c.notes}
}

// emptyBlock is a block without arguments as hclwrite prints it.
var emptyBlock = regexp.MustCompile(`\{\n *\}`)

// composed lists the compositions that outputs are of, in their order.
func composed(outputs []string) []string {
	var names []string
	for _, output := range outputs {
		if name, _, _ := strings.Cut(output, "::"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

type converter struct {
	*Project
	offer Offer
	file  *hclwrite.File
	notes []string
}

func (c *converter) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// name is the composition's as NixOSCompose has it: that of its file.
func (c *converter) name() string {
	name := strings.TrimSuffix(filepath.Base(c.Composition), ".nix")
	if c.Composition == "" || !hclsyntax.ValidIdentifier(name) {
		return "composition"
	}
	return name
}

// variables stand for the options of `nxc build` that vary a setup.
func (c *converter) variables() {
	if c.Setup == nil {
		return
	}
	body := c.file.Body()
	if len(c.Setup.Variants) > 0 {
		block := body.AppendNewBlock("variable", []string{"variant"}).Body()
		block.SetAttributeTraversal("type", traversal("string"))
		block.SetAttributeValue("default", cty.StringVal(c.Setup.Selected))
		block.SetAttributeValue("description", cty.StringVal(fmt.Sprintf("Which variant of %s: %s; empty for none.", c.Setup.File, strings.Join(c.Setup.Variants, ", "))))
		body.AppendNewline()
		c.note("`--setup %s` is now -var variant=%s.", c.Setup.Variants[0], c.Setup.Variants[0])
	}
	block := body.AppendNewBlock("variable", []string{"params"}).Body()
	block.SetAttributeTraversal("type", traversal("any"))
	block.SetAttributeValue("default", cty.EmptyObjectVal)
	block.SetAttributeValue("description", cty.StringVal(fmt.Sprintf("Parameters that win over those of %s.", c.Setup.File)))
	body.AppendNewline()
	c.note("`--setup-param a=1` is now -var 'params={a=1}'.")
}

// composition writes one composition block.
func (c *converter) composition(name, attribute string) {
	if !hclsyntax.ValidIdentifier(name) {
		c.note("The composition %q is left out, because its name cannot stand in a configuration; write a block for it, with attribute = %q.", attribute, attribute)
		return
	}
	flavours := c.flavoursOf(name)
	if len(c.offer.Outputs) > 0 && len(flavours) == 0 {
		return
	}
	body := c.file.Body().AppendNewBlock("composition", []string{name}).Body()
	switch {
	case c.Flake:
		body.SetAttributeValue("flake", cty.StringVal(c.below("")))
		if len(c.offer.Outputs) > 0 {
			body.SetAttributeValue("outputs", cty.True)
		}
	default:
		body.SetAttributeValue("source", cty.StringVal(c.below(c.Composition)))
		pinned := "embedded"
		if c.Locked {
			pinned = c.below("flake.lock")
		}
		body.SetAttributeValue("nixpkgs", cty.StringVal(pinned))
	}
	if attribute != "" {
		body.SetAttributeValue("attribute", cty.StringVal(attribute))
	}
	if len(c.Roles) > 0 {
		body.SetAttributeValue("roles", rolesValue(c.Roles))
	}
	if c.Setup != nil {
		if !c.Flake {
			body.SetAttributeValue("setup", cty.StringVal(c.below(c.Setup.File)))
		}
		if len(c.Setup.Variants) > 0 {
			body.SetAttributeTraversal("variant", traversal("var", "variant"))
		}
		body.SetAttributeTraversal("params", traversal("var", "params"))
	}
	c.flavours(body, flavours)
	c.file.Body().AppendNewline()
}

// below is a file of the project, seen from the configuration; "" is its folder.
func (c *converter) below(file string) string {
	if path := filepath.Join(c.Folder, file); path != "." {
		return "./" + path
	}
	return "."
}

// ready are the flavours that can deploy a flake's own outputs.
var ready = []string{"docker", "vm-ramdisk", "vm"}

// flavoursOf lists the flavours of a composition: all that nxc has, or those of
// the outputs that it can deploy.
func (c *converter) flavoursOf(name string) []string {
	if len(c.offer.Outputs) == 0 {
		return c.offer.Flavours
	}
	return slices.DeleteFunc(slices.Clone(c.offer.Flavours), func(flavour string) bool {
		return !slices.Contains(ready, flavour) || !slices.Contains(c.offer.Outputs, name+"::"+flavour)
	})
}

// flavours writes a block for each flavour, of which the project's own default
// is the default.
func (c *converter) flavours(body *hclwrite.Body, offered []string) {
	chosen := c.Flavour
	if !slices.Contains(offered, chosen) && len(offered) > 0 {
		chosen = offered[0]
	}
	for _, flavour := range offered {
		body.AppendNewline()
		block := body.AppendNewBlock("flavour", []string{flavour}).Body()
		if flavour == chosen && len(offered) > 1 {
			block.SetAttributeValue("default", cty.True)
		}
	}
}

// remarks says what the user must do or know.
func (c *converter) remarks() {
	if len(c.offer.Outputs) > 0 {
		c.note("The flake does not call NixOSCompose's lib.compose, so nxc cannot tell what it composes. Its outputs are used as they are: nxc deploys the systems in them, and does not know what is in one before it is built.")
	}
	switch {
	case c.Flake && !c.Locked:
		c.note("There is no flake.lock: run `nix flake lock`, or write nixpkgs = \"embedded\" into the composition to begin with.")
	case len(c.offer.Outputs) > 0:
	case c.Flake:
		c.note("The flake goes on saying what is composed, with the nixpkgs that its flake.lock pins. NixOSCompose itself is no longer used.")
	case !c.Locked:
		c.note("Nothing pins a nixpkgs here, so the composition is evaluated with the small one that comes with nxc. For a real one, name its lock file: nixpkgs = \"./flake.lock\".")
	}
	var left []string
	for _, output := range c.offer.Outputs {
		if _, flavour, _ := strings.Cut(output, "::"); !slices.Contains(ready, flavour) {
			left = append(left, output)
		}
	}
	if len(left) > 0 {
		c.note("%s: left out, because nxc deploys outputs of the flavours %s by themselves. Where one has the shape of those, a block says so: flavour \"NAME\" { type = \"%s\" }.", strings.Join(left, ", "), strings.Join(ready, ", "), ready[1])
	}
	if c.Flavour != "" && !slices.Contains(c.offer.Flavours, c.Flavour) {
		c.note("The default flavour was %s, which nxc does not have; the default is %s now.", c.Flavour, c.offer.Flavours[0])
	}
	if c.RolesFile != "" {
		c.note("roles is what %s says.", c.RolesFile)
	}
	if len(c.Candidates) > 0 {
		c.note("%s could distribute the roles; say which with -roles FILE. None was taken.", strings.Join(c.Candidates, " and "))
	}
	if c.Setup != nil && c.Setup.NixFlags != "" {
		c.note("%s has options.nix-flags = %q, which nxc does not use: what must be known to evaluate stands in files, so that others can repeat it. Where it permitted unfree or broken packages, say nixpkgs_config = { allowUnfree = true }.", c.Setup.File, c.Setup.NixFlags)
	}
}

// rolesValue is the distribution as an argument.
func rolesValue(roles map[string]Role) cty.Value {
	values := map[string]cty.Value{}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		switch role := roles[name]; {
		case role.Rest && role.Min > 0:
			values[name] = cty.ObjectVal(map[string]cty.Value{"rest": cty.True, "min": cty.NumberIntVal(int64(role.Min))})
		case role.Rest:
			values[name] = cty.ObjectVal(map[string]cty.Value{"rest": cty.True})
		case role.Names != nil:
			values[name] = stringList(role.Names)
		default:
			values[name] = cty.NumberIntVal(int64(role.Count))
		}
	}
	return cty.ObjectVal(values)
}

func stringList(list []string) cty.Value {
	values := make([]cty.Value, 0, len(list))
	for _, s := range list {
		values = append(values, cty.StringVal(s))
	}
	if len(values) == 0 {
		return cty.EmptyTupleVal
	}
	return cty.TupleVal(values)
}

func traversal(root string, attributes ...string) hcl.Traversal {
	t := hcl.Traversal{hcl.TraverseRoot{Name: root}}
	for _, a := range attributes {
		t = append(t, hcl.TraverseAttr{Name: a})
	}
	return t
}
