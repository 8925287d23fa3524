package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

func TestMain(m *testing.M) {
	sdktest.Main(provider) // serves the provider in the processes that the suite kills
	m.Run()
}

func TestConformance(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, program := range []string{"busybox", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no program %s", program)
		}
	}
	store := t.TempDir()
	node := map[string]any{"name": "a", "system": system(t, store), "network": network(t), "address": "10.76.0.2"}
	changed := map[string]any{"command": []any{"echo begun", "sleep 100"}}
	for k, v := range node {
		changed[k] = v
	}
	sdktest.Run(t, sdktest.Suite{
		Provider: provider(),
		Config:   map[string]any{"prefix": prefix},
		Folders:  plugins.Folders{StoreRoot: store},
		Command:  sdktest.Self(),
		Outside:  namespaces,
		Cases: []sdktest.Case{
			{Type: "netns_network", Config: map[string]any{"subnet": "10.76.0.0/24"}, Break: unname},
			{
				Type: "netns_node", Config: node, Update: changed, Break: unname, CopyTo: "/tmp",
				Context: &plugins.Context{Files: []plugins.ContextFile{{Path: "/etc/nxc/hosts", Mode: 0o644, Content: []byte("10.76.0.2 a\n")}}, Digest: "d"},
			},
		},
	})
}

// system makes the smallest system: a store path with busybox in it.
func system(t *testing.T, store string) string {
	const path = "/nix/store/00000000000000000000000000000000-system"
	shell(t, `mkdir -p "$1" && cp "$(command -v busybox)" "$1" && for name in cat chroot env mkdir rm sh sleep tar; do ln -s busybox "$1/$name"; done`,
		store+path+"/sw/bin")
	return path
}

// prefix is this run's own, because others may test here too.
var prefix = fmt.Sprintf("nxc-test%d-", os.Getpid())

// network makes a network for the nodes under test.
func network(t *testing.T) string {
	id := prefix + "lan"
	shell(t, `ip netns add "$1" && ip -n "$1" link add br0 type bridge`, id)
	t.Cleanup(func() { shell(t, `ip netns delete "$1"`, id) })
	return id
}

// unname removes an object behind the provider's back.
func unname(t *testing.T, object cty.Value) {
	shell(t, `ip netns delete "$1"`, object.GetAttr("id").AsString())
}

// namespaces lists those that the provider made.
func namespaces(t *testing.T) []string {
	found, err := filepath.Glob("/run/netns/" + prefix + "*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func shell(t *testing.T, script string, args ...string) {
	t.Helper()
	out, err := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
