package oar

import "time"

// span is a time in which an allocation is taken.
type span struct {
	from, until time.Time
	taken       allocation
	owner       *Job
}

// fitter finds resources for a request in one span of time.
type fitter struct {
	resources []*Resource
	free      func(place int) slots
}

// fit chooses resources for all groups, the first that are free in the order
// of the database. The bool says whether there are enough.
func (f fitter) fit(r request, job condition) (allocation, bool) {
	chosen := allocation{}
	for _, g := range r.groups {
		within := fitter{f.resources, func(place int) slots { return f.free(place).without(chosen[place]) }}
		got, ok := within.levels(g.levels, f.candidates(g, job))
		if !ok {
			return nil, false
		}
		for place, s := range got {
			chosen[place] = chosen[place].or(s)
		}
	}
	return chosen, true
}

// candidates are the resources that a group may take. A group that names no
// type means nodes, and only nodes have what a job's own properties say.
func (f fitter) candidates(g group, job condition) allocation {
	kind := g.kind()
	found := allocation{}
	for place, r := range f.resources {
		if (kind == "" || r.Kind == kind) && g.filter(r.Properties) && (r.Kind != "default" || job(r.Properties)) {
			found[place] = firstSlots(r.Slots)
		}
	}
	return found
}

// kind is the type of resource that the group's first level implies; the empty
// one is left to the filter.
func (g group) kind() string {
	switch property := g.levels[0].property; property {
	case "vlan":
		return ""
	case "disk":
		return "disk"
	case "slash_16", "slash_17", "slash_18", "slash_19", "slash_20", "slash_21", "slash_22":
		return "subnet"
	}
	for _, l := range g.levels {
		if l.property == "disk" {
			return "disk"
		}
	}
	return "default"
}

// levels chooses within candidates what the levels say; without a level all
// of the candidates are wanted.
func (f fitter) levels(levels []level, candidates allocation) (allocation, bool) {
	if len(levels) == 0 {
		for place, s := range candidates {
			if f.free(place).and(s) != s {
				return nil, false
			}
		}
		return candidates, len(candidates) > 0
	}
	l := levels[0]
	chosen, found := allocation{}, 0
	parts := f.split(l.property, candidates)
	for _, part := range parts {
		if l.count > 0 && found == l.count {
			break
		}
		got, ok := f.levels(levels[1:], part)
		if !ok {
			if l.count == all {
				return nil, false
			}
			continue
		}
		found++
		for place, s := range got {
			chosen[place] = chosen[place].or(s)
		}
	}
	if l.count > 0 {
		return chosen, found == l.count
	}
	return chosen, found > 0
}

// split divides candidates by a property, in the order of the database.
func (f fitter) split(property string, candidates allocation) []allocation {
	var parts []allocation
	index := map[string]int{}
	put := func(key string, place int, s slots) {
		i, ok := index[key]
		if !ok {
			i = len(parts)
			index[key] = i
			parts = append(parts, allocation{})
		}
		parts[i][place] = parts[i][place].or(s)
	}
	for _, place := range candidates.places() {
		r, s := f.resources[place], candidates[place]
		switch property {
		case "core", "cpu":
			for _, slot := range s.list() {
				var one slots
				one.add(slot)
				part := slot
				if property == "cpu" {
					part = slot * max(r.CPUs, 1) / r.Slots
				}
				put(r.Name+"/"+string(rune(part)), place, one)
			}
		case "host", "cluster", "switch", "chassis":
			put(r.Properties[property], place, s)
		default: // a vlan, a disk, a subnet
			put(r.Name, place, s)
		}
	}
	return parts
}
