package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// findCycle reports the first cycle of references, with the place of each.
func (c *Config) findCycle() hcl.Diagnostics {
	if c.graph.acyclic {
		return nil
	}
	const (
		open = 1
		done = 2
	)
	mark := make([]uint8, len(c.graph.entities))
	var path []edge // how the search came to where it is; path[i].from is in path[i-1].to
	var cycle []edge
	var visit func(edge) bool
	visit = func(arrived edge) bool {
		path = append(path, arrived)
		mark[arrived.to] = open
		for _, next := range c.graph.edges[arrived.to] {
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
	for start := range c.graph.entities {
		if mark[start] == 0 && visit(edge{to: start}) {
			return hcl.Diagnostics{c.graph.cycleDiagnostic(cycle)}
		}
	}
	c.graph.acyclic = true
	return nil
}

// cycleDiagnostic spells a cycle: each edge leads to the next one's origin.
func (g *graph) cycleDiagnostic(cycle []edge) *hcl.Diagnostic {
	from := g.entities[cycle[len(cycle)-1].to]
	if len(cycle) == 1 {
		return errorAt(cycle[0].from, "Reference to itself", "%s refers to itself, so it has no value to begin with.", from)
	}
	var lines strings.Builder
	for _, e := range cycle {
		to, verb := g.entities[e.to], "refers to"
		if to.kind == providerEntity {
			verb = "uses"
		}
		fmt.Fprintf(&lines, "\n  %s %s %s at %s", from, verb, to, place(e.from))
		from = to
	}
	return errorAt(cycle[0].from, "References in a circle", "None of these can come first:%s\nRemove one of the references.", lines.String())
}
