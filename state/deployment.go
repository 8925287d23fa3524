package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Deployment is what is recorded of a deployment beside its resources. The top
// level has such a record as well, with the zero name and without flavour,
// pin and nodes.
type Deployment struct {
	Name      addr.Deployment
	UUID      string          // drawn at the first apply; marks everything outside
	Flavour   string          // the flavour's type
	Pin       *Pin            // nil: not pinned
	Params    json.RawMessage // an object, which the composition was evaluated with; nil: none
	Providers map[string]Provider
	Nodes     []Node // sorted by name when written
	Outputs   map[string]Output

	// Original holds, in a copy, the outputs of the deployment it was copied
	// from, for comparison.
	Original map[string]Output
}

// Copy returns a record that can be changed without changing d.
func (d *Deployment) Copy() *Deployment {
	c := *d
	if d.Pin != nil {
		pin := *d.Pin
		c.Pin = &pin
	}
	c.Providers = maps.Clone(d.Providers)
	c.Nodes = slices.Clone(d.Nodes)
	c.Outputs = maps.Clone(d.Outputs)
	c.Original = maps.Clone(d.Original)
	return &c
}

// SetParams records what the composition was evaluated with, a JSON object.
func (d *Deployment) SetParams(raw []byte) (err error) {
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	if d.Params, err = canonical(raw); err != nil {
		return fmt.Errorf("cannot record the composition's params: %w", err)
	}
	if string(d.Params) == "{}" {
		d.Params = nil
	}
	return nil
}

// Node returns the node called name, or nil.
func (d *Deployment) Node(name string) *Node {
	for i := range d.Nodes {
		if d.Nodes[i].Name == name {
			return &d.Nodes[i]
		}
	}
	return nil
}

// Provider is a provider configuration as it was when it was last used. The
// key it is kept under is the configuration's name: "docker", or "docker.lab2".
type Provider struct {
	Location Location
	Config   json.RawMessage // an object, without secrets
	Secrets  []Secret        // what was left out of Config
}

// NewProvider records a provider's configuration. What is sensitive, by a path
// of the list, is left out; seal may be nil.
func NewProvider(l Location, config cty.Value, sensitive []cty.Path, seal *Sealer) (Provider, error) {
	if config.IsNull() || !config.Type().IsObjectType() {
		return Provider{}, fmt.Errorf("a provider's configuration to record is %s", describe(config))
	}
	kept, secrets, err := withhold(config, sensitive, func(p cty.Path, v cty.Value) (string, error) {
		return seal.fingerprint("provider", p, v)
	})
	if err != nil {
		return Provider{}, fmt.Errorf("cannot record the provider's configuration: %w", err)
	}
	raw, err := marshalObject(kept, kept.Type(), nil)
	if err != nil {
		return Provider{}, fmt.Errorf("cannot record the provider's configuration: %w", err)
	}
	return Provider{Location: l, Config: raw, Secrets: secrets}, nil
}

// Value returns the configuration in the type of the provider's schema, null
// where a secret was left out.
func (p Provider) Value(t cty.Type) (cty.Value, error) {
	return unmarshalObject(t, p.Config, nil)
}

// Restore returns config with what was left out taken from want, today's
// configuration, wherever that is the same or cannot be told.
func (p Provider) Restore(config, want cty.Value, seal *Sealer) cty.Value {
	return restore(config, want, p.Secrets, func(path cty.Path, v cty.Value) (string, error) {
		return seal.fingerprint("provider", path, v)
	})
}

// Location says which real thing a provider's configuration points at. Two
// locations are the same when kind and id agree.
type Location struct {
	Kind  string
	ID    string
	Label string // for people
}

// Same reports whether l and o are one place.
func (l Location) Same(o Location) bool { return l.Kind == o.Kind && l.ID == o.ID }

// Pin is the nixpkgs that a deployment was last built with.
type Pin struct {
	Label    string // for people, such as "24.11"
	Revision string
	Hash     string
}

// Node is a node as people see it.
type Node struct {
	Name     string
	Role     string
	Index    int // within its role, from 0
	System   string
	Resource addr.Instance // the resource that it is
	Address  string        // in the deployment's network; "" when it has none
	Context  string        // digest of the context it was given last
}

// Output is an output's value after the last apply.
type Output struct {
	Value     json.RawMessage // left out when sensitive
	Type      json.RawMessage // cty's notation
	Sensitive bool
}

// NewOutput records an output. A sensitive one keeps only its type.
func NewOutput(v cty.Value, sensitive bool) (Output, error) {
	v, marks := v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return Output{}, fmt.Errorf("an output is not known")
	}
	typ, err := ctyjson.MarshalType(v.Type())
	if err != nil {
		return Output{}, fmt.Errorf("cannot record the output's type: %w", err)
	}
	out := Output{Type: typ, Sensitive: sensitive || len(marks) > 0}
	if out.Sensitive {
		return out, nil
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return Output{}, fmt.Errorf("cannot record the output: %w", err)
	}
	out.Value, err = canonical(raw)
	return out, err
}

// Cty returns the output's value. A sensitive one is unknown: it was left out.
func (o Output) Cty() (cty.Value, error) {
	t, err := ctyjson.UnmarshalType(o.Type)
	if err != nil {
		return cty.NilVal, fmt.Errorf("the output's recorded type does not make sense: %w", err)
	}
	if o.Sensitive {
		return cty.UnknownVal(t), nil
	}
	v, err := ctyjson.Unmarshal(o.Value, t)
	if err != nil {
		return cty.NilVal, fmt.Errorf("the output's recorded value is not of its type: %w", err)
	}
	return v, nil
}
