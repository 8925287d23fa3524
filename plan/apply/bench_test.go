package apply

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

// instant is an executor and recorder that does nothing, at once.
type instant struct{ *sim }

func (instant) Apply(_ context.Context, op Operation, _ func(Progress)) (cty.Value, []plan.Problem) {
	if op.Step == Delete {
		return op.Planned, nil
	}
	return filled(op.Planned, "id"), nil
}

func (instant) Intent(Operation) error                  { return nil }
func (instant) Result(Operation, cty.Value, bool) error { return nil }

// BenchmarkRun measures what the walk itself costs: creating objects that do
// not depend on each other, and a chain whose values are evaluated on the way.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("independent/%d", n), func(b *testing.B) { runBench(b, n, false) })
		b.Run(fmt.Sprintf("chain/%d", n), func(b *testing.B) { runBench(b, n, true) })
	}
}

func runBench(b *testing.B, n int, chain bool) {
	s := newSim()
	byAddr := map[string]config{}
	for i := range n {
		c := config{name: fmt.Sprintf("thing.r%05d", i)}
		if chain && i > 0 {
			before := fmt.Sprintf("thing.r%05d", i-1)
			c.note, c.on = "$"+before, []string{before}
		}
		byAddr[c.name] = c
	}
	src := &lookup{sim: s, configs: byAddr, n: n}
	p, problems := plan.Build(context.Background(), plan.Options{Source: src, Types: s, Planner: s})
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	x := instant{s}
	b.ReportAllocs()
	before := cpuTime()
	defer func() { b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") }()
	for b.Loop() {
		r := Run(context.Background(), Options{Plan: p, Source: src, Types: s, Executor: x, Recorder: x})
		if r.HasErrors() || r.Done[plan.Create] != n {
			b.Fatal(r.Problems, r.Done)
		}
	}
}

// lookup is a source that finds a configuration without searching.
type lookup struct {
	*sim
	configs map[string]config
	n       int
}

func (l *lookup) Levels() [][]addr.Instance {
	out := make([][]addr.Instance, l.n)
	for i := range out {
		out[i] = []addr.Instance{{Type: "thing", Name: fmt.Sprintf("r%05d", i)}}
	}
	return out
}

func (l *lookup) Instances(_ context.Context, a addr.Instance, known plan.Values) (plan.Expanded, []plan.Problem) {
	c := l.configs[a.String()]
	d := plan.Desired{Addr: a, Provider: "p", Config: l.config(c, known)}
	for _, on := range c.on {
		d.DependsOn = append(d.DependsOn, at(on))
	}
	return plan.Expanded{Instances: []plan.Desired{d}}, nil
}

func (l *lookup) Evaluate(_ context.Context, a addr.Instance, known plan.Values) (cty.Value, []plan.Problem) {
	return l.config(l.configs[a.String()], known), nil
}

// cpuTime is what the process has used so far, collecting garbage included.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
