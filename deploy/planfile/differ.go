package planfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Differences says, a line each and for people, how what is planned now
// differs from what was saved. What was only told is not compared: notices,
// what is inside of systems, and who takes no part.
func Differences(saved, now *Record) ([]string, error) {
	var d differ
	d.plain("what moved, removed and import blocks ask for", saved.Rearranges, now.Rearranges)
	d.deployments(saved.Deployments, now.Deployments)
	compare(&d, saved.Drift, now.Drift, func(x *Drift) string { return x.Address + deposed(x.Deposed) + ", outside nxc" }, nil)
	compare(&d, saved.Changes, now.Changes, func(x *Change) string { return x.Address + deposed(x.Deposed) }, d.change)
	compare(&d, saved.Outputs, now.Outputs, func(x *Output) string {
		return strings.TrimSpace("output " + x.Name + " " + x.Deployment)
	}, nil)
	return d.lines, d.err
}

func deposed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (old object %d)", n)
}

type differ struct {
	lines []string
	err   error
}

func (d *differ) same(a, b any) bool {
	left, err := canonical(a)
	if err != nil {
		d.err = err
	}
	right, err := canonical(b)
	if err != nil {
		d.err = err
	}
	return bytes.Equal(left, right)
}

// canonical is JSON whose members are sorted, also in what is kept raw.
func canonical(v any) ([]byte, error) {
	raw, err := compact(v)
	if err != nil {
		return nil, err
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return compact(tree)
}

func (d *differ) plain(what string, saved, now any) {
	if !d.same(saved, now) {
		d.lines = append(d.lines, what+" is different now")
	}
}

// compare goes through two lists by name. explain, where there is one, says
// what differs between two of one name.
func compare[T any](d *differ, saved, now []T, name func(*T) string, explain func(name string, saved, now *T)) {
	index := make(map[string]*T, len(now))
	for i := range now {
		index[name(&now[i])] = &now[i]
	}
	for i := range saved {
		n := name(&saved[i])
		other := index[n]
		switch {
		case other == nil:
			d.lines = append(d.lines, n+": nothing is planned any more")
		case d.same(&saved[i], other):
		case explain != nil:
			explain(n, &saved[i], other)
		default:
			d.lines = append(d.lines, n+": is different now")
		}
	}
	before := make(map[string]bool, len(saved))
	for i := range saved {
		before[name(&saved[i])] = true
	}
	for i := range now {
		if n := name(&now[i]); !before[n] {
			d.lines = append(d.lines, n+": was not part of the plan")
		}
	}
}

// change says how what becomes of an object differs.
func (d *differ) change(name string, saved, now *Change) {
	if saved.Action != now.Action {
		d.lines = append(d.lines, fmt.Sprintf("%s: was to %s, and is to %s now", name, does(saved.Action), does(now.Action)))
		return
	}
	var parts []string
	for _, of := range []struct {
		what       string
		saved, now *Value
	}{{"what is there", saved.Before, now.Before}, {"what it becomes", saved.After, now.After}} {
		if d.same(of.saved, of.now) {
			continue
		}
		text := of.what
		if names := attributes(of.saved, of.now); len(names) > 0 {
			text += " (" + strings.Join(names, ", ") + ")"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		parts = []string{"why, or in which order"}
	}
	d.lines = append(d.lines, fmt.Sprintf("%s: %s, is different now", name, strings.Join(parts, " and ")))
}

func does(action string) string {
	switch action {
	case "create", "update", "replace", "delete":
		return "be " + strings.TrimSuffix(action, "e") + "ed"
	}
	return "be " + action
}

// attributes names the attributes in which two objects differ.
func attributes(a, b *Value) []string {
	var left, right map[string]json.RawMessage
	if a != nil {
		_ = json.Unmarshal(a.JSON, &left) // what is no object has no attributes
	}
	if b != nil {
		_ = json.Unmarshal(b.JSON, &right)
	}
	var names []string
	for name, v := range left {
		if other, has := right[name]; !has || !bytes.Equal(squeezed(v), squeezed(other)) {
			names = append(names, name)
		}
	}
	for name := range right {
		if _, has := left[name]; !has {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// squeezed is a raw value in one spelling: what a file holds is indented.
func squeezed(raw json.RawMessage) []byte {
	v, err := canonical(raw)
	if err != nil {
		return raw
	}
	return v
}

// deployments says how deployments differ, in a role's words where it is one.
func (d *differ) deployments(saved, now []Deployment) {
	compare(d, saved, now, func(x *Deployment) string { return x.Name }, func(name string, saved, now *Deployment) {
		a, b := *saved, *now
		if !d.same(a.Location, b.Location) {
			d.lines = append(d.lines, name+": its provider points at another place now")
		}
		compare(d, a.Roles, b.Roles, func(r *Role) string { return name + ", role " + r.Name }, func(role string, _, _ *Role) {
			d.lines = append(d.lines, role+": has another system now")
		})
		a.Location, b.Location, a.Roles, b.Roles = nil, nil, nil, nil
		a.Systems, b.Systems = untold(a.Systems), untold(b.Systems)
		d.plain(name, a, b)
	})
}

func untold(list []Changed) []Changed {
	list = slices.Clone(list)
	for i := range list {
		list[i].Told = nil
	}
	return list
}
