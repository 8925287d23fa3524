// Package dag orders things that must come after one another.
//
// A Graph remembers the order in which its nodes were added, and every answer
// follows it, so that equal inputs give equal outputs. The package orders; it
// runs nothing.
package dag

import (
	"fmt"
	"slices"
)

// Graph is a directed graph that should have no cycle. The zero value is empty
// and ready. It is not safe for concurrent use.
type Graph[K comparable] struct {
	index map[K]int
	keys  []K
	after [][]int // after[i] are the nodes that come after i
	count []int   // count[i] is how many edges lead to i
}

// Add adds a node, once.
func (g *Graph[K]) Add(k K) { g.at(k) }

// After says that k comes after before. Both are added if they are new.
func (g *Graph[K]) After(k, before K) {
	to, from := g.at(k), g.at(before)
	g.after[from] = append(g.after[from], to)
	g.count[to]++
}

// Has reports whether k was added.
func (g *Graph[K]) Has(k K) bool {
	_, ok := g.index[k]
	return ok
}

// Len returns the number of nodes.
func (g *Graph[K]) Len() int { return len(g.keys) }

// Nodes returns all nodes in the order in which they were added.
func (g *Graph[K]) Nodes() []K { return append([]K(nil), g.keys...) }

// Reverse returns the graph with every edge turned round.
func (g *Graph[K]) Reverse() *Graph[K] {
	r := &Graph[K]{}
	for _, k := range g.keys {
		r.Add(k)
	}
	for from, tos := range g.after {
		for _, to := range tos {
			r.After(g.keys[from], g.keys[to])
		}
	}
	return r
}

// Levels returns the nodes in groups: each node stands in the first group
// after all those that it comes after. With a cycle it returns a *CycleError.
func (g *Graph[K]) Levels() ([][]K, error) {
	waits := append([]int(nil), g.count...)
	var ready []int
	for i, n := range waits {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	var levels [][]K
	for done := 0; done < len(g.keys); {
		if len(ready) == 0 {
			return nil, &CycleError[K]{Path: g.Cycle()}
		}
		level := make([]K, len(ready))
		for i, n := range ready {
			level[i] = g.keys[n]
		}
		levels = append(levels, level)
		done += len(ready)
		ready = g.release(ready, waits)
	}
	return levels, nil
}

// release takes the edges of done away and returns, in the order of nodes,
// those that wait for nothing any more.
func (g *Graph[K]) release(done, waits []int) []int {
	var ready []int
	for _, from := range done {
		for _, to := range g.after[from] {
			if waits[to]--; waits[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	slices.Sort(ready)
	return ready
}

func (g *Graph[K]) at(k K) int {
	if i, ok := g.index[k]; ok {
		return i
	}
	if g.index == nil {
		g.index = make(map[K]int)
	}
	i := len(g.keys)
	g.index[k] = i
	g.keys = append(g.keys, k)
	g.after = append(g.after, nil)
	g.count = append(g.count, 0)
	return i
}

// CycleError names nodes that all come after one another.
type CycleError[K comparable] struct {
	Path []K // each comes after the next one, the last after the first
}

func (e *CycleError[K]) Error() string {
	return fmt.Sprintf("a cycle: %v", e.Path)
}
