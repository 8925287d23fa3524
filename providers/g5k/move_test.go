package g5k

import (
	"slices"
	"strings"
	"testing"
)

// TestMove says who is deployed again, and on which host.
func TestMove(t *testing.T) {
	carriers := func(list ...string) (all []Carrier) {
		for _, text := range list {
			name, system, _ := strings.Cut(text, "=")
			all = append(all, Carrier{Name: name, System: system})
		}
		return all
	}
	have := Deployment{Nodes: []string{"h1", "h2", "h3", "h4"}, Carriers: carriers("client1=c", "client2=c", "server=s"), Hosts: []string{"h1", "h2", "h3"}}
	for name, c := range map[string]struct {
		want   Deployment
		hosts  string // what each keeps
		chosen string // for the others
		spares string
	}{
		"nothing changed":                  {want: Deployment{Carriers: have.Carriers}, hosts: "h1 h2 h3", spares: "h4"},
		"one role's system":                {want: Deployment{Carriers: carriers("client1=c", "client2=c", "server=t")}, hosts: "h1 h2 -", chosen: "h3", spares: "h4"},
		"all systems":                      {want: Deployment{Carriers: carriers("client1=d", "client2=d", "server=t")}, hosts: "- - -", chosen: "h1 h2 h3", spares: "h4"},
		"one more":                         {want: Deployment{Carriers: carriers("client1=c", "client2=c", "client3=c", "server=s")}, hosts: "h1 h2 - h3", chosen: "h4"},
		"one fewer":                        {want: Deployment{Carriers: carriers("client1=c", "server=s")}, hosts: "h1 h3", spares: "h2 h4"},
		"too many":                         {want: Deployment{Carriers: carriers("a=c", "b=c", "client1=c", "client2=c", "server=s")}, hosts: "- - h1 h2 h3", chosen: "h4"},
		"a dead one":                       {want: Deployment{Carriers: have.Carriers, Again: map[string]string{"client2": "x"}, Avoid: []string{"h2"}}, hosts: "h1 - h3", chosen: "h4", spares: "h2"},
		"one on a host that was lost once": {want: Deployment{Carriers: carriers("client1=c", "client2=d", "server=s"), Avoid: []string{"h2"}}, hosts: "h1 - h3", chosen: "h2", spares: "h4"},
		"one with another system":          {want: Deployment{Carriers: have.Carriers, Again: map[string]string{"client2": "x"}}, hosts: "h1 - h3", chosen: "h2", spares: "h4"},
		"dead, and no spare":               {want: Deployment{Nodes: []string{"h1", "h2", "h3"}, Carriers: have.Carriers, Again: map[string]string{"server": "x"}, Avoid: []string{"h3"}}, hosts: "h1 h2 -", chosen: "h3"},
	} {
		if c.want.Nodes == nil {
			c.want.Nodes = have.Nodes
		}
		m := moveOf(&have, &c.want)
		chosen, spares := m.choose(&c.want)
		var hosts []string
		for _, h := range m.hosts {
			if h == "" {
				h = "-"
			}
			hosts = append(hosts, h)
		}
		for _, got := range []struct {
			list []string
			want string
		}{{hosts, c.hosts}, {chosen, c.chosen}, {spares, c.spares}} {
			if strings.Join(got.list, " ") != got.want {
				t.Errorf("%s: got %v, want %q", name, got.list, got.want)
			}
		}
	}
	done := have
	done.Again = map[string]string{"client2": "x"}
	if m := moveOf(&done, &done); len(m.todo) > 0 {
		t.Errorf("what was done once more is done again: %v", m.todo)
	}
}

func TestOnceMore(t *testing.T) {
	again, avoid := onceMore(map[string]Node{
		"client1": {ID: "a", Host: "h1"}, "client2": {ID: "b", Host: "h2", Trouble: "it does not answer"}, "server": {ID: "c", Host: "h3", Trouble: foreignTrouble},
	})
	if len(again) != 2 || again["client2"] != "b" || again["server"] != "c" || !slices.Equal(avoid, []string{"h2"}) {
		t.Errorf("got %v, %v", again, avoid)
	}
}

// TestServes says when a job's nodes are those of the next one, too.
func TestServes(t *testing.T) {
	have := Job{Nodes: 3, Walltime: "2h", Types: []string{"deploy"}}
	for name, c := range map[string]struct {
		change func(*Job)
		want   bool
	}{
		"the same":  {func(*Job) {}, true},
		"longer":    {func(j *Job) { j.Walltime = "3h" }, true},
		"shorter":   {func(j *Job) { j.Walltime = "1h" }, false},
		"more":      {func(j *Job) { j.Nodes = 4 }, false},
		"elsewhere": {func(j *Job) { j.Cluster = "dahu" }, false},
		"another":   {func(j *Job) { j.Existing = 42 }, false},
	} {
		want := have
		c.change(&want)
		if got := have.serves(want); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
