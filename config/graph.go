package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// edge is a reference between two entities.
type edge struct {
	to   entity
	from hcl.Range // where it is written
}

// edges lists what e refers to, with the provider configuration that it uses.
func (c *Config) edges(e entity) []edge {
	var all []edge
	for _, ref := range c.references[e] {
		if to, ok := ref.target(); ok {
			all = append(all, edge{to, ref.subject()})
		}
	}
	if e.kind != blockEntity {
		return all
	}
	configuration, at := c.providerOf(e.block)
	if _, declared := c.Providers[configuration]; declared {
		all = append(all, edge{entity{kind: providerEntity, name: configuration}, at})
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
	var found []addr.Instance
	seen := map[entity]bool{}
	var visit func(entity)
	visit = func(e entity) {
		for _, edge := range c.edges(e) {
			if seen[edge.to] {
				continue
			}
			seen[edge.to] = true
			if edge.to.kind == blockEntity {
				found = append(found, edge.to.block)
			} else {
				visit(edge.to)
			}
		}
	}
	visit(start)
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
	depth := map[entity]int{} // the lowest level that e may stand in
	var levelOf func(entity) int
	levelOf = func(e entity) int {
		if level, known := depth[e]; known {
			return level
		}
		level := 0
		for _, edge := range c.edges(e) {
			switch {
			case edge.to.kind != blockEntity:
				level = max(level, levelOf(edge.to))
			case selected[edge.to.block]:
				level = max(level, levelOf(edge.to)+1)
			}
		}
		depth[e] = level
		return level
	}
	var levels [][]addr.Instance
	for _, block := range c.blocks() {
		if !selected[block] {
			continue
		}
		level := levelOf(entity{kind: blockEntity, block: block})
		for len(levels) <= level {
			levels = append(levels, nil)
		}
		levels[level] = append(levels[level], block)
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
	for _, edge := range c.edges(entity{kind: blockEntity, block: block}) {
		if edge.to == (entity{kind: blockEntity, block: missing}) {
			diag.Subject = edge.from.Ptr()
			break
		}
	}
	return diag
}

// findCycle reports the first cycle of references, with the place of each.
func (c *Config) findCycle() hcl.Diagnostics {
	const (
		open = 1
		done = 2
	)
	mark := map[entity]int{}
	var path []edge // how the search came to where it is; path[i].from is in path[i-1].to
	var cycle []edge
	var visit func(edge) bool
	visit = func(arrived edge) bool {
		path = append(path, arrived)
		mark[arrived.to] = open
		for _, next := range c.edges(arrived.to) {
			switch mark[next.to] {
			case open:
				start := slices.IndexFunc(path, func(e edge) bool { return e.to == next.to })
				cycle = append(slices.Clone(path[start+1:]), next)
				return true
			case 0:
				if visit(next) {
					return true
				}
			}
		}
		mark[arrived.to] = done
		path = path[:len(path)-1]
		return false
	}
	for _, start := range c.entities() {
		if mark[start] == 0 && visit(edge{to: start}) {
			return hcl.Diagnostics{cycleDiagnostic(cycle)}
		}
	}
	return nil
}

// entities lists everything that may be part of a cycle, in order.
func (c *Config) entities() []entity {
	var all []entity
	for _, name := range slices.Sorted(maps.Keys(c.Locals)) {
		all = append(all, entity{kind: localEntity, name: name})
	}
	for _, block := range c.blocks() {
		all = append(all, entity{kind: blockEntity, block: block})
	}
	return all
}

// cycleDiagnostic spells a cycle: each edge leads to the next one's origin.
func cycleDiagnostic(cycle []edge) *hcl.Diagnostic {
	from := cycle[len(cycle)-1].to
	if len(cycle) == 1 {
		return errorAt(cycle[0].from, "Reference to itself", "%s refers to itself, so it has no value to begin with.", from)
	}
	var lines strings.Builder
	for _, e := range cycle {
		fmt.Fprintf(&lines, "\n  %s refers to %s at %s", from, e.to, place(e.from))
		from = e.to
	}
	return errorAt(cycle[0].from, "References in a circle", "None of these can come first:%s\nRemove one of the references.", lines.String())
}
