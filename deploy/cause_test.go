package deploy

import (
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

func TestOnePerCause(t *testing.T) {
	at := func(name string) addr.Instance {
		a, err := addr.Parse("fake_thing." + name)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	dead := func(name, detail string) plan.Problem {
		return plan.Problem{Addr: at(name), Ended: true, Summary: "Provider fake ended unexpectedly", Detail: detail}
	}
	over := func(name string) plan.Problem {
		return plan.Problem{Addr: at(name), Summary: "The job is over", Detail: "Its walltime ended."}
	}
	own := plan.Problem{Addr: at("b"), Summary: "The name is taken", Detail: "Choose another."}
	place := func(found *plan.Problem) string { // x and y are nodes of one block
		if name := found.Addr.Name; name == "x" || name == "y" {
			return "the block of both"
		}
		return found.Addr.Name
	}
	for name, c := range map[string]struct {
		in   []plan.Problem
		want []string // of each problem: its address, and its detail's end
	}{
		"none":           {nil, nil},
		"one":            {[]plan.Problem{dead("a", "X.")}, []string{"fake_thing.a: X."}},
		"two hit":        {[]plan.Problem{dead("a", "X."), own, dead("c", "X.")}, []string{": X. This hit fake_thing.a and fake_thing.c.", "fake_thing.b: Choose another."}},
		"two dead":       {[]plan.Problem{dead("a", "X."), dead("b", "Y.")}, []string{"fake_thing.a: X.", "fake_thing.b: Y."}},
		"at one place":   {[]plan.Problem{over("x"), own, over("y")}, []string{"fake_thing.x: Its walltime ended. This hit fake_thing.x and fake_thing.y.", "fake_thing.b: Choose another."}},
		"at two places":  {[]plan.Problem{over("x"), over("z")}, []string{"fake_thing.x: Its walltime ended.", "fake_thing.z: Its walltime ended."}},
		"twice the same": {[]plan.Problem{dead("a", "X."), dead("a", "X.")}, []string{"fake_thing.a: X."}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, found := range onePerCause(c.in, place) {
				got = append(got, found.Addr.String()+": "+found.Detail)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	many := make([]plan.Problem, 0, 12)
	for _, letter := range "abcdefghijkl" {
		many = append(many, dead(string(letter), "X."))
	}
	if got := onePerCause(many, place); len(got) != 1 || !strings.HasSuffix(got[0].Detail, "fake_thing.j and 2 more.") {
		t.Errorf("got %v, want one that counts what it does not name", got)
	}
}
