package state

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

var sizes = []int{100, 1000, 10000}

// chain returns a state of n containers, each of which depends on the last.
func chain(n int) *State {
	s := New()
	s.SetDeployment(&Deployment{Name: docker, UUID: NewUUID(), Providers: dockerProvider()})
	var before []addr.Instance
	for i := range n {
		a := node(fmt.Sprintf("client%d", i))
		s.SetResource(&Resource{Address: a, Incarnation: Incarnation{
			Provider: "docker", SchemaVersion: 1, Attempt: fmt.Sprintf("%016x", i), Dependencies: before,
			Asked:    []byte(`{"name":"client","image":"sha256:0123456789abcdef","command":["/nix/store/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-system/init"],"labels":{"a":"b","c":"d"}}`),
			Observed: []byte(`{"id":"0123456789abcdef0123456789abcdef","address":"10.89.0.2"}`),
		}})
		before = []addr.Instance{a}
	}
	return s
}

// BenchmarkApply is what a command costs the state: begin, an intent and a
// result for each of n resources, ten at a time, and the end.
func BenchmarkApply(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := chain(n)
			list := all.ResourcesOf(docker)
			for b.Loop() {
				s := newFolder(b).open(b)
				x := begin(b, s, docker)
				must(b, x.SetDeployment(all.Deployment(docker)))
				work := make(chan *Resource)
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						for r := range work {
							must(b, x.Intent(Intent{Address: r.Address, Action: Create, Attempt: r.Attempt, Planned: &r.Incarnation, ProviderName: "docker"}))
							must(b, x.Result(Result{Address: r.Address, Attempt: r.Attempt, Resource: r}))
						}
					})
				}
				for _, r := range list {
					work <- r
				}
				close(work)
				wg.Wait()
				must(b, x.End(context.Background()))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/resource")
		})
	}
}

// BenchmarkChangeOne begins and ends a command that changes one of n.
func BenchmarkChangeOne(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFolder(b)
			s := f.open(b)
			file := chain(n)
			must(b, s.prepare())
			must(b, s.keepToken(s.claim(file), file.Lineage))
			must(b, s.write(file))
			for b.Loop() {
				x := begin(b, f.open(b), docker)
				r := x.Resource(node("client7"))
				must(b, x.Intent(Intent{Address: r.Address, Action: Update, Attempt: r.Attempt, Planned: &r.Incarnation, ProviderName: "docker"}))
				must(b, x.Result(Result{Address: r.Address, Attempt: r.Attempt, Resource: r}))
				must(b, x.End(context.Background()))
			}
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := chain(n)
			j := &Journal{Name: "j", Begin: &Begin{Command: Command{Deployments: []addr.Deployment{docker}}, Base: map[addr.Deployment]string{docker: ""}}}
			j.Records = append(j.Records, Record{Deployment: &DeploymentChange{Name: docker, Record: s.Deployment(docker)}})
			for _, r := range s.ResourcesOf(docker) {
				j.Records = append(j.Records,
					Record{Intent: &Intent{Address: r.Address, Attempt: r.Attempt, Action: Create}},
					Record{Result: &Result{Address: r.Address, Attempt: r.Attempt, Resource: r}})
			}
			for b.Loop() {
				Replay(New(), []*Journal{j})
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	data, err := chain(10000).Encode()
	must(b, err)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, err := Decode("x", data)
		must(b, err)
	}
}

func BenchmarkEncode(b *testing.B) {
	s := chain(10000)
	for b.Loop() {
		data, err := s.Encode()
		must(b, err)
		b.SetBytes(int64(len(data)))
	}
}

func BenchmarkHash(b *testing.B) {
	s := chain(10000)
	for b.Loop() {
		s.Hash(docker)
	}
}

func BenchmarkVerify(b *testing.B) {
	s := chain(10000)
	for b.Loop() {
		must(b, s.Verify())
	}
}

func BenchmarkObjects(b *testing.B) {
	all := chain(10000).ResourcesOf(docker)
	t := cty.Object(map[string]cty.Type{
		"name": cty.String, "image": cty.String, "command": cty.List(cty.String),
		"labels": cty.Map(cty.String), "id": cty.String, "address": cty.String,
	})
	for b.Loop() {
		for _, r := range all {
			_, err := r.Object(t)
			must(b, err)
		}
	}
}
