package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// graph is which entity refers to which. Entities are numbered.
type graph struct {
	number   map[entity]int
	entities []entity
	edges    [][]edge
	acyclic  bool // checked, and without a cycle
}

// edge is a reference to an entity.
type edge struct {
	to   int
	from hcl.Range // where it is written
}

// buildGraph collects the references of all entities, in order, and with them
// which block uses which provider configuration.
func (c *Config) buildGraph() {
	c.graph = graph{number: make(map[entity]int, len(c.references))}
	for _, name := range slices.Sorted(maps.Keys(c.Locals)) {
		c.graph.add(entity{kind: localEntity, name: name})
	}
	for _, block := range c.blocks() {
		c.graph.add(entity{kind: blockEntity, block: block})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		c.graph.add(entity{kind: providerEntity, name: name})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		c.graph.add(entity{kind: outputEntity, name: name})
	}
	c.graph.edges = make([][]edge, len(c.graph.entities))
	for i, e := range c.graph.entities {
		c.graph.edges[i] = c.edges(e)
	}
}

func (g *graph) add(e entity) {
	g.number[e] = len(g.entities)
	g.entities = append(g.entities, e)
}

// edges lists what e refers to, with the provider configuration that it uses.
func (c *Config) edges(e entity) []edge {
	var all []edge
	for _, ref := range c.references[e] {
		if to, ok := ref.target(); ok {
			all = append(all, edge{c.graph.number[to], ref.subject()})
		}
	}
	if e.kind != blockEntity {
		return all
	}
	configuration, at := c.providerOf(e.block)
	if to, declared := c.graph.number[entity{kind: providerEntity, name: configuration}]; declared {
		all = append(all, edge{to, at})
	}
	return all
}

// providerOf returns the provider configuration of a block and where it is chosen.
func (c *Config) providerOf(block addr.Instance) (string, hcl.Range) {
	if r := c.resources[block]; r != nil {
		if r.ProviderRange != nil {
			return r.Provider, *r.ProviderRange
		}
		return r.Provider, r.DeclRange
	}
	if _, f := c.Deployment(block.Deployment); f != nil {
		if f.ProviderRange != nil {
			return f.Provider, *f.ProviderRange
		}
		return f.Provider, f.DeclRange
	}
	return "", hcl.Range{}
}

// blocks lists every block that the graph has, in order.
func (c *Config) blocks() []addr.Instance {
	var all []addr.Instance
	for _, r := range c.Resources {
		all = append(all, r.Addr)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Compositions)) {
		for _, f := range c.Compositions[name].Flavours {
			all = append(all, blockOf(f.Deployment()))
		}
	}
	slices.SortFunc(all, addr.Instance.Compare)
	return all
}

// Dependencies lists the blocks that a block refers to: directly, through
// local values, and through the configuration of its provider.
func (c *Config) Dependencies(block addr.Instance) []addr.Instance {
	return c.reachable(entity{kind: blockEntity, block: block.Block()})
}

// DependsOn lists the blocks that a block's own depends_on names.
func (c *Config) DependsOn(block addr.Instance) []addr.Instance {
	var found []addr.Instance
	for _, ref := range c.references[entity{kind: blockEntity, block: block.Block()}] {
		if ref.use == inOrder {
			found = append(found, ref.block)
		}
	}
	slices.SortFunc(found, addr.Instance.Compare)
	return slices.Compact(found)
}

// OutputDependencies lists the blocks that an output refers to. The selected
// deployment of o.Composition is not among them.
func (c *Config) OutputDependencies(o *Output) []addr.Instance {
	return c.reachable(entity{kind: outputEntity, name: o.Name})
}

// ProviderDependencies lists the blocks that a provider's configuration refers to.
func (c *Config) ProviderDependencies(configuration string) []addr.Instance {
	return c.reachable(entity{kind: providerEntity, name: configuration})
}

// reachable lists the blocks that start reaches without passing another block.
func (c *Config) reachable(start entity) []addr.Instance {
	number, ok := c.graph.number[start]
	if !ok {
		return nil
	}
	var found []addr.Instance
	seen := map[int]bool{}
	var visit func(int)
	visit = func(from int) {
		for _, edge := range c.graph.edges[from] {
			if seen[edge.to] {
				continue
			}
			seen[edge.to] = true
			if e := c.graph.entities[edge.to]; e.kind == blockEntity {
				found = append(found, e.block)
			} else {
				visit(edge.to)
			}
		}
	}
	visit(number)
	slices.SortFunc(found, addr.Instance.Compare)
	return found
}

// Levels orders the blocks of a selection: what a block refers to stands in an
// earlier level. Blocks that are not selected do not appear, and do not order
// others; CheckUnselected says whether anything needs them.
func (c *Config) Levels(s Selection) ([][]addr.Instance, hcl.Diagnostics) {
	if diags := c.findCycle(); diags.HasErrors() {
		return nil, diags
	}
	selected := c.selected(s)
	depth := make([]int, len(c.graph.entities)) // 1 and the lowest level that each may stand in
	var levelOf func(int) int
	levelOf = func(number int) int {
		if depth[number] > 0 {
			return depth[number] - 1
		}
		level := 0
		for _, edge := range c.graph.edges[number] {
			to := c.graph.entities[edge.to]
			switch {
			case to.kind != blockEntity:
				level = max(level, levelOf(edge.to))
			case selected[to.block]:
				level = max(level, levelOf(edge.to)+1)
			}
		}
		depth[number] = level + 1
		return level
	}
	var levels [][]addr.Instance
	for number, e := range c.graph.entities {
		if e.kind != blockEntity || !selected[e.block] {
			continue
		}
		level := levelOf(number)
		for len(levels) <= level {
			levels = append(levels, nil)
		}
		levels[level] = append(levels[level], e.block)
	}
	return levels, nil
}

// selected returns the blocks of a selection.
func (c *Config) selected(s Selection) map[addr.Instance]bool {
	all := map[addr.Instance]bool{}
	if s.TopLevel {
		for _, r := range c.Resources {
			all[r.Addr] = true
		}
	}
	for _, d := range s.Deployments {
		all[blockOf(d)] = true
	}
	return all
}

// CheckUnselected reports selected blocks that refer to blocks outside the
// selection whose values are not there either. exists says whether a block has
// a value from an earlier apply.
func (c *Config) CheckUnselected(s Selection, exists func(block addr.Instance) bool) hcl.Diagnostics {
	selected := c.selected(s)
	var diags hcl.Diagnostics
	for _, block := range c.blocks() {
		if !selected[block] {
			continue
		}
		for _, missing := range c.Dependencies(block) {
			if selected[missing] || exists(missing) {
				continue
			}
			diags = append(diags, c.unselected(block, missing))
		}
	}
	return diags
}

func (c *Config) unselected(block, missing addr.Instance) *hcl.Diagnostic {
	remedy := "-flavour leaves resources outside of compositions alone. Run `nxc apply` without it first."
	if d := missing.Deployment; !d.IsTop() {
		remedy = fmt.Sprintf("Deploy it first, with `nxc apply -flavour %s`.", d)
	}
	diag := errorAt(hcl.Range{}, "Needs what is not selected", "%s refers to %s, which does not exist and is not part of this command. %s", blockText(block), blockText(missing), remedy)
	diag.Subject = c.RangeOf(block, nil)
	for _, edge := range c.graph.edges[c.graph.number[entity{kind: blockEntity, block: block}]] {
		if c.graph.entities[edge.to].block == missing {
			diag.Subject = edge.from.Ptr()
			break
		}
	}
	return diag
}
