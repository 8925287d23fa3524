package config

import (
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// Evaluator gives expressions their values, within one phase of a command: the
// plan, or the apply. A value that it was given for a block does not change
// any more; what is not known yet may become known. It may be used by several
// goroutines at once.
type Evaluator struct {
	config *Config
	inputs cty.Value // an object
	values func(block addr.Instance) (cty.Value, bool)

	locals  sync.Map // name to localValue
	forms   sync.Map // *Resource to *form
	repeats sync.Map // *Resource to repeat
}

// Evaluator returns an evaluator. inputs are the variables' values. values
// gives the present value of a block: an object for a single resource, a tuple
// for one with count, an object by key for one with for_each, and for a
// deployment an object {node = {…}, TYPE = {KEY = {…}}}. It returns false for
// a block whose value is not known yet.
func (c *Config) Evaluator(inputs map[string]cty.Value, values func(block addr.Instance) (cty.Value, bool)) *Evaluator {
	return &Evaluator{config: c, inputs: cty.ObjectVal(inputs), values: values}
}

// scope is what the expressions of one entity can see.
type scope struct {
	*hcl.EvalContext
	settled bool // all values are there, so that results may be kept
}

// scope collects what the expressions in the body of an entity refer to.
func (e *Evaluator) scope(from entity) (scope, hcl.Diagnostics) {
	return e.collect(e.config.references[from], inBody, nil)
}

// collect makes a scope of the references in one part of an entity. selected
// is the deployment that composition.NAME.node speaks of.
func (e *Evaluator) collect(refs []reference, part use, selected *addr.Deployment) (scope, hcl.Diagnostics) {
	s := scope{EvalContext: &hcl.EvalContext{Functions: e.config.functions}, settled: true}
	var diags hcl.Diagnostics
	tree := branch{}
	for _, ref := range refs {
		if ref.use != part {
			continue
		}
		switch ref.kind {
		case toVariable:
			tree["var"] = leaf(e.inputs)
		case toLocal:
			if tree.has("local", ref.name) {
				continue
			}
			local := e.local(ref.name)
			diags = append(diags, local.diags...)
			s.settled = s.settled && local.settled
			tree.put(local.value, "local", ref.name)
		case toResource, toDeployment:
			path := blockPath(ref.block)
			if tree.has(path...) {
				continue
			}
			value, ok := e.block(ref.block)
			s.settled = s.settled && ok
			tree.put(value, path...)
		case toSelected:
			s.settled = e.selected(tree, ref.name, selected) && s.settled
		case toPath:
			tree["path"] = leaf(cty.ObjectVal(map[string]cty.Value{"root": cty.StringVal(".")}))
		case toNxc:
			tree["nxc"] = leaf(cty.ObjectVal(map[string]cty.Value{
				"version": cty.StringVal(e.config.Version), "workspace": cty.StringVal(e.config.Workspace),
			}))
		}
	}
	s.Variables = make(map[string]cty.Value, len(tree))
	for name, node := range tree {
		s.Variables[name] = node.value()
	}
	return s, diags
}

// block returns the value of a block, unknown when it is not there.
func (e *Evaluator) block(block addr.Instance) (cty.Value, bool) {
	value, ok := e.values(block)
	if !ok || value == cty.NilVal {
		return cty.DynamicVal, false
	}
	return value, true
}

// selected puts what composition.NAME gives besides its flavours into the
// tree, and reports whether it is there.
func (e *Evaluator) selected(tree branch, composition string, d *addr.Deployment) bool {
	value, ok := cty.DynamicVal, false
	if d != nil && d.Composition == composition {
		value, ok = e.block(blockOf(*d))
	}
	for _, label := range reservedLabels() {
		if !value.Type().IsObjectType() || !value.IsKnown() || value.IsNull() {
			tree.put(cty.DynamicVal, "composition", composition, label)
		} else if value.Type().HasAttribute(label) {
			tree.put(value.GetAttr(label), "composition", composition, label)
		}
	}
	return ok
}

// blockPath is where the value of a block stands in expressions.
func blockPath(block addr.Instance) []string {
	switch {
	case !block.Deployment.IsTop():
		return []string{"composition", block.Deployment.Composition, block.Deployment.Flavour}
	case block.Data:
		return []string{"data", block.Type, block.Name}
	default:
		return []string{block.Type, block.Name}
	}
}

// localValue is the value of a local, or why it has none.
type localValue struct {
	value   cty.Value
	diags   hcl.Diagnostics
	settled bool
}

// local evaluates a local value, once it can no longer change.
func (e *Evaluator) local(name string) localValue {
	if known, ok := e.locals.Load(name); ok {
		return known.(localValue)
	}
	scope, diags := e.scope(entity{kind: localEntity, name: name})
	local := localValue{value: cty.DynamicVal, diags: diags, settled: scope.settled}
	if !diags.HasErrors() {
		local.value, local.diags = evaluate(e.config.Locals[name].Expr, scope.EvalContext)
	}
	if local.settled {
		kept, _ := e.locals.LoadOrStore(name, local)
		return kept.(localValue)
	}
	return local
}

// Provider decodes a provider block by the schema of its provider.
func (e *Evaluator) Provider(p *Provider, b *schema.Block) (cty.Value, hcl.Diagnostics) {
	scope, diags := e.scope(entity{kind: providerEntity, name: p.Configuration()})
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return decodeBody(p.Body, b, scope, owner{"provider " + p.Configuration(), p.DeclRange})
}

// Flavour decodes a flavour block by the schema of its type.
func (e *Evaluator) Flavour(f *Flavour, b *schema.Block) (cty.Value, hcl.Diagnostics) {
	scope, diags := e.scope(entity{kind: blockEntity, block: blockOf(f.Deployment())})
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return decodeBody(f.Body, b, scope, owner{"flavour " + f.Label, f.DeclRange})
}

// branch is a tree of values that becomes nested objects.
type branch map[string]node

// node is a value or a branch.
type node struct {
	leaf cty.Value
	branch
}

func leaf(v cty.Value) node { return node{leaf: v} }

func (b branch) has(path ...string) bool {
	n, ok := b[path[0]]
	if !ok || len(path) == 1 {
		return ok
	}
	return n.branch != nil && n.has(path[1:]...)
}

func (b branch) put(v cty.Value, path ...string) {
	if len(path) == 1 {
		b[path[0]] = leaf(v)
		return
	}
	n := b[path[0]]
	if n.branch == nil {
		n.branch = branch{}
		b[path[0]] = n
	}
	n.put(v, path[1:]...)
}

func (n node) value() cty.Value {
	if n.branch == nil {
		return n.leaf
	}
	object := make(map[string]cty.Value, len(n.branch))
	for name, inner := range n.branch {
		object[name] = inner.value()
	}
	return cty.ObjectVal(object)
}
