package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// referenceKind tells what a reference points at.
type referenceKind uint8

const (
	toVariable   referenceKind = iota // var.NAME
	toLocal                           // local.NAME
	toResource                        // TYPE.NAME, data.TYPE.NAME
	toDeployment                      // composition.NAME.FLAVOUR
	toSelected                        // composition.NAME.node and the like
	toEach                            // each.key, each.value
	toCount                           // count.index
	toPath                            // path.root
	toNxc                             // nxc.version, nxc.workspace
	toSelf                            // self, in a postcondition
)

// reference is one use of something in an expression.
type reference struct {
	kind      referenceKind
	name      string        // of the variable, local, composition (toSelected) or attribute
	block     addr.Instance // of the resource or deployment
	rest      hcl.Traversal // what follows
	traversal hcl.Traversal // the whole
	use       use
}

// use tells in which part of a block a reference stands.
type use uint8

const (
	inBody       use = iota
	inRepetition     // count or for_each: evaluated once for all instances
	inOrder          // depends_on: it orders, and has no value
)

func (r reference) subject() hcl.Range { return r.traversal.SourceRange() }

// target returns the entity that the reference points at, if it is one.
func (r reference) target() (entity, bool) {
	switch r.kind {
	case toLocal:
		return entity{kind: localEntity, name: r.name}, true
	case toResource, toDeployment:
		return entity{kind: blockEntity, block: r.block}, true
	default:
		return entity{}, false
	}
}

// entityKind tells what an entity is.
type entityKind uint8

const (
	blockEntity entityKind = iota // a resource, data source or deployment
	localEntity
	providerEntity
	outputEntity
	checkEntity  // nothing refers to it
	importEntity // nothing refers to it
	expressionEntity
	variableEntity // only its validation refers to anything
)

// entity is something that refers, or is referred to.
type entity struct {
	kind  entityKind
	block addr.Instance
	name  string // of a local, output, check, import or variable; a provider's configuration
}

func (e entity) String() string {
	switch e.kind {
	case localEntity:
		return "local." + e.name
	case providerEntity:
		return "provider " + e.name
	case outputEntity:
		return "output " + e.name
	case checkEntity:
		return "check " + e.name
	case importEntity:
		return "import " + e.name
	case expressionEntity:
		return expressionFile
	case variableEntity:
		return "var." + e.name
	default:
		return blockText(e.block)
	}
}

// blockText spells a block's address; a deployment's has no type.
func blockText(block addr.Instance) string {
	return strings.TrimSuffix(block.String(), ".")
}

// blockOf returns the block that stands for a deployment in the graph.
func blockOf(d addr.Deployment) addr.Instance { return addr.Instance{Deployment: d} }

// interpret reads a traversal by its shape alone.
func interpret(t hcl.Traversal) (reference, *hcl.Diagnostic) {
	r := reference{traversal: t}
	root := t.RootName()
	switch root {
	case "var":
		return r.named(toVariable, "var.NAME")
	case "local":
		return r.named(toLocal, "local.NAME")
	case "each":
		return r.attribute(toEach, "key", "value")
	case "count":
		return r.attribute(toCount, "index")
	case "path":
		return r.attribute(toPath, "root")
	case "nxc":
		return r.attribute(toNxc, "version", "workspace")
	case "self":
		r.kind, r.rest = toSelf, t[1:]
		return r, nil
	case "module":
		return r, errorAt(r.subject(), "Reserved name", "nxc has no modules yet; the name is reserved. All *.nxc.hcl files of a folder are one configuration.")
	case "composition":
		return r.deployment()
	case "data":
		if len(t) < 3 {
			return r, incomplete(t, "data.TYPE.NAME")
		}
		r.block.Data = true
		t = t[1:]
	}
	if len(t) < 2 {
		return r, errorAt(r.subject(), "Not a reference", "%q alone refers to nothing. A resource is TYPE.NAME, a variable var.NAME, a local value local.NAME; a string stands in quotes.", root)
	}
	step, ok := names(t[:2])
	if !ok {
		return r, incomplete(r.traversal, "TYPE.NAME")
	}
	r.kind, r.block.Type, r.block.Name, r.rest = toResource, step[0], step[1], t[2:]
	return r, nil
}

// named reads the name in the second step.
func (r reference) named(kind referenceKind, form string) (reference, *hcl.Diagnostic) {
	r.kind = kind
	if len(r.traversal) < 2 {
		return r, incomplete(r.traversal, form)
	}
	step, ok := names(r.traversal[:2])
	if !ok {
		return r, incomplete(r.traversal, form)
	}
	r.name, r.rest = step[1], r.traversal[2:]
	return r, nil
}

// attribute reads one of a few fixed names.
func (r reference) attribute(kind referenceKind, known ...string) (reference, *hcl.Diagnostic) {
	root := r.traversal.RootName()
	r, diag := r.named(kind, root+"."+known[0])
	if diag != nil {
		return r, diag
	}
	if root == "path" && (r.name == "module" || r.name == "cwd") {
		return r, errorAt(r.traversal[:2].SourceRange(), "Unknown attribute", "nxc has no path.%s. The folder of the configuration is path.root.", r.name)
	}
	if !slices.Contains(known, r.name) {
		return r, errorAt(r.traversal[:2].SourceRange(), "Unknown attribute", "%s has no attribute %q; it has %s.%s", root, r.name, listed(known), DidYouMean(r.name, known))
	}
	return r, nil
}

// deployment reads composition.NAME.FLAVOUR or composition.NAME.node.
func (r reference) deployment() (reference, *hcl.Diagnostic) {
	const form = "composition.NAME.FLAVOUR, such as composition.web.docker.node[\"server\"].address"
	t := r.traversal
	if len(t) < 2 {
		return r, incomplete(t, form)
	}
	step, ok := names(t[:min(3, len(t))])
	if !ok && len(step) == 2 {
		return r, errorAt(t[:3].SourceRange(), "Reserved name", "A composition is not repeated, so it has no key. Write %s.", form)
	}
	if !ok || len(step) < 3 {
		return r, incomplete(t, form)
	}
	if slices.Contains(reservedLabels(), step[2]) {
		r.kind, r.name, r.rest = toSelected, step[1], t[2:]
		return r, nil
	}
	r.kind, r.rest = toDeployment, t[3:]
	r.block = blockOf(addr.Deployment{Composition: step[1], Flavour: step[2]})
	return r, nil
}

func incomplete(t hcl.Traversal, form string) *hcl.Diagnostic {
	return errorAt(t.SourceRange(), "Incomplete reference", "%s refers to nothing. Write %s.", spell(t), form)
}
