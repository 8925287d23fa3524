package state

import (
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
)

// TestDependencyOnMany records dependencies on a block and on a deployment.
func TestDependencyOnMany(t *testing.T) {
	many := addr.Instance{Type: "null_resource", Name: "many"}
	all := addr.Instance{Deployment: docker}
	s := example(t)
	r := s.Resource(lan()).Copy()
	r.Dependencies = []addr.Instance{many}
	s.SetResource(r)
	other := addr.Instance{Type: "null_resource", Name: "after"}
	s.SetResource(&Resource{Address: other, Incarnation: object(t, "a9", nil, nil, all, node("server").Block())})
	must(t, s.Verify())
	back, err := Decode("x", []byte(encode(t, s)))
	must(t, err)
	must(t, back.Verify())
	if got := back.Resource(other).Dependencies; len(got) != 2 || got[0] != all || got[1] != node("server").Block() {
		t.Errorf("got %v", got)
	}

	left := back.Clone()
	for _, n := range []string{"client1", "server"} {
		applyResult(left, &Result{Address: node(n)})
	}
	mend(left, []addr.Deployment{top, docker}, nil)
	if got := left.Resource(other).Dependencies; len(got) != 1 || got[0] != all {
		t.Errorf("got %v; the block has no instance any more, the deployment still has a volume", got)
	}
	must(t, left.Verify())

	loop := back.Resource(addr.Instance{Type: "null_resource", Name: "many", Key: addr.IntKey(2)}).Copy()
	loop.Dependencies = []addr.Instance{lan()}
	back.SetResource(loop)
	if err := back.Verify(); err == nil || !strings.Contains(err.Error(), "depends on itself: docker_network.lan -> null_resource.many -> null_resource.many[2] -> docker_network.lan") {
		t.Errorf("got %v", err)
	}
}

func TestUnspellable(t *testing.T) {
	s := example(t)
	r := s.Resource(lan()).Copy()
	r.Dependencies = []addr.Instance{{Type: "a b", Name: "c"}}
	s.SetResource(r)
	s.SetResource(&Resource{Address: addr.Instance{Type: "9", Name: "x"}, Incarnation: object(t, "a9", nil, nil)})
	err := s.Verify()
	if err == nil || !strings.Contains(err.Error(), "which is no address") || !strings.Contains(err.Error(), "no address of a resource") {
		t.Errorf("got %v; what cannot be read back must not be written", err)
	}
	x := begin(t, newFolder(t).open(t), docker)
	defer x.Abort()
	record(t, x, docker)
	planned := object(t, "a1", nil, nil, addr.Instance{Type: "a b", Name: "c"})
	err = x.Intent(Intent{Address: node("a"), Action: Create, Attempt: "a1", Planned: &planned, ProviderName: "docker"})
	if err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("got %v", err)
	}
}
