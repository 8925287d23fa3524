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
			w.nodes = append(w.nodes, name)
		}
		if len(w.nodes) >= n {
			return w
		}
	}
	return window{}
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

// mostCores counts the cores of n nodes at most: all are taken for as large as
// the largest, so that the number stays the same when one of them goes down,
// which has none then.
func mostCores(s *api.Status, n int) int64 {
	var largest int64
	for _, node := range s.Nodes {
		largest = max(largest, node.Cores())
	}
	return int64(n) * largest
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
