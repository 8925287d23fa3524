package plan

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// small is a type like null_resource.
func small() *schema.Block {
	return &schema.Block{Attributes: []schema.Attribute{
		{Name: "id", Type: cty.String, Computed: true},
		{Name: "triggers", Type: cty.Map(cty.String), Optional: true, Replace: true},
	}}
}

func trigger(v cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"id":       cty.NullVal(cty.String),
		"triggers": cty.MapVal(map[string]cty.Value{"on": v}),
	})
}

func smallWorld() *world {
	w := newWorld()
	w.types["small"] = &Type{Block: small()}
	return w
}

func independent(n int) *world {
	w := smallWorld()
	var group []addr.Instance
	for i := range n {
		a := addr.Instance{Type: "small", Name: fmt.Sprintf("r%05d", i)}
		group = append(group, a)
		d := Desired{Addr: a, Provider: "p", Config: trigger(str(a.Name))}
		w.blocks[a] = func(Values) (Expanded, []Problem) { return Expanded{Instances: []Desired{d}}, nil }
	}
	w.levels = [][]addr.Instance{group}
	return w
}

// chain is a world in which each block uses the one before it.
func chain(n int) *world {
	w := smallWorld()
	var before addr.Instance
	for i := range n {
		a := addr.Instance{Type: "small", Name: fmt.Sprintf("r%05d", i)}
		on := before
		before = a
		w.levels = append(w.levels, []addr.Instance{a})
		w.blocks[a] = func(known Values) (Expanded, []Problem) {
			d := Desired{Addr: a, Provider: "p", Config: trigger(str("first"))}
			if i > 0 {
				v, _ := known.Block(on)
				d.Config, d.DependsOn = trigger(v.GetAttr("id")), []addr.Instance{on}
			}
			return Expanded{Instances: []Desired{d}}, nil
		}
	}
	return w
}

// forEach is a world of two blocks of n instances, where the second uses the
// first as a whole.
func forEach(n int) *world {
	w := smallWorld()
	one, two := addr.Instance{Type: "small", Name: "one"}, addr.Instance{Type: "small", Name: "two"}
	w.levels = [][]addr.Instance{{one}, {two}}
	for _, block := range []addr.Instance{one, two} {
		w.blocks[block] = func(known Values) (Expanded, []Problem) {
			x := Expanded{Kind: ForEach}
			all, _ := known.Block(one)
			for i := range n / 2 {
				key := fmt.Sprintf("k%05d", i)
				a := block
				a.Key = addr.StringKey(key)
				d := Desired{Addr: a, Provider: "p", Config: trigger(str(key))}
				if block == two {
					d.Config, d.DependsOn = trigger(all.GetAttr(key).GetAttr("id")), []addr.Instance{one}
				}
				x.Instances = append(x.Instances, d)
			}
			return x, nil
		}
	}
	return w
}

// applied returns what is on record after a plan was carried out.
func applied(p *Plan) []Prior {
	var out []Prior
	for i := range p.Changes {
		c := &p.Changes[i]
		o := cty.ObjectVal(map[string]cty.Value{"id": str("same"), "triggers": c.After.GetAttr("triggers")})
		if !c.Config.IsWhollyKnown() {
			o = trigger(str("same"))
			o = with(o, values{"id": str("same")})
		}
		out = append(out, Prior{Addr: c.Addr, Provider: "p", Recorded: o, Current: o, Dependencies: c.Dependencies})
	}
	return out
}

func BenchmarkBuild(b *testing.B) {
	worlds := []struct {
		name string
		make func(int) *world
	}{{"independent", independent}, {"chain", chain}, {"for_each", forEach}}
	for _, kind := range worlds {
		for _, n := range []int{100, 1_000, 10_000} {
			w := kind.make(n)
			o := Options{Source: w, Types: w, Planner: w}
			created, problems := Build(context.Background(), o)
			if len(problems) > 0 {
				b.Fatal(describe(problems))
			}
			b.Run(fmt.Sprintf("%s/create/%d", kind.name, n), func(b *testing.B) { run(b, o, Create, n) })
			o.Prior = applied(created)
			b.Run(fmt.Sprintf("%s/no-op/%d", kind.name, n), func(b *testing.B) { run(b, o, NoOp, n) })
			o.Destroy = true
			b.Run(fmt.Sprintf("%s/destroy/%d", kind.name, n), func(b *testing.B) { run(b, o, Delete, n) })
		}
	}
}

func run(b *testing.B, o Options, action Action, n int) {
	b.ReportAllocs()
	before := cpuTime()
	defer func() { b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") }()
	for b.Loop() {
		p, problems := Build(context.Background(), o)
		if len(problems) > 0 || p.Count(action) != n {
			b.Fatalf("got %d of %d, %s", p.Count(action), n, describe(problems))
		}
	}
}

// cpuTime is what the process has used so far, collecting garbage included:
// on a shared machine it says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
