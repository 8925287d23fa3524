package g5k

import (
	"maps"
	"slices"
)

// move is the way from one deployment to the next: which nodes stay as they
// are, and which are deployed again.
type move struct {
	hosts []string // by node block: what it keeps, "" where it is deployed again
	todo  []int    // blocks to deploy
	had   []string // by todo: the host that it had, if that is of use
}

// moveOf compares what nodes carry with what they are to carry.
func moveOf(have, want *Deployment) move {
	before := map[string]Carrier{}
	host := map[string]string{}
	for i, c := range have.Carriers {
		before[c.Name] = c
		if i < len(have.Hosts) {
			host[c.Name] = have.Hosts[i]
		}
	}
	m := move{hosts: make([]string, len(want.Carriers))}
	for i, c := range want.Carriers {
		again, named := want.Again[c.Name]
		named = named && have.Again[c.Name] != again
		had := host[c.Name]
		if had != "" && before[c.Name].System == c.System && !named {
			m.hosts[i] = had
			continue
		}
		if named && slices.Contains(want.Avoid, had) {
			had = "" // it is lost there
		}
		m.todo, m.had = append(m.todo, i), append(m.had, had)
	}
	return m
}

// kept lists the nodes that are left alone.
func (m *move) kept() []string {
	return slices.DeleteFunc(slices.Clone(m.hosts), func(h string) bool { return h == "" })
}

// choose gives each node that is deployed again a host: the one that it had, or
// one that is free. Hosts to be avoided are taken last. What is left is spare.
func (m *move) choose(want *Deployment) (hosts, spares []string) {
	taken := map[string]bool{"": true}
	for _, h := range m.kept() {
		taken[h] = true
	}
	bad := func(h string) bool { return slices.Contains(want.Avoid, h) || slices.Contains(want.Failed, h) }
	hosts = make([]string, len(m.todo))
	for n, h := range m.had {
		if !taken[h] && slices.Contains(want.Nodes, h) {
			hosts[n], taken[h] = h, true
		}
	}
	free := slices.DeleteFunc(slices.Clone(want.Nodes), func(h string) bool { return taken[h] })
	slices.SortStableFunc(free, func(a, b string) int { return order(bad(a)) - order(bad(b)) })
	for n := range hosts {
		if hosts[n] != "" {
			continue
		}
		if len(free) == 0 {
			return hosts[:n], nil
		}
		hosts[n], free = free[0], free[1:]
	}
	return hosts, free
}

func order(later bool) int {
	if later {
		return 1
	}
	return 0
}

// onceMore says which nodes of a composition have to be deployed again although
// they are to carry the same: those that are lost, and those that somebody gave
// another system. Their present objects tell this time from others.
func onceMore(nodes map[string]Node) (again map[string]string, avoid []string) {
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[name]
		if n.Trouble == "" {
			continue
		}
		if again == nil {
			again = map[string]string{}
		}
		again[name] = n.ID
		if n.Trouble != foreignTrouble {
			avoid = append(avoid, n.Host)
		}
	}
	return again, avoid
}
