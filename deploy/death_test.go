package deploy

import (
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

func TestOnePerDeath(t *testing.T) {
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
	own := plan.Problem{Addr: at("b"), Summary: "The name is taken", Detail: "Choose another."}
	for name, c := range map[string]struct {
		in   []plan.Problem
		want []string // of each problem: its address, and its detail's end
	}{
		"none":           {nil, nil},
		"one":            {[]plan.Problem{dead("a", "X.")}, []string{"fake_thing.a: X."}},
		"two hit":        {[]plan.Problem{dead("a", "X."), own, dead("c", "X.")}, []string{": X. This hit fake_thing.a and fake_thing.c.", "fake_thing.b: Choose another."}},
		"two dead":       {[]plan.Problem{dead("a", "X."), dead("b", "Y.")}, []string{"fake_thing.a: X.", "fake_thing.b: Y."}},
		"twice the same": {[]plan.Problem{dead("a", "X."), dead("a", "X.")}, []string{"fake_thing.a: X."}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, found := range onePerDeath(c.in) {
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
	if got := onePerDeath(many); len(got) != 1 || !strings.HasSuffix(got[0].Detail, "fake_thing.j and 2 more.") {
		t.Errorf("got %v, want one that counts what it does not name", got)
	}
}
