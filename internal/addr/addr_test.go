package addr_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nixos-compose/nxc/internal/addr"
)

var identifier = rapid.StringMatching(`[a-z][a-z0-9_-]{0,8}`).Filter(func(s string) bool {
	return s != "data" && s != "composition"
})

var key = rapid.OneOf(
	rapid.Just(addr.NoKey),
	rapid.Map(rapid.IntRange(0, 1<<40), addr.IntKey),
	rapid.Map(rapid.String(), addr.StringKey),
	rapid.Map(rapid.SampledFrom([]string{"", "a.b", `"`, `\`, "${x}", "$${x}", "%{if}", "\n\t\x00", "é", "e\u0301", "\xff", "]", "$", "%"}), addr.StringKey),
)

// anInstance draws addresses of all forms.
func anInstance(t *rapid.T) addr.Instance {
	if rapid.Bool().Draw(t, "in a deployment") {
		d := addr.Deployment{Composition: identifier.Draw(t, "composition"), Flavour: identifier.Draw(t, "flavour")}
		return addr.In(d, identifier.Draw(t, "type"), rapid.String().Draw(t, "key"))
	}
	return addr.Instance{
		Data: rapid.Bool().Draw(t, "data"),
		Type: identifier.Draw(t, "type"),
		Name: identifier.Draw(t, "name"),
		Key:  key.Draw(t, "key"),
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anInstance(t)
		got, err := addr.Parse(want.String())
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%s: got %#v, want %#v", want, got, want)
		}
	})
}

func TestCompareIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anInstance(t), anInstance(t), anInstance(t)
		if a.Compare(b) != -b.Compare(a) {
			t.Fatalf("%s and %s compare as %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		if (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%s and %s compare as %d", a, b, a.Compare(b))
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Fatalf("%s, %s and %s are in no order", a, b, c)
		}
	})
}

func TestOrder(t *testing.T) {
	want := []string{
		"data.docker_engine.here",
		"docker_network.lan",
		"docker_network.lan[2]",
		"docker_network.lan[10]",
		`docker_network.lan["a"]`,
		"null_resource.a",
		`composition.db.docker.docker_container["server"]`,
		`composition.web.docker.docker_container["client1"]`,
		`composition.web.vm.qemu_machine["server"]`,
	}
	var got []addr.Instance
	for _, s := range slices.Backward(want) {
		a, err := addr.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	slices.SortFunc(got, addr.Instance.Compare)
	for i, a := range got {
		if a.String() != want[i] {
			t.Errorf("at %d: got %s, want %s", i, a, want[i])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "is not an address",
		"lan":                                "expected TYPE.NAME",
		"docker_network.":                    "is not an address",
		"docker_network.lan.id":              "goes on into an attribute",
		"docker_network.lan[0][1]":           "goes on into an attribute",
		"docker_network.lan[1.5]":            "goes on into an attribute",
		"composition.web":                    "expected composition.NAME.FLAVOUR.TYPE[KEY]",
		"composition.web.docker.docker_node": "needs a key",
		"composition.web.docker.t[0]":        "needs a key",
		`composition.web["a"].docker.t["k"]`: "expected composition.NAME.FLAVOUR.TYPE[KEY]",
		"data.docker_engine":                 "expected TYPE.NAME",
		"docker_network.*":                   "is not an address",
	} {
		_, err := addr.Parse(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", in, err, want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	web := addr.Deployment{Composition: "webserver", Flavour: "vm-ramdisk"}
	for in, want := range map[string]addr.Target{
		"client1":                       {Node: "client1"},
		"webserver::vm-ramdisk/client1": {Deployment: web, Node: "client1"},
		"webserver::vm-ramdisk":         {Deployment: web},
		"docker_network.lan":            {Instance: addr.Instance{Type: "docker_network", Name: "lan"}},
		"docker_network.lan[1]":         {Instance: addr.Instance{Type: "docker_network", Name: "lan", Key: addr.IntKey(1)}},
		`composition.webserver.vm-ramdisk.qemu_machine["server"]`: {Deployment: web, Instance: addr.In(web, "qemu_machine", "server")},
	} {
		got, err := addr.ParseTarget(in)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, error %v, want %+v", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"":                       "names neither a node nor a resource",
		"docker/client1":         "names neither a node nor a resource",
		"webserver::":            "expected COMPOSITION::FLAVOUR",
		"::docker/client1":       "expected COMPOSITION::FLAVOUR",
		"webserver::docker/":     "expected webserver::docker/NODE",
		"webserver::docker/a/b":  "expected webserver::docker/NODE",
		"webserver::docker/-x":   "expected webserver::docker/NODE",
		"webserver::doc.ker/one": "expected COMPOSITION::FLAVOUR",
	} {
		_, err := addr.ParseTarget(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", in, err, want)
		}
	}
}

func TestNodeNames(t *testing.T) {
	for n, want := range map[int][]string{
		0: {},
		1: {"client"},
		3: {"client1", "client2", "client3"},
	} {
		if got := addr.NodeNames("client", n); !slices.Equal(got, want) {
			t.Errorf("%d: got %v, want %v", n, got, want)
		}
	}
}

func TestValidNodeName(t *testing.T) {
	for name, want := range map[string]bool{
		"server": true, "a": true, "node-1": true, "masterNode_2": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "a.b": false, "é": false, "a b": false, strings.Repeat("a", 64): false,
	} {
		if got := addr.ValidNodeName(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}
