package plan

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// claim is one exclusive value: no two objects of a type and provider may hold
// it at one time.
type claim struct {
	provider, typ, attribute string // attribute without indexes
	value                    string
}

// held is a claim and where in its object it stands.
type held struct {
	claim claim
	path  cty.Path
}

// holds returns the exclusive values of an object: those that are known and
// say something. Null, an empty string and zero claim nothing.
func holds(s *shape, provider, typ string, v cty.Value) []held {
	if !s.exclusive {
		return nil
	}
	var list []held
	walkExclusive(s, nil, "", v, func(path cty.Path, name string, v cty.Value) {
		for _, one := range eachClaimed(v) {
			if text, ok := claimed(one); ok {
				list = append(list, held{claim: claim{provider, typ, name, text}, path: path})
			}
		}
	})
	return list
}

// eachClaimed returns the values that an exclusive attribute claims: a collection
// claims each of its elements.
func eachClaimed(v cty.Value) []cty.Value {
	if ty := v.Type(); ty.IsListType() || ty.IsSetType() {
		return elements(v)
	}
	return []cty.Value{v}
}

func walkExclusive(s *shape, path cty.Path, prefix string, v cty.Value, found func(cty.Path, string, cty.Value)) {
	if !s.exclusive || v.IsNull() || !v.IsKnown() {
		return
	}
	for i := range s.Attributes {
		if a := &s.Attributes[i]; a.Exclusive {
			found(path.GetAttr(a.Name), prefix+a.Name, v.GetAttr(a.Name))
		}
	}
	for i := range s.nested {
		n := &s.nested[i]
		at, inner := path.GetAttr(n.name), v.GetAttr(n.name)
		if n.nesting == schema.Single {
			walkExclusive(n.shape, at, prefix+n.name+".", inner, found)
			continue
		}
		for j, e := range elements(inner) {
			walkExclusive(n.shape, at.IndexInt(j), prefix+n.name+".", e, found)
		}
	}
}

// claimed spells a value that claims something.
func claimed(v cty.Value) (string, bool) {
	if !v.IsWhollyKnown() || isNothing(v) {
		return "", false
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), v.AsString() != ""
	case cty.Number:
		return v.AsBigFloat().Text('g', -1), v.AsBigFloat().Cmp(new(big.Float)) != 0
	default:
		return v.GoString(), true
	}
}

// exclusives returns a function that finds the first exclusive attribute whose
// value a replacement keeps.
func (b *builder) exclusives() func(*Change) cty.Path {
	return func(c *Change) cty.Path {
		s, ok := b.shapeFor(c.Provider, c.Addr)
		if !ok {
			return nil
		}
		before := holds(s, "", "", c.Before)
		for _, h := range holds(s, "", "", c.After) {
			if slices.ContainsFunc(before, func(x held) bool { return x.claim == h.claim }) {
				return h.path
			}
		}
		return nil
	}
}

func (b *builder) shapeFor(provider string, a addr.Instance) (*shape, bool) {
	if b.o.Types == nil {
		return nil, false
	}
	t, ok := b.o.Types.Resource(provider, a.Type)
	if !ok {
		return nil, false
	}
	return b.shapes.of(t.Block), true
}

// claims refuses two objects that are to hold one value, and makes those that
// take a value over wait for the object that gives it up.
func (b *builder) claims(changes []Change) []Problem {
	taken := map[claim]holder{}
	given := map[claim]addr.Instance{}
	b.claimsOutside(taken)
	var problems []Problem
	for i := range changes {
		c := &changes[i]
		s, ok := b.shapeFor(c.Provider, c.Addr)
		if !ok || c.Data || !s.exclusive {
			continue
		}
		after := holds(s, c.Provider, c.Type, c.After)
		for _, h := range after {
			other, double := taken[h.claim]
			if !double {
				taken[h.claim] = holder{addr: c.Addr, noop: c.Action == NoOp}
			} else if c.Action != NoOp || !other.noop {
				problems = append(problems, bothClaim(c.Addr, h, other))
			}
		}
		for _, h := range holds(s, c.Provider, c.Type, c.Before) {
			if !slices.ContainsFunc(after, func(x held) bool { return x.claim == h.claim }) {
				given[h.claim] = c.Addr
			}
		}
	}
	b.waitForGiven(changes, given)
	return problems
}

// holder is an object that holds, or will hold, an exclusive value.
type holder struct {
	addr    addr.Instance
	noop    bool // it holds it already
	outside bool // it is not part of the plan
}

// claimsOutside enters what objects hold that are not part of the plan.
func (b *builder) claimsOutside(taken map[claim]holder) {
	for i := range b.o.Prior {
		p := &b.o.Prior[i]
		if p.Current.IsNull() || p.Addr.Data || b.selected(p.Addr.Deployment) {
			continue
		}
		s, ok := b.shapeFor(p.Provider, p.Addr)
		if !ok || !s.fits(p.Current) {
			continue
		}
		for _, h := range holds(s, p.Provider, p.Addr.Type, p.Current) {
			taken[h.claim] = holder{addr: p.Addr, noop: true, outside: true}
		}
	}
}

func bothClaim(a addr.Instance, h held, other holder) Problem {
	detail := fmt.Sprintf("%s and %s both want the %s %q, which only one object may have. Give one of them another.", other.addr, a, h.claim.attribute, h.claim.value)
	if other.addr == a {
		detail = fmt.Sprintf("%s wants the %s %q two times. Give it another in one place.", a, h.claim.attribute, h.claim.value)
	}
	if other.outside {
		detail = fmt.Sprintf("%s has the %s %q already, and is not part of this plan. Give %s another, or destroy the other one first.", other.addr, h.claim.attribute, h.claim.value, a)
	}
	return Problem{
		Addr:    a,
		Path:    h.path,
		Summary: fmt.Sprintf("The %s %q is taken twice", h.claim.attribute, h.claim.value),
		Detail:  detail,
	}
}

func (b *builder) waitForGiven(changes []Change, given map[claim]addr.Instance) {
	if len(given) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		s, ok := b.shapeFor(c.Provider, c.Addr)
		if !ok || c.Data || c.Action == NoOp || !s.exclusive {
			continue
		}
		for _, h := range holds(s, c.Provider, c.Type, c.After) {
			from, ok := given[h.claim]
			if ok && !slices.Contains(c.Waits, from) {
				c.Waits = append(c.Waits, from)
			}
		}
	}
}
