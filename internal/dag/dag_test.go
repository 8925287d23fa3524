package dag

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// graph builds a graph from "b>a" (b after a) and "a" (alone).
func graph(edges ...string) *Graph[string] {
	g := &Graph[string]{}
	for _, e := range edges {
		if len(e) == 1 {
			g.Add(e)
			continue
		}
		g.After(e[:1], e[2:])
	}
	return g
}

func TestLevels(t *testing.T) {
	tests := map[string]struct {
		edges []string
		want  [][]string
		cycle []string
	}{
		"empty":             {nil, nil, nil},
		"alone":             {[]string{"b", "a"}, [][]string{{"b", "a"}}, nil},
		"chain":             {[]string{"c>b", "b>a"}, [][]string{{"a"}, {"b"}, {"c"}}, nil},
		"diamond":           {[]string{"b>a", "c>a", "d>b", "d>c"}, [][]string{{"a"}, {"b", "c"}, {"d"}}, nil},
		"the longer way":    {[]string{"c>a", "c>b", "b>a"}, [][]string{{"a"}, {"b"}, {"c"}}, nil},
		"an edge twice":     {[]string{"b>a", "b>a"}, [][]string{{"a"}, {"b"}}, nil},
		"itself":            {[]string{"a>a"}, nil, []string{"a"}},
		"two":               {[]string{"a>b", "b>a"}, nil, []string{"b", "a"}},
		"behind a cycle":    {[]string{"z>a", "a>b", "b>c", "c>a"}, nil, []string{"b", "c", "a"}},
		"before a cycle":    {[]string{"a>x", "a>b", "b>a"}, nil, []string{"b", "a"}},
		"shortest of cycle": {[]string{"a>b", "b>c", "c>a", "b>a"}, nil, []string{"b", "a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := graph(test.edges...).Levels()
			var cycle *CycleError[string]
			errors.As(err, &cycle)
			if test.cycle == nil {
				if err != nil {
					t.Fatalf("got error %v", err)
				}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
				return
			}
			if cycle == nil {
				t.Fatalf("got error %v, want a cycle", err)
			}
			if !sameCycle(cycle.Path, test.cycle) {
				t.Errorf("got cycle %v, want %v", cycle.Path, test.cycle)
			}
		})
	}
}

// sameCycle compares cycles wherever they begin.
func sameCycle(a, b []string) bool {
	for i := range b {
		if slices.Equal(a, append(slices.Clone(b[i:]), b[:i]...)) {
			return true
		}
	}
	return false
}

func TestReverse(t *testing.T) {
	got, err := graph("c>b", "b>a").Reverse().Levels()
	if want := [][]string{{"c"}, {"b"}, {"a"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// TestRandom checks that levels respect every edge, that a reported cycle is
// one, and that two nodes share a component exactly when each reaches the other.
func TestRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "nodes")
		g := &Graph[int]{}
		for i := range n {
			g.Add(i)
		}
		edges := map[[2]int]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "edges") {
			k, before := rapid.IntRange(0, n-1).Draw(t, "k"), rapid.IntRange(0, n-1).Draw(t, "before")
			g.After(k, before)
			edges[[2]int{k, before}] = true
		}
		reaches := closure(n, edges)
		component, size := g.Components()
		for i := range n {
			members := 0
			for j := range n {
				together := i == j || reaches[i][j] && reaches[j][i]
				if together != (component[i] == component[j]) {
					t.Fatalf("%d and %d: together %v, components %v", i, j, together, component)
				}
				if together {
					members++
				}
			}
			if members != size[component[i]] {
				t.Fatalf("component of %d: size %d, want %d", i, size[component[i]], members)
			}
		}
		levels, err := g.Levels()
		var cycle *CycleError[int]
		if errors.As(err, &cycle) {
			for i, k := range cycle.Path {
				if !edges[[2]int{k, cycle.Path[(i+1)%len(cycle.Path)]}] {
					t.Fatalf("%v is not a cycle of %v", cycle.Path, edges)
				}
			}
			return
		}
		for i := range n {
			if reaches[i][i] {
				t.Fatalf("the cycle through %d was not found", i)
			}
		}
		level := map[int]int{}
		for l, keys := range levels {
			for _, k := range keys {
				level[k] = l
			}
		}
		if len(level) != n {
			t.Fatalf("levels %v do not hold all of %d nodes", levels, n)
		}
		for e := range edges {
			if level[e[0]] <= level[e[1]] {
				t.Fatalf("%d comes after %d, but levels are %v", e[0], e[1], levels)
			}
		}
	})
}

func closure(n int, edges map[[2]int]bool) [][]bool {
	r := make([][]bool, n)
	for i := range r {
		r[i] = make([]bool, n)
	}
	for e := range edges {
		r[e[0]][e[1]] = true
	}
	for k := range n {
		for i := range n {
			for j := range n {
				r[i][j] = r[i][j] || r[i][k] && r[k][j]
			}
		}
	}
	return r
}

func TestLongChain(t *testing.T) {
	g := &Graph[int]{}
	for i := range 100_000 {
		g.After(i+1, i)
	}
	if levels, err := g.Levels(); err != nil || len(levels) != 100_001 {
		t.Errorf("got %d levels, %v", len(levels), err)
	}
	if cycle := g.Cycle(); cycle != nil {
		t.Errorf("got cycle of %d nodes", len(cycle))
	}
}
