package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// surroundings says what an expression may refer to because of where it stands.
type surroundings struct {
	what            string // "an output", for messages
	use             use
	each, count     bool
	early           bool   // before there are objects: only variables and what is made of them
	selected        bool   // composition.NAME.node
	self            bool   // in a postcondition
	variables       bool   // a validation: before there are local values
	composition     string // of an output or check: whose selected deployment it speaks of
	compositionFrom hcl.Range
}

// resolver finds what every expression refers to, and checks that it is there.
type resolver struct {
	*Config
	diags hcl.Diagnostics
}

// resolve fills c.references and reports references to what does not exist.
func (c *Config) resolve() hcl.Diagnostics {
	r := &resolver{Config: c}
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		r.variable(c.Variables[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Locals)) {
		r.expressions(entity{kind: localEntity, name: name}, &surroundings{what: "a local value"}, c.Locals[name].Expr)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		p := c.Providers[name]
		r.traversals(entity{kind: providerEntity, name: name}, &surroundings{what: "a provider's configuration"}, bodyTraversals(p.Body))
	}
	for _, resource := range c.Resources {
		r.resource(resource)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Compositions)) {
		r.composition(c.Compositions[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		r.output(c.Outputs[name])
	}
	for _, check := range c.Checks {
		r.check(check)
	}
	for _, i := range c.Imports {
		r.imported(i)
	}
	return r.diags
}

func (r *resolver) variable(v *Variable) {
	in := &surroundings{what: "a variable's validation", variables: true}
	for _, validation := range v.Validations {
		r.expressions(entity{kind: variableEntity, name: v.Name}, in, validation.Condition, validation.ErrorMessage)
	}
}

func (r *resolver) resource(b *Resource) {
	self := entity{kind: blockEntity, block: b.Addr}
	if b.Count != nil {
		r.expressions(self, &surroundings{what: "count", use: inRepetition}, b.Count)
	}
	if b.ForEach != nil {
		r.expressions(self, &surroundings{what: "for_each", use: inRepetition}, b.ForEach)
	}
	in := surroundings{what: "a resource", each: b.ForEach != nil, count: b.Count != nil}
	r.traversals(self, &in, bodyTraversals(b.Body))
	for _, condition := range b.Lifecycle.Preconditions {
		r.expressions(self, &in, condition.Condition, condition.ErrorMessage)
	}
	in.self = true
	for _, condition := range b.Lifecycle.Postconditions {
		r.expressions(self, &in, condition.Condition, condition.ErrorMessage)
	}
	r.orders(self, b.DependsOn)
	r.providerChoice(b.Provider, b.ProviderRange)
}

func (r *resolver) composition(c *Composition) {
	if c.Provider != "" {
		r.providerChoice(c.Provider, &c.DeclRange)
	}
	for _, f := range c.Flavours {
		self := entity{kind: blockEntity, block: blockOf(f.Deployment())}
		before := len(r.diags)
		for _, attr := range c.arguments() {
			r.expressions(self, &surroundings{what: "a composition"}, attr.Expr)
		}
		r.orders(self, c.DependsOn)
		if f != c.Flavours[0] {
			r.diags = r.diags[:before] // said of the first flavour already
		}
		r.traversals(self, &surroundings{what: "a flavour"}, bodyTraversals(f.Body))
		if f.Update != nil {
			r.expressions(self, &surroundings{what: "a flavour"}, f.Update.Expr)
		}
		r.providerChoice(f.Provider, f.ProviderRange)
	}
}

// arguments lists the arguments of the composition that are written.
func (c *Composition) arguments() []*hcl.Attribute {
	all := []*hcl.Attribute{
		c.Source, c.Flake, c.Outputs, c.Attribute, c.Nixpkgs, c.NixpkgsConfig, c.Roles, c.Params, c.Setup, c.Variant, c.Modules, c.Overlays, c.Update,
	}
	for _, p := range c.Packages {
		all = append(all, p.Arguments...)
	}
	return slices.DeleteFunc(all, func(a *hcl.Attribute) bool { return a == nil })
}

func (r *resolver) output(o *Output) {
	in := &surroundings{what: "an output", selected: true}
	self := entity{kind: outputEntity, name: o.Name}
	r.expressions(self, in, o.Value)
	for _, condition := range o.Preconditions {
		r.expressions(self, in, condition.Condition, condition.ErrorMessage)
	}
	r.orders(self, o.DependsOn)
	o.Composition = in.composition
}

func (r *resolver) check(c *Check) {
	in := &surroundings{what: "a check", selected: true}
	for _, assert := range c.Asserts {
		r.expressions(entity{kind: checkEntity, name: c.Name}, in, assert.Condition, assert.ErrorMessage)
	}
	c.Composition = in.composition
}

func (r *resolver) imported(i *Import) {
	in := surroundings{what: "an import block", early: true, each: i.ForEach != nil}
	r.expressions(i.entity(), &in, i.ID)
	if i.Key != nil {
		r.expressions(i.entity(), &in, i.Key)
	}
	if i.ForEach != nil {
		r.expressions(i.entity(), &surroundings{what: "for_each", use: inRepetition, early: true}, i.ForEach)
	}
}

func (r *resolver) expressions(from entity, in *surroundings, exprs ...hcl.Expression) {
	for _, expr := range exprs {
		r.traversals(from, in, expr.Variables())
	}
}

func (r *resolver) traversals(from entity, in *surroundings, ts []hcl.Traversal) {
	for _, t := range ts {
		ref, diag := interpret(t)
		if diag == nil {
			diag = r.allowed(ref, in)
		}
		if diag != nil {
			r.diags = append(r.diags, diag)
			continue
		}
		ref.use = in.use
		r.references[from] = append(r.references[from], ref)
	}
}

// orders adds the references of depends_on.
func (r *resolver) orders(from entity, ts []hcl.Traversal) {
	for _, t := range ts {
		ref, diag := interpret(t)
		if diag == nil && ref.kind != toResource && ref.kind != toDeployment {
			diag = errorAt(t.SourceRange(), "Not a block", "depends_on names resources, data and deployments; %s is none.", spell(t))
		}
		if diag == nil && len(ref.rest) > 0 {
			diag = errorAt(ref.rest.SourceRange(), "Not a whole block", "depends_on takes blocks as a whole: write %s.", blockText(ref.block))
		}
		if diag == nil {
			diag = r.exists(ref)
		}
		if diag != nil {
			r.diags = append(r.diags, diag)
			continue
		}
		ref.use = inOrder
		r.references[from] = append(r.references[from], ref)
	}
}

// providerChoice checks that a chosen alias is declared.
func (r *resolver) providerChoice(configuration string, at *hcl.Range) {
	if at == nil || r.Provider(configuration) != nil {
		return
	}
	name, alias, _ := strings.Cut(configuration, ".")
	r.diags = append(r.diags, errorAt(*at, "Unknown provider configuration", "There is no configuration %q: no block provider %q has alias = %q.%s",
		configuration, name, alias, DidYouMean(configuration, slices.Sorted(maps.Keys(r.Providers)))))
}

// allowed reports a reference that its surroundings do not allow, or whose
// target is not there.
func (r *resolver) allowed(ref reference, in *surroundings) *hcl.Diagnostic {
	if in.variables && ref.kind != toVariable {
		return errorAt(ref.subject(), "Reference not allowed here", "%s can refer only to variables.", upperFirst(in.what))
	}
	if in.early && (ref.kind == toResource || ref.kind == toDeployment || ref.kind == toSelected) {
		return errorAt(ref.subject(), "Reference not allowed here", "An import block is read before any object is, so it can refer only to variables and to local values that are made of them.")
	}
	switch ref.kind {
	case toEach:
		if !in.each {
			return errorAt(ref.subject(), "Reference not allowed here", "%s means something only in a block with for_each.", spell(ref.traversal))
		}
	case toCount:
		if !in.count {
			return errorAt(ref.subject(), "Reference not allowed here", "%s means something only in a resource with count.", spell(ref.traversal))
		}
	case toSelf:
		if !in.self {
			return errorAt(ref.subject(), "Reference not allowed here", "\"self\" means something only in a postcondition. Refer to the resource by its address.")
		}
	case toSelected:
		return r.checkSelected(ref, in)
	default:
		return r.exists(ref)
	}
	return nil
}

// checkSelected checks composition.NAME.node and the like.
func (r *resolver) checkSelected(ref reference, in *surroundings) *hcl.Diagnostic {
	c, ok := r.Compositions[ref.name]
	if !ok {
		return r.unknownComposition(ref.traversal, ref.name)
	}
	attribute := ref.rest[0].(hcl.TraverseAttr).Name
	if !in.selected {
		example := "FLAVOUR"
		if len(c.Flavours) > 0 {
			example = c.Flavours[0].Label
		}
		return errorAt(ref.subject(), "No flavour named", "Only an output or a check can speak of whichever deployment is selected. In %s, name the flavour: composition.%s.%s.%s.", in.what, ref.name, example, attribute)
	}
	if in.composition != "" && in.composition != ref.name {
		return errorAt(ref.subject(), "Two compositions", "%s is evaluated for each deployment of one composition. This one speaks of the selected deployment of %q at %s, and here of %q. Name the flavour of one of them, or make two.", upperFirst(in.what), in.composition, place(in.compositionFrom), ref.name)
	}
	in.composition, in.compositionFrom = ref.name, ref.subject()
	return nil
}

// exists reports a target that is not there.
func (r *resolver) exists(ref reference) *hcl.Diagnostic {
	switch ref.kind {
	case toVariable:
		if _, ok := r.Variables[ref.name]; !ok {
			return errorAt(ref.traversal[:2].SourceRange(), "Unknown variable", "No block declares the variable %q.%s", ref.name, r.orDeclare(ref.name, slices.Sorted(maps.Keys(r.Variables)), "variable %q {}"))
		}
	case toLocal:
		if _, ok := r.Locals[ref.name]; !ok {
			return errorAt(ref.traversal[:2].SourceRange(), "Unknown local value", "No locals block declares %q.%s", ref.name, DidYouMean(ref.name, slices.Sorted(maps.Keys(r.Locals))))
		}
	case toDeployment:
		return r.deploymentExists(ref)
	case toResource:
		return r.resourceExists(ref)
	}
	return nil
}

func (r *resolver) orDeclare(name string, candidates []string, form string) string {
	if hint := DidYouMean(name, candidates); hint != "" {
		return hint
	}
	return " Declare it: " + fmt.Sprintf(form, name) + "."
}

func (r *resolver) unknownComposition(t hcl.Traversal, name string) *hcl.Diagnostic {
	return errorAt(t[:2].SourceRange(), "Unknown composition", "There is no composition %q.%s", name, DidYouMean(name, slices.Sorted(maps.Keys(r.Compositions))))
}

func (r *resolver) deploymentExists(ref reference) *hcl.Diagnostic {
	d := ref.block.Deployment
	c, ok := r.Compositions[d.Composition]
	if !ok {
		return r.unknownComposition(ref.traversal, d.Composition)
	}
	if c.Flavour(d.Flavour) == nil {
		var labels []string
		for _, f := range c.Flavours {
			labels = append(labels, f.Label)
		}
		hint := DidYouMean(d.Flavour, slices.Concat(labels, reservedLabels()))
		return errorAt(ref.traversal[:3].SourceRange(), "Unknown flavour", "Composition %q has no flavour %q; it has %s.%s", d.Composition, d.Flavour, listed(labels), hint)
	}
	return nil
}

// resourceExists checks the block, and that it is used as it is repeated.
func (r *resolver) resourceExists(ref reference) *hcl.Diagnostic {
	b := r.resources[ref.block]
	if b == nil {
		return r.unknownResource(ref)
	}
	if len(ref.rest) == 0 {
		return nil
	}
	text := blockText(ref.block)
	switch step := ref.rest[0].(type) {
	case hcl.TraverseAttr:
		if b.Count != nil {
			return errorAt(step.SrcRange, "No instance named", "%s has count, so it is many: name one, as in %s[0].%s, or take all with %s[*].%s.", text, text, step.Name, text, step.Name)
		}
		if b.ForEach != nil {
			return errorAt(step.SrcRange, "No instance named", "%s has for_each, so it is many: name one, as in %s[\"KEY\"].%s.", text, text, step.Name)
		}
	case hcl.TraverseIndex:
		if b.Count == nil && b.ForEach == nil {
			return errorAt(step.SrcRange, "No such instance", "%s has neither count nor for_each, so it is one and has no key: write %s.", text, text)
		}
	}
	return nil
}

func (r *resolver) unknownResource(ref reference) *hcl.Diagnostic {
	text := blockText(ref.block)
	if text == "terraform.workspace" {
		return errorAt(ref.subject(), "Unknown resource", "nxc has no %s. The name of the workspace is nxc.workspace.", text)
	}
	other := addr.Instance{Data: !ref.block.Data, Type: ref.block.Type, Name: ref.block.Name}
	if r.resources[other] != nil {
		return errorAt(ref.subject(), "Unknown resource", "There is no %s. Did you mean %q?", text, blockText(other))
	}
	hint := r.resourceHint(ref.block)
	if hint == "" && !ref.block.Data {
		hint = DidYouMean(ref.block.Type, reservedTypes())
	}
	return errorAt(ref.traversal[:len(ref.traversal)-len(ref.rest)].SourceRange(), "Unknown resource", "There is no %s in this configuration.%s", text, hint)
}

// resourceHint suggests a resource with the same name of another type, or of
// the same type with another name, whichever was mistyped.
func (r *resolver) resourceHint(block addr.Instance) string {
	var types, others []string
	for _, b := range r.Resources {
		switch {
		case b.Addr.Data != block.Data:
		case b.Addr.Type == block.Type:
			others = append(others, b.Addr.Name)
		case b.Addr.Name == block.Name:
			types = append(types, b.Addr.Type)
		}
	}
	if name := Nearest(block.Name, others); name != "" {
		block.Name = name
	} else if typ := Nearest(block.Type, types); typ != "" {
		block.Type = typ
	} else {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", blockText(block))
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
