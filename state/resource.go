package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Resource is what exists at one address: the current object, and those that
// were replaced before they could be deleted.
type Resource struct {
	Address     addr.Instance
	Incarnation               // the current object; without provider when there is none
	Deposed     []Incarnation // in the order in which they were deposed
}

// Exists reports whether there is a current object, and not only deposed ones.
func (r *Resource) Exists() bool { return r.Provider != "" }

// Copy returns a resource that can be changed without changing r.
func (r *Resource) Copy() *Resource {
	c := *r
	c.Dependencies = slices.Clone(r.Dependencies)
	c.Deposed = slices.Clone(r.Deposed)
	return &c
}

// Depose returns r with its current object moved to the deposed ones, to make
// place for its successor.
func (r *Resource) Depose() *Resource {
	c := r.Copy()
	c.Deposed = append(c.Deposed, c.Incarnation)
	c.Incarnation = Incarnation{}
	return c
}

// WithoutDeposed returns r without the deposed object of an attempt, or nil
// when nothing is left then.
func (r *Resource) WithoutDeposed(attempt string) *Resource {
	c := r.Copy()
	c.Deposed = slices.DeleteFunc(c.Deposed, func(i Incarnation) bool { return i.Attempt == attempt })
	if !c.Exists() && len(c.Deposed) == 0 {
		return nil
	}
	return c
}

// Status says what is wrong with an object.
type Status string

const (
	Ready    Status = ""          // nothing
	Tainted  Status = "tainted"   // it exists, and is to be replaced
	HalfMade Status = "half-made" // its creation failed or was interrupted
)

// Incarnation is one object outside, made by one attempt. What was asked for
// stands apart from what the world decided.
type Incarnation struct {
	Provider      string // the configuration's name among the deployment's providers
	SchemaVersion int64
	Attempt       string // that made it
	Status        Status
	Dependencies  []addr.Instance // direct ones; sorted when written
	Asked         json.RawMessage // an object; null attributes are left out
	Observed      json.RawMessage // an object; null attributes are left out
	Secrets       []Secret        // what was left out of both
}

// Split says how an object is taken apart.
type Split struct {
	Type      cty.Type                    // the schema's, needed where it leaves an attribute's type open; NilType: the value's own
	Computed  func(attribute string) bool // the provider decided it: it goes to Observed; nil: none
	Sensitive []cty.Path                  // left out; so is what carries a mark
	Seal      *Sealer                     // nil: what is left out cannot be recognised later
	Planned   bool                        // unknown values are allowed, and left out
}

// SetObject records an object's value. Set Attempt before it: fingerprints of
// secrets are bound to it.
func (i *Incarnation) SetObject(v cty.Value, s Split) error {
	if v.IsNull() || !v.Type().IsObjectType() {
		return fmt.Errorf("an object to record is %s", describe(v))
	}
	v, marked := v.UnmarkDeepWithPaths()
	sensitive := slices.Clone(s.Sensitive)
	for _, m := range marked {
		sensitive = append(sensitive, m.Path)
	}
	if s.Planned {
		v = knownOnly(v)
	} else if !v.IsWhollyKnown() {
		return fmt.Errorf("an object to record has unknown values")
	}
	kept, secrets, err := withhold(v, sensitive, func(p cty.Path, v cty.Value) (string, error) {
		return s.Seal.fingerprint(i.Attempt, p, v)
	})
	if err != nil {
		return err
	}
	t := s.Type
	if t == cty.NilType {
		t = kept.Type()
	}
	computed := s.Computed
	if computed == nil {
		computed = func(string) bool { return false }
	}
	asked, err := marshalObject(kept, t, func(name string) bool { return !computed(name) })
	if err != nil {
		return err
	}
	observed, err := marshalObject(kept, t, computed)
	if err != nil {
		return err
	}
	i.Asked, i.Observed, i.Secrets = asked, observed, secrets
	return nil
}

// Object returns the object in the type of its schema: what was asked and what
// was observed, null where nothing is recorded or a secret was left out.
func (i *Incarnation) Object(t cty.Type) (cty.Value, error) {
	return unmarshalObject(t, i.Asked, i.Observed)
}

// Restore returns prior, a value of this object, with each secret that was
// left out taken from want, the desired value, wherever that is the same as
// the one left out or cannot be told. What stays null did change.
func (i *Incarnation) Restore(prior, want cty.Value, seal *Sealer) cty.Value {
	return restore(prior, want, i.Secrets, func(p cty.Path, v cty.Value) (string, error) {
		return seal.fingerprint(i.Attempt, p, v)
	})
}

// Withhold returns current, what the world has now, with each secret that was
// left out taken out of it too, wherever it is still the same: it is neither
// shown nor told apart from the record. What differs stays, as a change.
func (i *Incarnation) Withhold(current cty.Value, seal *Sealer) cty.Value {
	if len(i.Secrets) == 0 || current.IsNull() || !current.IsKnown() {
		return current
	}
	paths := make([]cty.Path, len(i.Secrets))
	for n, s := range i.Secrets {
		paths[n] = s.Path
	}
	out, err := cty.Transform(current, func(p cty.Path, v cty.Value) (cty.Value, error) {
		at := slices.IndexFunc(paths, p.Equals)
		if at < 0 || v.IsNull() {
			return v, nil
		}
		if got, err := seal.fingerprint(i.Attempt, p, v); err != nil || got != i.Secrets[at].Fingerprint {
			return v, nil
		}
		return cty.NullVal(v.Type()), nil
	})
	if err != nil {
		return current
	}
	return out
}

// JSON returns the whole object as one JSON object, for the provider's Upgrade.
func (i *Incarnation) JSON() json.RawMessage { return joinObjects(i.Asked, i.Observed) }

// marshalObject returns the attributes that keep accepts (nil: all) as a
// canonical JSON object of type t, without those that are null.
func marshalObject(v cty.Value, t cty.Type, keep func(string) bool) (json.RawMessage, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		if !t.HasAttribute(name) {
			return nil, fmt.Errorf("cannot record attribute %s: its schema has no such attribute", name)
		}
		if e.IsNull() || (keep != nil && !keep(name)) {
			continue
		}
		raw, err := ctyjson.Marshal(e, t.AttributeType(name))
		if err != nil {
			return nil, fmt.Errorf("cannot record attribute %s: %w", name, err)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(appendString(nil, name))
		out.WriteByte(':')
		out.Write(raw)
	}
	out.WriteByte('}')
	return canonical(out.Bytes())
}

// joinObjects makes one JSON object of two that share no member.
func joinObjects(a, b json.RawMessage) json.RawMessage {
	switch {
	case len(b) <= len("{}"):
		if len(a) == 0 {
			return json.RawMessage("{}")
		}
		return a
	case len(a) <= len("{}"):
		return b
	}
	joined := make([]byte, 0, len(a)+len(b))
	joined = append(joined, a[:len(a)-1]...)
	joined = append(joined, ',')
	return append(joined, b[1:]...)
}

// knownOnly replaces what is unknown by null.
func knownOnly(v cty.Value) cty.Value {
	if v.IsWhollyKnown() {
		return v
	}
	v, _ = cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if !v.IsKnown() {
			return cty.NullVal(v.Type()), nil
		}
		return v, nil
	})
	return v
}

func describe(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return v.Type().FriendlyName()
}
