package nix

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// ManifestDiff is what changes from one manifest to another. All lists are in
// the order of their names.
type ManifestDiff struct {
	Packages     []Change // From and To are versions
	Units        []Change // From and To are hashes
	Etc          []Change // From and To are hashes
	Kernel       *Change  // From and To are name and version
	KernelParams []Change
	Users        []Change
	Options      []Change // From and To are JSON
}

// Change is one thing that is added, removed or becomes something else.
type Change struct {
	Name     string
	Action   ChangeAction
	From, To string
}

// ChangeAction says what happens to a thing.
type ChangeAction string

// The actions of a Change.
const (
	Added   ChangeAction = "added"
	Removed ChangeAction = "removed"
	Changed ChangeAction = "changed"
)

// Diff compares two manifests.
func Diff(before, after Manifest) ManifestDiff {
	d := ManifestDiff{
		Packages: diffPackages(before.Packages, after.Packages),
		Units:    diffMaps(before.Units, after.Units),
		Etc:      diffMaps(before.Etc, after.Etc),
		Users:    diffSets(before.Users, after.Users),
		Options:  diffMaps(compactJSON(before.Options), compactJSON(after.Options)),
	}
	if from, to := before.Kernel.String(), after.Kernel.String(); from != to {
		d.Kernel = &Change{Name: "kernel", Action: action(before.Kernel != nil, after.Kernel != nil), From: from, To: to}
	}
	d.KernelParams = diffSets(before.Kernel.params(), after.Kernel.params())
	return d
}

// DiffValues compares values by name, in the order of the names. From and To
// are JSON.
func DiffValues(before, after map[string]json.RawMessage) []Change {
	return diffMaps(compactJSON(before), compactJSON(after))
}

func (k *Kernel) params() []string {
	if k == nil {
		return nil
	}
	return k.Params
}

// Empty reports whether nothing that a manifest records differs. Systems whose
// paths differ can still have equal manifests.
func (d ManifestDiff) Empty() bool {
	return len(d.Packages) == 0 && len(d.Units) == 0 && len(d.Etc) == 0 && d.Kernel == nil &&
		len(d.KernelParams) == 0 && len(d.Users) == 0 && len(d.Options) == 0
}

// String describes the difference in one line, such as
// "nginx 1.26.1 -> 1.26.2, +curl 8.9.1, ~nginx.service".
func (d ManifestDiff) String() string { return strings.Join(d.parts(), ", ") }

// Brief is the same with the first of many differences, and how many more there
// are.
func (d ManifestDiff) Brief(most int) (text string, more int) {
	parts := d.parts()
	shown := min(len(parts), most)
	return strings.Join(parts[:shown], ", "), len(parts) - shown
}

func (d ManifestDiff) parts() []string {
	var parts []string
	for _, c := range slices.Concat(ofAction(d.Packages, Changed), ofAction(d.Packages, Added), ofAction(d.Packages, Removed)) {
		parts = append(parts, c.withVersions())
	}
	if d.Kernel != nil {
		parts = append(parts, d.Kernel.withVersions())
	}
	for _, c := range d.KernelParams {
		parts = append(parts, c.sign()+"kernel parameter "+c.Name)
	}
	for _, c := range d.Units {
		parts = append(parts, c.sign()+c.Name)
	}
	for _, c := range d.Etc {
		parts = append(parts, c.sign()+"/etc/"+strings.TrimPrefix(c.Name, "/"))
	}
	for _, c := range d.Users {
		parts = append(parts, c.sign()+"user "+c.Name)
	}
	for _, c := range d.Options {
		parts = append(parts, c.withVersions())
	}
	return parts
}

// sign is what a diff puts before a line.
func (c Change) sign() string {
	switch c.Action {
	case Added:
		return "+"
	case Removed:
		return "-"
	}
	return "~"
}

// withVersions describes a change whose From and To a person can read.
func (c Change) withVersions() string {
	switch c.Action {
	case Added:
		return "+" + joinVersion(c.Name, c.To)
	case Removed:
		return "-" + joinVersion(c.Name, c.From)
	}
	return c.Name + " " + cmp.Or(c.From, "(none)") + " -> " + cmp.Or(c.To, "(none)")
}

func ofAction(changes []Change, a ChangeAction) []Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return c.Action != a })
}

func action(before, after bool) ChangeAction {
	switch {
	case !before:
		return Added
	case !after:
		return Removed
	}
	return Changed
}

// diffPackages compares packages by name. A system may hold several versions
// of one; only a single version that becomes another is a change.
func diffPackages(old, now []Package) []Change {
	before, after := versions(old), versions(now)
	var out []Change
	for _, name := range unionKeys(before, after) {
		from, to := without(before[name], after[name]), without(after[name], before[name])
		if len(from) == 1 && len(to) == 1 {
			out = append(out, Change{Name: name, Action: Changed, From: from[0], To: to[0]})
			continue
		}
		for _, version := range from {
			out = append(out, Change{Name: name, Action: Removed, From: version})
		}
		for _, version := range to {
			out = append(out, Change{Name: name, Action: Added, To: version})
		}
	}
	return out
}

// versions lists the versions of each package, sorted.
func versions(packages []Package) map[string][]string {
	out := map[string][]string{}
	for _, p := range packages {
		if !slices.Contains(out[p.Name], p.Version) {
			out[p.Name] = append(out[p.Name], p.Version)
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// without returns the elements of list that are not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func diffMaps(old, now map[string]string) []Change {
	var out []Change
	for _, name := range unionKeys(old, now) {
		from, before := old[name]
		to, after := now[name]
		if before && after && from == to {
			continue
		}
		out = append(out, Change{Name: name, Action: action(before, after), From: from, To: to})
	}
	return out
}

func diffSets(old, now []string) []Change {
	set := func(list []string) map[string]string {
		out := map[string]string{}
		for _, s := range list {
			out[s] = ""
		}
		return out
	}
	return diffMaps(set(old), set(now))
}

// compactJSON writes values so that equal ones have equal texts.
func compactJSON(values map[string]json.RawMessage) map[string]string {
	out := map[string]string{}
	for name, raw := range values {
		var value any
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber()
		text := []byte(raw)
		if decoder.Decode(&value) == nil {
			if sorted, err := json.Marshal(value); err == nil {
				text = sorted
			}
		}
		out[name] = string(text)
	}
	return out
}

func unionKeys[V any](a, b map[string]V) []string {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return slices.Sorted(maps.Keys(keys))
}
