package deploy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/state"
)

// Comparison is what differs between two states.
type Comparison struct {
	Deployments []DeploymentChange
	Added       []addr.Instance // objects of the top level
	Removed     []addr.Instance
}

// Empty reports whether nothing differs that a comparison looks at.
func (c Comparison) Empty() bool {
	return len(c.Deployments)+len(c.Added)+len(c.Removed) == 0
}

// DeploymentChange is one deployment that is not the same in both.
type DeploymentChange struct {
	Name         addr.Deployment
	Action       nix.ChangeAction
	OldPin, Pin  string       // nixpkgs, for people; equal when it stays
	Params       []nix.Change // parameters of the composition; From and To are JSON
	NodesAdded   []string     // names
	NodesRemoved []string
	Roles        []RoleChange // roles that both have, with other systems
}

// CompareOptions say where to look for what two states speak of.
type CompareOptions struct {
	Folder string   // .nxc, with the manifests of what was deployed from here
	Nix    *nix.Nix // nil: only manifests are compared
}

// Compare says what differs between two states: deployments, nodes, and what is
// in the systems of their roles. Systems are compared by their manifests where
// both were deployed from here, and by their closures where both are in the
// store. What is known in neither way is said to be unknown.
func Compare(ctx context.Context, old, now *state.State, o CompareOptions) Comparison {
	var c Comparison
	names := slices.Concat(old.Names(), now.Names())
	slices.SortFunc(names, addr.Deployment.Compare)
	for _, name := range slices.Compact(names) {
		if name.IsTop() {
			c.Added = addresses(now, old)
			c.Removed = addresses(old, now)
			continue
		}
		if change, differs := o.deployment(ctx, name, old.Deployment(name), now.Deployment(name)); differs {
			c.Deployments = append(c.Deployments, change)
		}
	}
	return c
}

// addresses lists the objects of the top level that only one state has.
func addresses(s, other *state.State) []addr.Instance {
	var list []addr.Instance
	for _, r := range s.ResourcesOf(addr.Deployment{}) {
		if other.Resource(r.Address) == nil {
			list = append(list, r.Address)
		}
	}
	return list
}

func (o CompareOptions) deployment(ctx context.Context, name addr.Deployment, old, now *state.Deployment) (DeploymentChange, bool) {
	change := DeploymentChange{Name: name, Action: nix.Changed, OldPin: pinText(old), Pin: pinText(now)}
	switch {
	case old == nil && now == nil:
		return change, false
	case old == nil:
		change.Action, change.NodesAdded = nix.Added, newNodes(now, nil)
		return change, true
	case now == nil:
		change.Action, change.NodesRemoved = nix.Removed, newNodes(old, nil)
		return change, true
	}
	change.NodesAdded, change.NodesRemoved = newNodes(now, old), newNodes(old, now)
	change.Params = nix.DiffValues(paramsOf(old), paramsOf(now))
	before, after := systemsOf(old), systemsOf(now)
	for _, role := range sortedKeys(after) {
		if was, both := before[role]; both && was != after[role] {
			change.Roles = append(change.Roles, o.system(ctx, role, was, after[role]))
		}
	}
	differs := change.OldPin != change.Pin || len(change.Params)+len(change.NodesAdded)+len(change.NodesRemoved)+len(change.Roles) > 0
	return change, differs
}

func (o CompareOptions) system(ctx context.Context, role, was, now string) RoleChange {
	c := RoleChange{Role: role, Old: was, New: now, Size: Sizes{Old: -1, New: -1}}
	before, hadManifest := readManifest(o.Folder, was)
	after, hasManifest := readManifest(o.Folder, now)
	if hadManifest && hasManifest {
		c.Known, c.Diff = true, nix.Diff(before, after)
	}
	if o.Nix != nil {
		c.compareClosures(ctx, o.Nix)
	}
	return c
}

// compareClosures fills in sizes, and what differs between both closures, as
// far as they are in the store.
func (c *RoleChange) compareClosures(ctx context.Context, n *nix.Nix) {
	old, err := n.Closure(ctx, c.Old)
	if err == nil {
		c.Size.Old = old.Size
	}
	now, more := n.Closure(ctx, c.New)
	if more == nil {
		c.Size.New = now.Size
	}
	if err == nil && more == nil {
		c.ClosureKnown, c.Closure = true, nix.DiffClosures(old, now)
	}
}

// readManifest reads what was recorded of a system when it was deployed.
func readManifest(folder, system string) (m nix.Manifest, ok bool) {
	content, err := os.ReadFile(filepath.Join(folder, "manifests", filepath.Base(system)+".json"))
	if err != nil {
		return m, false
	}
	return m, json.Unmarshal(content, &m) == nil
}

func pinText(d *state.Deployment) string {
	if d == nil || d.Pin == nil {
		return ""
	}
	return strings.TrimSpace(d.Pin.Label + " " + d.Pin.Revision)
}

// paramsOf returns the parameters that a deployment was evaluated with.
func paramsOf(d *state.Deployment) map[string]json.RawMessage {
	params := map[string]json.RawMessage{}
	if len(d.Params) > 0 && json.Unmarshal(d.Params, &params) != nil {
		return nil // never written by nxc
	}
	return params
}

// newNodes lists the nodes of d that other lacks.
func newNodes(d, other *state.Deployment) []string {
	var names []string
	for _, n := range d.Nodes {
		if other == nil || !slices.ContainsFunc(other.Nodes, func(o state.Node) bool { return o.Name == n.Name }) {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

func systemsOf(d *state.Deployment) map[string]string {
	systems := map[string]string{}
	for _, n := range d.Nodes {
		systems[n.Role] = n.System
	}
	return systems
}
