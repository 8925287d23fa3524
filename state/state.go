// Package state remembers what exists: which deployments there are, where they
// run, and every object that nxc made for them.
//
// It holds the model, its file format (one codec a format version), the
// journal that a running command writes, the locks, and the question whose a
// state is. A Store is a state in a folder; a Session is one command that
// changes it, and nothing is changed outside a Session, so that every change
// is in the journal before and after it happens.
//
// The package compares and merges what it is given. It asks no provider
// anything: what a dead command left behind it hands out as open intents, and
// the conductor finds out what became of them. It stores no secret.
package state

import (
	"maps"
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
)

// State is everything that one workspace of one configuration has.
//
// What it holds is never changed in place: a *Resource or *Deployment that is
// in a State stays as it is, and a change puts another one in. So a Clone
// shares them, and costs two maps.
type State struct {
	Lineage string    // drawn once; the same in every copy that git makes
	Owner   string    // hash of the owner's token, see Ownership; "" before the first apply
	Open    []Command // commands that run, or died; sorted by journal

	deployments map[addr.Deployment]*Deployment
	resources   map[addr.Deployment]map[addr.Instance]*Resource
}

// Command is a running command as the state file shows it to others, a clone
// elsewhere included.
type Command struct {
	Journal     string // the journal's name, unique
	Deployments []addr.Deployment
	Command     string // such as "nxc apply"; not its arguments, which may be secret
	User        string
	Host        string
	PID         int
}

// New returns an empty state with a lineage of its own.
func New() *State {
	return &State{Lineage: NewUUID()}
}

// Deployment returns the record of d, or nil. The top level has one as well,
// under the zero name, once it was applied.
func (s *State) Deployment(d addr.Deployment) *Deployment { return s.deployments[d] }

// Deployments returns all records, the top level's first.
func (s *State) Deployments() []*Deployment {
	all := slices.Collect(maps.Values(s.deployments))
	slices.SortFunc(all, func(a, b *Deployment) int { return a.Name.Compare(b.Name) })
	return all
}

// SetDeployment puts a record in, in place of the one with its name. The
// record must not be changed afterwards.
func (s *State) SetDeployment(d *Deployment) {
	if s.deployments == nil {
		s.deployments = map[addr.Deployment]*Deployment{}
	}
	s.deployments[d.Name] = d
}

// RemoveDeployment takes a record out. Its resources must go as well.
func (s *State) RemoveDeployment(d addr.Deployment) { delete(s.deployments, d) }

// Resource returns the resource at a, or nil.
func (s *State) Resource(a addr.Instance) *Resource { return s.resources[a.Deployment][a] }

// SetResource puts a resource in, in place of the one at its address. The
// resource must not be changed afterwards.
func (s *State) SetResource(r *Resource) {
	if s.resources == nil {
		s.resources = map[addr.Deployment]map[addr.Instance]*Resource{}
	}
	in := s.resources[r.Address.Deployment]
	if in == nil {
		in = map[addr.Instance]*Resource{}
		s.resources[r.Address.Deployment] = in
	}
	in[r.Address] = r
}

// RemoveResource takes the resource at a out, deposed objects included.
func (s *State) RemoveResource(a addr.Instance) {
	in := s.resources[a.Deployment]
	delete(in, a)
	if len(in) == 0 {
		delete(s.resources, a.Deployment)
	}
}

// Resources returns all resources, sorted by address.
func (s *State) Resources() []*Resource {
	all := make([]*Resource, 0, s.Len())
	for _, d := range s.inhabited() {
		all = append(all, s.ResourcesOf(d)...)
	}
	return all
}

// ResourcesOf returns the resources of one deployment, sorted by address.
func (s *State) ResourcesOf(d addr.Deployment) []*Resource {
	all := slices.Collect(maps.Values(s.resources[d]))
	slices.SortFunc(all, func(a, b *Resource) int { return a.Address.Compare(b.Address) })
	return all
}

// Len returns the number of resources.
func (s *State) Len() int {
	n := 0
	for _, in := range s.resources {
		n += len(in)
	}
	return n
}

// IsEmpty reports whether s has neither a deployment nor a resource.
func (s *State) IsEmpty() bool { return len(s.deployments) == 0 && len(s.resources) == 0 }

// providersOf returns the names of the provider configurations that a
// deployment's objects came from.
func (s *State) providersOf(d addr.Deployment) []string {
	names := map[string]bool{}
	for _, r := range s.resources[d] {
		if r.Exists() {
			names[r.Provider] = true
		}
		for i := range r.Deposed {
			names[r.Deposed[i].Provider] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Names returns the deployments that have a record or a resource, the top
// level first.
func (s *State) Names() []addr.Deployment {
	names := s.inhabited()
	for d := range s.deployments {
		if s.resources[d] == nil {
			names = append(names, d)
		}
	}
	slices.SortFunc(names, addr.Deployment.Compare)
	return names
}

// Clone returns a state that can be changed without changing s.
func (s *State) Clone() *State {
	c := &State{Lineage: s.Lineage, Owner: s.Owner, Open: slices.Clone(s.Open)}
	c.deployments = maps.Clone(s.deployments)
	if s.resources != nil {
		c.resources = make(map[addr.Deployment]map[addr.Instance]*Resource, len(s.resources))
		for d, in := range s.resources {
			c.resources[d] = maps.Clone(in)
		}
	}
	return c
}

// take replaces everything that s has of d by what o has. The resources' map
// is shared afterwards: neither may be changed any more.
func (s *State) take(d addr.Deployment, o *State) {
	delete(s.deployments, d)
	if record := o.deployments[d]; record != nil {
		s.SetDeployment(record)
	}
	delete(s.resources, d)
	if in := o.resources[d]; len(in) > 0 {
		if s.resources == nil {
			s.resources = map[addr.Deployment]map[addr.Instance]*Resource{}
		}
		s.resources[d] = in
	}
}

// same reports whether s and o say the same of a deployment. States that come
// from one another share what did not change, and that is quick to see.
func (s *State) same(o *State, d addr.Deployment) bool {
	a, b := s.resources[d], o.resources[d]
	if s.deployments[d] != o.deployments[d] || len(a) != len(b) {
		return s.Hash(d) == o.Hash(d)
	}
	for at, r := range a {
		if b[at] != r {
			return s.Hash(d) == o.Hash(d)
		}
	}
	return true
}

// openMark returns the position of a journal's line in s.Open, or -1.
func (s *State) openMark(journal string) int {
	return slices.IndexFunc(s.Open, func(c Command) bool { return c.Journal == journal })
}

func (s *State) inhabited() []addr.Deployment {
	return slices.SortedFunc(maps.Keys(s.resources), addr.Deployment.Compare)
}
