package state

import (
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

func TestMend(t *testing.T) {
	a, b, c := node("a"), node("b"), node("c")
	type links map[addr.Instance][]addr.Instance
	tests := map[string]struct {
		have    links
		touched []addr.Instance
		want    links
	}{
		"fine":        {links{a: nil, b: {a}, c: {a, b}}, nil, links{a: nil, b: {a}, c: {a, b}}},
		"gone":        {links{b: {a, lan()}, c: {b}}, nil, links{b: nil, c: {b}}},
		"untidy":      {links{a: nil, b: nil, c: {b, a, b}}, nil, links{a: nil, b: nil, c: {a, b}}},
		"reversed":    {links{a: {b}, b: {a}}, []addr.Instance{b}, links{a: nil, b: {a}}},
		"the other":   {links{a: {b}, b: {a}}, []addr.Instance{a}, links{a: {b}, b: nil}},
		"both":        {links{a: {b}, b: {a}}, []addr.Instance{a, b}, links{a: nil, b: {a}}},
		"three":       {links{a: {b}, b: {c}, c: {a}}, []addr.Instance{a, b}, links{a: {b}, b: {c}, c: nil}},
		"itself":      {links{a: {a}}, []addr.Instance{a}, links{a: nil}},
		"two circles": {links{a: {b, c}, b: {a}, c: {a}}, []addr.Instance{b, c}, links{a: nil, b: {a}, c: {a}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := New()
			s.SetDeployment(&Deployment{Name: docker, UUID: "u", Providers: dockerProvider()})
			for at, on := range test.have {
				s.SetResource(&Resource{Address: at, Incarnation: object(t, "a", nil, nil, on...)})
			}
			touched := map[addr.Instance]bool{}
			for _, at := range test.touched {
				touched[at] = true
			}
			mend(s, []addr.Deployment{docker}, touched)
			must(t, s.Verify())
			for at, want := range test.want {
				if got := s.Resource(at).Dependencies; !slices.Equal(got, want) {
					t.Errorf("%s depends on %v, want %v", at, got, want)
				}
			}
		})
	}
}

// TestReversedDependency changes which of two depends on the other, and has
// reason to touch only one.
func TestReversedDependency(t *testing.T) {
	s := newFolder(t).open(t)
	x := begin(t, s, docker)
	record(t, x, docker)
	create(t, x, node("a"), "a1")
	create(t, x, node("b"), "b1", node("a"))
	must(t, x.End(t.Context()))
	x = begin(t, s, docker)
	finish(t, x, node("a"), "a1", node("b"))
	must(t, x.End(t.Context()))
	must(t, load(t, s).State.Verify())
}

// TestRemovedUnderAnother removes at the top level what an idle deployment was
// built on.
func TestRemovedUnderAnother(t *testing.T) {
	s := newFolder(t).open(t)
	x := begin(t, s, top, docker)
	record(t, x, top)
	record(t, x, docker)
	create(t, x, lan(), "a1")
	create(t, x, node("a"), "a2", lan())
	must(t, x.End(t.Context()))
	before := load(t, s).State.Hash(docker)

	x = begin(t, s, top)
	must(t, x.Result(Result{Address: lan(), Attempt: "a1"}))
	must(t, x.End(t.Context()))
	snap := load(t, s)
	if snap.State.Hash(docker) != before || snap.State.Verify() == nil {
		t.Error("a deployment that is not locked must not be changed, and Verify must say what is wrong")
	}

	x = begin(t, s, docker)
	must(t, x.Result(Result{Address: node("b"), Attempt: "a3", Resource: &Resource{Address: node("b"), Incarnation: object(t, "a3", nil, map[string]cty.Value{"id": cty.StringVal("x")})}}))
	must(t, x.End(t.Context()))
	must(t, load(t, s).State.Verify())
}
