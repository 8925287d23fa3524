package dag

import "slices"

// Cycle returns the nodes of one cycle, each after the next one and the last
// after the first, or nil when there is none. It begins with the node that was
// added first.
func (g *Graph[K]) Cycle() []K {
	component, size := g.Components()
	for start := range g.keys {
		if size[component[start]] > 1 || slices.Contains(g.after[start], start) {
			return g.cycleThrough(start, component)
		}
	}
	return nil
}

// cycleThrough finds a shortest way from start back to itself, within its
// component.
func (g *Graph[K]) cycleThrough(start int, component []int) []K {
	from := map[int]int{}
	queue := []int{start}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, to := range g.after[n] {
			if to == start {
				path := []K{g.keys[start]}
				for ; n != start; n = from[n] {
					path = append(path, g.keys[n])
				}
				return path
			}
			if _, seen := from[to]; !seen && component[to] == component[start] {
				from[to] = n
				queue = append(queue, to)
			}
		}
	}
	return nil
}

// Components returns, for each node in the order of Nodes, the number of its
// component (nodes of one component lie on a cycle together, unless it has
// only one), and the number of nodes in each component.
func (g *Graph[K]) Components() (component, size []int) {
	t := tarjan{
		after:     g.after,
		index:     make([]int, len(g.keys)),
		low:       make([]int, len(g.keys)),
		component: make([]int, len(g.keys)),
	}
	for i := range t.component {
		t.component[i] = -1
	}
	for i := range g.keys {
		if t.index[i] == 0 {
			t.visit(i)
		}
	}
	return t.component, t.size
}

// tarjan finds components without recursion, so that long chains need no stack.
type tarjan struct {
	after      [][]int
	index, low []int // from 1; 0 is not visited
	next       int
	stack      []int
	frames     []frame
	component  []int
	size       []int
}

type frame struct{ node, edge int }

func (t *tarjan) enter(n int) {
	t.next++
	t.index[n], t.low[n] = t.next, t.next
	t.stack = append(t.stack, n)
	t.frames = append(t.frames, frame{node: n})
}

func (t *tarjan) visit(root int) {
	t.enter(root)
	for len(t.frames) > 0 {
		f := &t.frames[len(t.frames)-1]
		n := f.node
		if f.edge < len(t.after[n]) {
			to := t.after[n][f.edge]
			f.edge++
			switch {
			case t.index[to] == 0:
				t.enter(to)
			case t.component[to] < 0:
				t.low[n] = min(t.low[n], t.index[to])
			}
			continue
		}
		t.frames = t.frames[:len(t.frames)-1]
		if len(t.frames) > 0 {
			parent := t.frames[len(t.frames)-1].node
			t.low[parent] = min(t.low[parent], t.low[n])
		}
		if t.low[n] == t.index[n] {
			t.pop(n)
		}
	}
}

// pop closes the component whose first node is n.
func (t *tarjan) pop(n int) {
	size := 0
	for {
		m := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.component[m] = len(t.size)
		size++
		if m == n {
			break
		}
	}
	t.size = append(t.size, size)
}
