package g5k

import (
	"maps"
	"slices"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// window is when a number of nodes can be had together.
type window struct {
	at    time.Time // zero: never, as far as can be seen
	nodes []string  // that are free then
	cores int64     // of as many nodes as were asked for
}

// nowOf is the status' own time: that of the scheduler.
func nowOf(s *api.Status) time.Time {
	if s.At > 0 {
		return time.Unix(s.At, 0)
	}
	return time.Now()
}

// usable counts the nodes that can be had at all.
func usable(s *api.Status) int {
	n := 0
	for _, node := range s.Nodes {
		if node.Usable() {
			n++
		}
	}
	return n
}

// soonest finds when n nodes are free together for a time, not before begin.
// It sees what is reserved now: what others will ask for until then it cannot.
func soonest(s *api.Status, n int, begin time.Time, length time.Duration) window {
	names := slices.SortedFunc(maps.Keys(s.Nodes), api.CompareNodes)
	busy := map[string][]interval{}
	candidates := []time.Time{begin}
	for _, name := range names {
		for _, taken := range taken(s.Nodes[name], nowOf(s)) {
			busy[name] = append(busy[name], taken)
			if taken.to.After(begin) {
				candidates = append(candidates, taken.to)
			}
		}
	}
	slices.SortFunc(candidates, time.Time.Compare)
	for _, at := range slices.Compact(candidates) {
		w := window{at: at}
		for _, name := range names {
			if !s.Nodes[name].Usable() || !freeFor(busy[name], at, at.Add(length)) {
				continue
			}
			if len(w.nodes) < n {
				w.cores += s.Nodes[name].Cores()
			}
			w.nodes = append(w.nodes, name)
		}
		if len(w.nodes) >= n {
			return w
		}
	}
	return window{cores: coresOf(s, names, n)}
}

// interval is the time between two others.
type interval struct{ from, to time.Time }

// taken lists when a node is reserved. Jobs without precedence do not count:
// they go when somebody else comes.
func taken(n api.NodeStatus, now time.Time) []interval {
	var list []interval
	for _, r := range n.Reservations {
		if r.Queue == "besteffort" {
			continue
		}
		from := r.StartedAt
		if from == 0 {
			from = r.ScheduledAt
		}
		if from == 0 {
			from = now.Unix()
		}
		list = append(list, interval{time.Unix(from, 0), time.Unix(from+r.Walltime, 0)})
	}
	return list
}

// freeFor reports whether nothing lies between two times.
func freeFor(busy []interval, from, to time.Time) bool {
	for _, b := range busy {
		if b.from.Before(to) && from.Before(b.to) {
			return false
		}
	}
	return true
}

// coresOf counts the cores of the first n nodes.
func coresOf(s *api.Status, names []string, n int) int64 {
	var cores int64
	for _, name := range names[:min(n, len(names))] {
		cores += s.Nodes[name].Cores()
	}
	return cores
}

// freeNow lists the nodes that are free between two times.
func freeNow(s *api.Status, from, to time.Time) []string {
	free := []string{}
	for _, name := range slices.SortedFunc(maps.Keys(s.Nodes), api.CompareNodes) {
		if s.Nodes[name].Usable() && freeFor(taken(s.Nodes[name], from), from, to) {
			free = append(free, name)
		}
	}
	return free
}
