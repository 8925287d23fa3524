package nix

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SizeChange is a package that differs between two closures: other versions,
// or another size.
type SizeChange struct {
	Name     string
	From, To []string // versions, sorted; none where the package was not, or is not
	Delta    int64    // bytes that it takes more
}

// smallest is the change of size, in bytes, below which a package whose
// versions stay is not worth a line.
const smallest = 8 << 10

// DiffClosures compares two closures package by package, in the order of the
// names. Packages whose versions stay and whose size hardly changes are left out.
func DiffClosures(before, after Closure) []SizeChange {
	old, now := before.packages(), after.packages()
	var list []SizeChange
	for _, name := range slices.Sorted(maps.Keys(union(old, now))) {
		from, to := old[name], now[name]
		c := SizeChange{Name: name, From: without(from.versions, to.versions), To: without(to.versions, from.versions), Delta: to.size - from.size}
		if len(c.From) == 0 && len(c.To) == 0 && c.Delta < smallest && c.Delta > -smallest {
			continue
		}
		list = append(list, c)
	}
	return list
}

// inClosure is one package of a closure, all its versions and outputs together.
type inClosure struct {
	versions []string // sorted
	size     int64
}

func (c Closure) packages() map[string]inClosure {
	out := map[string]inClosure{}
	for i, path := range c.Paths {
		name, version := splitName(storeName(path))
		p := out[name]
		if !slices.Contains(p.versions, version) {
			p.versions = append(p.versions, version)
			slices.Sort(p.versions)
		}
		if i < len(c.Sizes) {
			p.size += c.Sizes[i]
		}
		out[name] = p
	}
	return out
}

// splitName splits a store path's name where its version begins: before the
// first part that begins with a digit, as Nix does.
func splitName(name string) (base, version string) {
	for i := 0; i+1 < len(name); i++ {
		if name[i] == '-' && name[i+1] >= '0' && name[i+1] <= '9' {
			return name[:i], name[i+1:]
		}
	}
	return name, ""
}

func union[V any](a, b map[string]V) map[string]bool {
	all := map[string]bool{}
	for name := range a {
		all[name] = true
	}
	for name := range b {
		all[name] = true
	}
	return all
}

// String describes the change in a line, such as "curl: 8.9.1 -> 8.10.0".
func (c SizeChange) String() string {
	list := func(versions []string) string {
		named := make([]string, len(versions))
		for i, v := range versions {
			named[i] = cmp.Or(v, "(no version)")
		}
		return strings.Join(named, ", ")
	}
	switch {
	case len(c.From) == 0 && len(c.To) == 0:
		return c.Name
	case len(c.From) == 0:
		return "+" + c.Name + " " + list(c.To)
	case len(c.To) == 0:
		return "-" + c.Name + " " + list(c.From)
	}
	return c.Name + " " + list(c.From) + " -> " + list(c.To)
}

// WhyDepends returns the shortest chain of store paths that leads from one to
// another whose name, or name and version, is given. It is empty when there is
// none. A path that is not built is ErrNotValid.
func (n *Nix) WhyDepends(ctx context.Context, path, name string) ([]string, error) {
	valid, err := n.Valid(ctx, []string{path})
	if err != nil {
		return nil, err
	}
	if !valid[path] {
		return nil, fmt.Errorf("%s is %w", path, ErrNotValid)
	}
	out, err := n.output(ctx, command{path: n.store, args: []string{"--query", "--graph", path}})
	if err != nil {
		return nil, fmt.Errorf("references of %s: %w", path, err)
	}
	return shortestChain(parseGraph(string(out)), strings.TrimPrefix(path, storeDir+"/"), name), nil
}

// parseGraph reads the lines "\"FROM\" -> \"TO\" [...];" of nix-store --graph,
// which point from what is referred to, to what refers to it.
func parseGraph(dot string) map[string][]string {
	references := map[string][]string{}
	for line := range strings.Lines(dot) {
		parts := strings.Split(line, `"`)
		if len(parts) < 5 || strings.TrimSpace(parts[2]) != "->" {
			continue
		}
		references[parts[3]] = append(references[parts[3]], parts[1])
	}
	for _, list := range references {
		slices.Sort(list)
	}
	return references
}

// shortestChain searches breadth first.
func shortestChain(references map[string][]string, from, name string) []string {
	reached := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		full := storeName(storeDir + "/" + at)
		if base, _ := splitName(full); at != from && (full == name || base == name) {
			var chain []string
			for ; at != ""; at = reached[at] {
				chain = append(chain, storeDir+"/"+at)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, next := range references[at] {
			if _, seen := reached[next]; !seen {
				reached[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}
