package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// RoleSpec says how many nodes a role has: Names when not nil, else what
// remains when Rest, else Count.
type RoleSpec struct {
	Count int
	Names []string
	Rest  bool
	Min   int       // with Rest: at least so many
	Range hcl.Range // where it is written
}

// RoleNodes are the nodes of one role.
type RoleNodes struct {
	Role  string
	Names []string // in order; more may come with Rest
	Rest  bool
	Min   int
}

// Nodes names the nodes of each role, sorted by role. specs, from the
// configuration, win over distribution, which the composition itself gives: a
// number or a list of names. A role that neither mentions is one node. known
// are the roles that the composition has.
func (c *Config) Nodes(composition *Composition, specs map[string]RoleSpec, known []string, distribution map[string]json.RawMessage) ([]RoleNodes, hcl.Diagnostics) {
	n := &nodeNamer{composition: composition, specs: specs, takenBy: map[string]string{}}
	for _, role := range slices.Sorted(maps.Keys(specs)) {
		if !slices.Contains(known, role) {
			n.diags = append(n.diags, errorAt(specs[role].Range, "Unknown role", "Composition %q has no role %q; it has %s.%s", composition.Name, role, listed(known), DidYouMean(role, known)))
		}
	}
	var all []RoleNodes
	for _, role := range slices.Sorted(slices.Values(known)) {
		spec, ok := specs[role]
		if !ok {
			spec, ok = n.distributed(role, distribution[role])
		}
		if ok {
			all = append(all, n.name(role, spec))
		}
	}
	return all, n.diags
}

// nodeNamer names nodes and finds names that are taken twice.
type nodeNamer struct {
	composition *Composition
	specs       map[string]RoleSpec
	takenBy     map[string]string // node to role
	rest        string            // the role that takes what remains
	diags       hcl.Diagnostics
}

// distributed reads what the composition says of a role.
func (n *nodeNamer) distributed(role string, raw json.RawMessage) (RoleSpec, bool) {
	origin := n.composition.Source
	if origin == nil {
		origin = n.composition.Flake
	}
	spec := RoleSpec{Count: 1, Range: origin.Expr.Range()}
	if len(raw) == 0 || string(raw) == "null" {
		return spec, true
	}
	if json.Unmarshal(raw, &spec.Count) == nil {
		if spec.Count >= 0 {
			return spec, true
		}
	} else if json.Unmarshal(raw, &spec.Names) == nil {
		return spec, true
	}
	n.diags = append(n.diags, errorAt(spec.Range, "Not a number of nodes", "The composition's rolesDistribution gives role %q %s. It must be a whole number from 0 or a list of names.", role, raw))
	return spec, false
}

func (n *nodeNamer) name(role string, spec RoleSpec) RoleNodes {
	nodes := RoleNodes{Role: role, Names: spec.Names, Rest: spec.Rest, Min: spec.Min}
	switch {
	case spec.Rest && n.rest != "":
		n.diags = append(n.diags, errorAt(spec.Range, "Two roles take the rest", "Roles %q and %q both take the nodes that remain; one can.", n.rest, role))
	case spec.Rest:
		n.rest = role
	case spec.Names == nil:
		nodes.Names = addr.NodeNames(role, spec.Count)
	}
	for _, name := range nodes.Names {
		n.take(name, role, spec)
	}
	return nodes
}

// take reports a name that cannot be, or that another node has.
func (n *nodeNamer) take(name, role string, spec RoleSpec) {
	if !addr.ValidNodeName(name) {
		n.diags = append(n.diags, errorAt(spec.Range, "Not a node name", "%q, of role %q, cannot name a node: a node's name is also its host name, up to 63 letters, digits, \"-\" and \"_\" that begins and ends with a letter or digit.", name, role))
		return
	}
	other, taken := n.takenBy[name]
	if !taken {
		n.takenBy[name] = role
		return
	}
	why, at := fmt.Sprintf("roles %q and %q both have it", other, role), spec.Range
	if other == role {
		why = fmt.Sprintf("role %q lists it twice", role)
	}
	if written, ok := n.specs[other]; ok {
		at = written.Range // rather than in the composition's own distribution
	}
	n.diags = append(n.diags, errorAt(at, "Node named twice", "Two nodes would be called %q: %s. Several nodes of a role are numbered from 1; a list gives them other names: %s = [\"first\", \"second\"].", name, why, role))
}
