package state

import (
	"encoding/json"
	"flag"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	top    = addr.Deployment{}
	docker = addr.Deployment{Composition: "webserver", Flavour: "docker"}
	vm     = addr.Deployment{Composition: "webserver", Flavour: "vm-ramdisk"}
)

func lan() addr.Instance {
	return addr.Instance{Type: "docker_network", Name: "lan"}
}

func node(name string) addr.Instance {
	return addr.In(docker, "docker_container", name)
}

// object records a small object; it fails the test when it cannot.
func object(t testing.TB, attempt string, asked, observed map[string]cty.Value, dependencies ...addr.Instance) Incarnation {
	t.Helper()
	i := Incarnation{Provider: "docker", SchemaVersion: 1, Attempt: attempt, Dependencies: dependencies}
	all := map[string]cty.Value{}
	for k, v := range asked {
		all[k] = v
	}
	for k, v := range observed {
		all[k] = v
	}
	err := i.SetObject(cty.ObjectVal(all), Split{Computed: func(name string) bool { _, is := observed[name]; return is }})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func dockerProvider() map[string]Provider {
	return map[string]Provider{"docker": {
		Location: Location{Kind: "docker-engine", ID: "ABCD:EFGH", Label: "engine lab-3"},
		Config:   json.RawMessage(`{"host":"unix:///var/run/docker.sock"}`),
	}}
}

// example returns a state with something of everything.
func example(t testing.TB) *State {
	t.Helper()
	s := &State{
		Lineage: "0b8f3c6e-24a1-4d0f-9a3c-5f6a7b8c9d0e",
		Owner:   "sha256:aa",
		Open: []Command{{
			Journal: "20261123T031857.000000-a1b2c3", Deployments: []addr.Deployment{top, docker},
			Command: "nxc apply -flavour \"docker\"", User: "alice", Host: "lab-3", PID: 4711,
		}},
	}
	url, err := NewOutput(cty.StringVal("http://10.89.0.2"), false)
	if err != nil {
		t.Fatal(err)
	}
	password, err := NewOutput(cty.StringVal("hunter2"), true)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDeployment(&Deployment{Name: top, UUID: "11111111-1111-4111-8111-111111111111", Providers: dockerProvider()})
	s.SetDeployment(&Deployment{
		Name: docker, UUID: "22222222-2222-4222-8222-222222222222", Flavour: "docker",
		Pin:       &Pin{Label: "24.11", Revision: "a1b2c3d", Hash: "sha256-AAAA="},
		Params:    json.RawMessage(`{"page":"<hello>","sizes":[1,2]}`),
		Providers: dockerProvider(),
		Nodes: []Node{
			{Name: "server", Role: "server", System: "/nix/store/xxx-system", Resource: node("server"), Address: "10.89.0.2", Context: "sha256:01"},
			{Name: "client1", Role: "client", Index: 0, System: "/nix/store/yyy-system", Resource: node("client1"), Address: "10.89.0.3"},
		},
		Outputs: map[string]Output{"url": url, "password": password},
	})
	s.SetDeployment(&Deployment{Name: vm, UUID: "33333333-3333-4333-8333-333333333333", Flavour: "vm-ramdisk", Original: map[string]Output{"url": url}})

	text := cty.StringVal
	s.SetResource(&Resource{Address: lan(), Incarnation: object(t, "a0", map[string]cty.Value{"name": text("lan"), "labels": cty.MapVal(map[string]cty.Value{"b": text("2"), "a": text("<1>")})}, map[string]cty.Value{"id": text("n1")})})
	server := object(t, "a1",
		map[string]cty.Value{"name": text("server"), "ports": cty.ListVal([]cty.Value{text("8080:80")}), "command": cty.ListValEmpty(cty.String)},
		map[string]cty.Value{"id": text("c1"), "address": text("10.89.0.2")}, lan())
	old := object(t, "a2", map[string]cty.Value{"name": text("client1")}, map[string]cty.Value{"id": text("c0")})
	client := object(t, "a3", map[string]cty.Value{"name": text("client1")}, map[string]cty.Value{"id": text("c2")}, node("server"), lan())
	client.Status = Tainted
	s.SetResource(&Resource{Address: node("server"), Incarnation: server})
	s.SetResource(&Resource{Address: node("client1"), Incarnation: client, Deposed: []Incarnation{old}})
	s.SetResource(&Resource{Address: addr.In(docker, "docker_volume", "a\"b\n${x}"), Incarnation: object(t, "a4", nil, nil)})

	secret := Incarnation{Provider: "docker", Attempt: "a5", Status: HalfMade}
	err = secret.SetObject(cty.ObjectVal(map[string]cty.Value{
		"password": text("hunter2"),
		"users":    cty.ListVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"name": text("bob"), "key": text("k")})}),
		"env":      cty.MapVal(map[string]cty.Value{"TOKEN": text("t"), "PATH": text("/bin")}),
		"count":    cty.NumberIntVal(3),
	}), Split{
		Sensitive: []cty.Path{
			cty.GetAttrPath("password"),
			cty.GetAttrPath("users").IndexInt(0).GetAttr("key"),
			cty.GetAttrPath("env").IndexString("TOKEN"),
		},
		Seal: newSealer("the token"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.SetResource(&Resource{Address: addr.Instance{Type: "null_resource", Name: "many", Key: addr.IntKey(2)}, Incarnation: secret})
	if err := s.Verify(); err != nil {
		t.Fatalf("the example: %v", err)
	}
	return s
}

func encode(t testing.TB, s *State) string {
	t.Helper()
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
