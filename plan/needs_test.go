package plan

import (
	"slices"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
)

func TestNeeds(t *testing.T) {
	at := func(text string) addr.Instance {
		a, err := addr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	all := addr.Instance{Deployment: at(`composition.web.docker.x["a"]`).Deployment}
	p := &Plan{Changes: []Change{
		{Addr: at(`composition.web.docker.x["a"]`)},
		{Addr: at(`composition.web.docker.x["b"]`), Dependencies: []addr.Instance{at(`composition.web.docker.x["a"]`)}},
		{Addr: at(`t.many[0]`), Dependencies: []addr.Instance{all}},
		{Addr: at(`t.many[1]`), Dependencies: []addr.Instance{at("t.gone")}},
		{Addr: at(`t.many[1]`), Deposed: 1},
		{Addr: at(`t.one`), Dependencies: []addr.Instance{at(`t.many`), at(`t.many[0]`)}},
	}}
	for i, want := range [][]int{nil, {0}, {0, 1}, nil, nil, {2, 3}} {
		if got := p.Needs()[i]; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", p.Changes[i].Addr, got, want)
		}
	}
}
