package plan

import (
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// CheckResult compares what a provider made with what was planned: every value
// that was known must have come back. It returns one problem for each that did
// not, and one when the result itself is not known.
func CheckResult(b *schema.Block, a addr.Instance, provider string, planned, result cty.Value) []Problem {
	s := shapeOf(b)
	if !s.fits(result) || result.IsNull() {
		return []Problem{lie(a, provider, nil, "made an object", "it has another shape than the provider's own schema says")}
	}
	var problems []Problem
	if !result.IsWhollyKnown() {
		problems = append(problems, lie(a, provider, nil, "made an object", "some of its values are not known even now"))
	}
	c := checker{accept: agrees}
	c.block(s, nil, planned, result)
	for _, f := range c.found {
		text := fmt.Sprintf("%s was planned as %s and came back as %s", FormatPath(f.Path), f.show(f.Before), f.show(f.After))
		problems = append(problems, lie(a, provider, f.Path, "made another object than it planned", text))
	}
	return problems
}

// checkAgreement compares what was planned with what a second evaluation says:
// what was known must not have changed.
func checkAgreement(s *shape, a addr.Instance, planned, again cty.Value) []Problem {
	c := checker{accept: agrees}
	c.block(s, nil, planned, again)
	var problems []Problem
	for _, f := range c.found {
		problems = append(problems, Problem{
			Addr:    a,
			Path:    f.Path,
			Summary: fmt.Sprintf("%s is not what the plan said", FormatPath(f.Path)),
			Detail: fmt.Sprintf("It was planned as %s, and is %s now that everything it depends on is known. "+
				"A function or a provider gave two answers. Nothing was done to this object: plan again.", f.show(f.Before), f.show(f.After)),
		})
	}
	return problems
}

// checkRefined compares a provider's refinement with the configuration: what
// the user wrote must stand, or be the prior value where that means the same.
func checkRefined(s *shape, p *Proposal, planned cty.Value) []Problem {
	if planned == cty.NilVal || !s.fits(planned) || planned.IsNull() || !planned.IsKnown() {
		return []Problem{lie(p.Addr, p.Provider, nil, "planned an object", "it has another shape than the provider's own schema says")}
	}
	var c checker
	c.refined(s, nil, p.Config, p.Prior, p.Proposed, planned)
	var problems []Problem
	for _, f := range c.found {
		text := fmt.Sprintf("it plans %s for %s, where the configuration says %s", f.show(f.After), FormatPath(f.Path), f.show(f.Before))
		problems = append(problems, lie(p.Addr, p.Provider, f.Path, "planned what nobody asked for", text))
	}
	return problems
}

func lie(a addr.Instance, provider string, path cty.Path, did, text string) Problem {
	return Problem{
		Addr:    a,
		Path:    path,
		Summary: fmt.Sprintf("Provider %s %s", provider, did),
		Detail: fmt.Sprintf("For %s: %s. This is a mistake in the provider, not in the configuration: "+
			"please report it to the provider's authors.", a, text),
	}
}

// fault is a pair of values that should agree.
type fault struct {
	Path          cty.Path
	Before, After cty.Value
	hidden        bool
}

// show spells a value in a message; sensitive ones are not shown.
func (f *fault) show(v cty.Value) string {
	switch {
	case f.hidden:
		return "a sensitive value"
	case !v.IsKnown():
		return "unknown"
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		return strconv.Quote(v.AsString())
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('g', -1)
	case v.Type() == cty.Bool:
		return strconv.FormatBool(v.True())
	case v.Type().IsObjectType():
		return "an object"
	case v.Type().IsMapType():
		return fmt.Sprintf("a map of %d", v.LengthInt())
	case v.Type().IsSetType():
		return fmt.Sprintf("a set of %d", v.LengthInt())
	case v.CanIterateElements():
		return fmt.Sprintf("a list of %d", v.LengthInt())
	default:
		return "a value"
	}
}

// checker walks two or more values of one shape and collects the places where
// they disagree.
type checker struct {
	accept func(planned, actual cty.Value) bool
	found  []fault
}

func (c *checker) add(path cty.Path, before, after cty.Value, hidden bool) {
	c.found = append(c.found, fault{Path: path, Before: before, After: after, hidden: hidden})
}

func (c *checker) block(s *shape, path cty.Path, planned, actual cty.Value) {
	if !planned.IsKnown() {
		return
	}
	for i := range s.Attributes {
		a := &s.Attributes[i]
		x, y := side(planned, a.Name, a.Type), side(actual, a.Name, a.Type)
		if !c.accept(x, y) {
			c.add(path.GetAttr(a.Name), x, y, a.Sensitive)
		}
	}
	for i := range s.nested {
		n := &s.nested[i]
		at := path.GetAttr(n.name)
		x, y := side(planned, n.name, n.typ), side(actual, n.name, n.typ)
		switch {
		case !x.IsKnown():
		case isNothing(x) != isNothing(y) || !y.IsKnown():
			c.add(at, x, y, n.sensitive)
		case isNothing(x):
		case n.nesting == schema.Single:
			c.block(n.shape, at, x, y)
		case x.LengthInt() != y.LengthInt():
			c.add(at, x, y, n.sensitive)
		default:
			before, after := x.AsValueSlice(), y.AsValueSlice()
			for j := range before {
				c.block(n.shape, at.IndexInt(j), before[j], after[j])
			}
		}
	}
}

// refined walks a refinement beside what it came from. prior may be null.
func (c *checker) refined(s *shape, path cty.Path, config, prior, proposed, planned cty.Value) {
	if !config.IsKnown() || config.IsNull() {
		return
	}
	for i := range s.Attributes {
		a := &s.Attributes[i]
		want, got := config.GetAttr(a.Name), planned.GetAttr(a.Name)
		if want.IsNull() {
			if a.Computed && !hasDefault(a) {
				continue // the provider's to decide
			}
			want = side(proposed, a.Name, a.Type)
		}
		before := child(prior, a.Name, a.Type)
		if !agrees(want, got) && (prior.IsNull() || !same(before, got)) {
			c.add(path.GetAttr(a.Name), want, got, a.Sensitive)
		}
	}
	for i := range s.nested {
		c.refinedNested(&s.nested[i], path, config, prior, proposed, planned)
	}
}

func (c *checker) refinedNested(n *nestedShape, path cty.Path, config, prior, proposed, planned cty.Value) {
	path = path.GetAttr(n.name)
	want, got := config.GetAttr(n.name), planned.GetAttr(n.name)
	proposal := side(proposed, n.name, n.typ)
	before := child(prior, n.name, n.typ)
	switch {
	case !want.IsKnown():
	case !got.IsKnown() || isNothing(want) != isNothing(got):
		c.add(path, want, got, n.sensitive)
	case isNothing(want):
	case n.nesting == schema.Single:
		c.refined(n.shape, path, want, before, proposal, got)
	case want.LengthInt() != got.LengthInt():
		c.add(path, want, got, n.sensitive)
	default:
		w, g, p, b := want.AsValueSlice(), got.AsValueSlice(), elements(proposal), elements(before)
		for i := range w {
			if g[i].IsNull() || !g[i].IsKnown() {
				c.add(path.IndexInt(i), w[i], g[i], n.sensitive)
				continue
			}
			c.refined(n.shape, path.IndexInt(i), w[i], element(b, i, n), element(p, i, n), g[i])
		}
	}
}

// agrees reports whether actual is a value that planned may become: equal
// where planned is known, and anything where it is not.
func agrees(planned, actual cty.Value) bool {
	switch {
	case !planned.IsKnown():
		return true
	case !actual.IsKnown():
		return false
	case planned.IsWhollyKnown():
		return same(planned, actual)
	case planned.IsNull() || actual.IsNull():
		return isNothing(planned) && isNothing(actual)
	}
	switch t := planned.Type(); {
	case t.IsSetType():
		return setAgrees(planned, actual)
	case t.IsListType() || t.IsTupleType():
		x, y := planned.AsValueSlice(), elements(actual)
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !agrees(x[i], y[i]) {
				return false
			}
		}
		return true
	case t.IsMapType() || t.IsObjectType():
		return mapAgrees(planned.AsValueMap(), actual)
	default:
		return same(planned, actual)
	}
}

// setAgrees compares a set that has unknown elements with what it became:
// every known element is there, and there are no more than planned.
func setAgrees(planned, actual cty.Value) bool {
	if !actual.Type().IsSetType() || actual.LengthInt() > len(planned.AsValueSlice()) {
		return false
	}
	for _, v := range planned.AsValueSlice() {
		if v.IsWhollyKnown() && !actual.HasElement(v).True() {
			return false
		}
	}
	return true
}

func mapAgrees(planned map[string]cty.Value, actual cty.Value) bool {
	if t := actual.Type(); !t.IsMapType() && !t.IsObjectType() {
		return false
	}
	y := actual.AsValueMap()
	if len(planned) != len(y) {
		return false
	}
	for k, v := range planned {
		w, ok := y[k]
		if !ok || !agrees(v, w) {
			return false
		}
	}
	return true
}
