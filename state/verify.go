package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
)

// InvariantError is everything that Verify finds wrong.
type InvariantError struct{ Problems []Problem }

// Problem is one thing that is wrong in a state, and where.
type Problem struct {
	Where  string // an address, a deployment, or "open"
	Detail string
}

// Error lists the problems, one a line when there are several.
func (e *InvariantError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Where + ": " + p.Detail
	}
	if len(lines) == 1 {
		return "the state contradicts itself: " + lines[0] + "; " + invariantRemedy
	}
	return "the state contradicts itself:\n  " + strings.Join(lines, "\n  ") + "\n" + invariantRemedy
}

const invariantRemedy = "nothing was written; after a merge, correct the file by hand, or bring a good one back with git or from .nxc/backup"

// Verify checks that the state makes sense as a whole: that every deployment
// has an identity, every object a deployment and a provider that are recorded,
// every dependency is there and none leads back to itself, and the open marks
// are whole. It returns an *InvariantError.
func (s *State) Verify() error { return s.verify(true) }

// verify is Verify, and, without across, what is checked before each write:
// there a dependency on another deployment may lead nowhere. Who removes
// something has not locked all who once were built on it; their own next
// command forgets it, see mend.
func (s *State) verify(across bool) error {
	v := &verifier{state: s, all: s.Resources(), there: thereIn(s), across: across}
	if s.Lineage == "" {
		v.add("lineage", "there is none")
	}
	v.open()
	v.deployments()
	v.resources()
	if len(v.problems) == 0 {
		v.cycles()
	}
	if len(v.problems) > 0 {
		return &InvariantError{Problems: v.problems}
	}
	return nil
}

type verifier struct {
	state    *State
	all      []*Resource // sorted
	there    there
	across   bool
	problems []Problem
}

func (v *verifier) add(where, format string, args ...any) {
	v.problems = append(v.problems, Problem{Where: where, Detail: fmt.Sprintf(format, args...)})
}

func (v *verifier) open() {
	seen := map[string]bool{}
	for _, c := range v.state.Open {
		switch {
		case c.Journal == "" || strings.ContainsAny(c.Journal, "/\\") || c.Journal[0] == '.':
			v.add("open", "%q is not a journal's name", c.Journal)
		case seen[c.Journal]:
			v.add("open", "the journal %s stands there twice", c.Journal)
		case c.Host == "" || c.PID <= 0:
			v.add("open", "the journal %s does not say who writes it", c.Journal)
		}
		seen[c.Journal] = true
	}
}

func (v *verifier) deployments() {
	uuids := map[string]addr.Deployment{}
	for _, d := range v.state.Deployments() {
		where := deploymentName(d.Name)
		if (d.Name.Composition == "") != (d.Name.Flavour == "") {
			v.add(where, "the name lacks a part")
		}
		if d.UUID == "" {
			v.add(where, "it has no uuid")
		} else if other, taken := uuids[d.UUID]; taken {
			v.add(where, "it has the uuid of %s", deploymentName(other))
		}
		uuids[d.UUID] = d.Name
		names := map[string]bool{}
		for _, n := range d.Nodes {
			if names[n.Name] {
				v.add(where, "two nodes are called %q", n.Name)
			}
			names[n.Name] = true
			if n.Resource.Deployment != d.Name {
				v.add(where, "node %q is a resource of another deployment: %s", n.Name, n.Resource)
			}
		}
	}
}

func (v *verifier) resources() {
	for _, r := range v.all {
		where := r.Address.String()
		if back, err := addr.Parse(where); err != nil || back != r.Address {
			v.add(where, "this is no address of a resource")
		}
		if v.state.Deployment(r.Address.Deployment) == nil {
			v.add(where, "its deployment %s is not recorded", deploymentName(r.Address.Deployment))
			continue
		}
		if !r.Exists() && len(r.Deposed) == 0 {
			v.add(where, "there is no object")
		}
		attempts := map[string]bool{}
		if r.Exists() {
			v.incarnation(where, r.Address, &r.Incarnation, attempts)
		}
		for i := range r.Deposed {
			v.incarnation(where+" (deposed)", r.Address, &r.Deposed[i], attempts)
		}
	}
}

func (v *verifier) incarnation(where string, at addr.Instance, i *Incarnation, attempts map[string]bool) {
	if _, known := v.state.Deployment(at.Deployment).Providers[i.Provider]; !known {
		v.add(where, "its provider %q is not recorded in its deployment", i.Provider)
	}
	if i.Attempt != "" && attempts[i.Attempt] {
		v.add(where, "attempt %s made two objects", i.Attempt)
	}
	attempts[i.Attempt] = true
	for n, a := range i.Dependencies {
		if !spellable(a) {
			v.add(where, "it depends on %q, which is no address", a.String())
		}
		if (v.across || a.Deployment == at.Deployment) && !v.there.has(a) {
			v.add(where, "it depends on %s, which does not exist", a)
		}
		if slices.Contains(i.Dependencies[:n], a) {
			v.add(where, "it depends on %s twice", a)
		}
	}
}

// spellable reports whether what is written of an address is read as the same.
func spellable(a addr.Instance) bool {
	back, err := addr.ParseBlock(a.String())
	return err == nil && back == a
}

// cycles looks for a resource that depends on itself by way of others.
func (v *verifier) cycles() {
	cycle := v.there.cycle(v.all)
	if cycle == nil {
		return
	}
	var names []string
	for _, a := range append(cycle, cycle[0]) {
		names = append(names, a.String())
	}
	v.add(names[0], "it depends on itself: %s", strings.Join(names, " -> "))
}
