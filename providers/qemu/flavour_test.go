package qemu

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

func TestParseForward(t *testing.T) {
	for spec, want := range map[string]struct {
		forward Forward
		last    int64
		fails   string
	}{
		"8080:80":           {Forward{"127.0.0.1", 8080, 80}, 8080, ""},
		"8080:80/tcp":       {Forward{"127.0.0.1", 8080, 80}, 8080, ""},
		"0.0.0.0:8080:80":   {Forward{"0.0.0.0", 8080, 80}, 8080, ""},
		"8080-8089:80":      {Forward{"127.0.0.1", 8080, 80}, 8089, ""},
		"80":                {fails: "write it as 8080:80"},
		"http:80":           {fails: `"http" is not a TCP port`},
		"8080:0":            {fails: `"0" is not a TCP port`},
		"everywhere:8080:1": {fails: `"everywhere" is not an address`},
		"5353:53/udp":       {fails: `"53/udp" is not a TCP port`},
	} {
		got, last, err := parseForward(spec)
		if want.fails != "" {
			if err == nil || !strings.Contains(err.Error(), want.fails) {
				t.Errorf("%s: error %v, want %q", spec, err, want.fails)
			}
			continue
		}
		if err != nil || got != want.forward || last != want.last {
			t.Errorf("%s: %+v, %d, %v; want %+v, %d", spec, got, last, err, want.forward, want.last)
		}
	}
}

// nodesNamed are the nodes of one role.
func nodesNamed(names ...string) []node {
	role := &plugins.Role{Name: "role", Nodes: names}
	var nodes []node
	for i, name := range names {
		nodes = append(nodes, node{Name: name, Role: role, Index: i})
	}
	return nodes
}

func TestPublish(t *testing.T) {
	for name, tt := range map[string]struct {
		nodes []node
		ports map[string][]string
		want  []int64 // of the host, node after node
		fails string
	}{
		"one node":            {nodesNamed("a"), map[string][]string{"role": {"80:80"}}, []int64{80}, ""},
		"a node of its own":   {nodesNamed("a", "b"), map[string][]string{"b": {"80:80"}}, []int64{80}, ""},
		"a range":             {nodesNamed("a", "b"), map[string][]string{"role": {"80-81:80"}}, []int64{80, 81}, ""},
		"a range too short":   {nodesNamed("a", "b", "c"), map[string][]string{"role": {"80-81:80"}}, nil, "too few ports"},
		"one port, two nodes": {nodesNamed("a", "b"), map[string][]string{"role": {"80:80"}}, nil, "cannot share port 80"},
	} {
		given, err := publish(tt.nodes, tt.ports)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: error %v, want %q", name, err, tt.fails)
			}
			continue
		}
		var got []int64
		for _, n := range tt.nodes {
			for _, f := range given[n.Name] {
				got = append(got, f.Host)
			}
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tt.want)
		}
	}
}

func TestVirtualises(t *testing.T) {
	for text, want := range map[string]bool{
		"processor\t: 0\nflags\t\t: fpu vmx sse\n": true,
		"flags : svm\n":               true,
		"flags : fpu vme sse\n":       false,
		"vmx flags: none\nbogus: 1\n": false,
		"":                            false,
	} {
		if got := virtualises(strings.NewReader(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestOpenKVM(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "kvm")
	if err := openKVM(missing); err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(err.Error(), "Leave accelerator out") {
		t.Errorf("without the device: %v", err)
	}
	there := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openKVM(there); err != nil {
		t.Errorf("with the device: %v", err)
	}
	for _, tt := range []struct {
		accelerator, works string
		want               bool
	}{{"kvm", "tcg", true}, {"kvm", "kvm", false}, {"tcg", "tcg", false}} {
		if got := doubt(tt.accelerator, tt.works) != ""; got != tt.want {
			t.Errorf("a doubt of %s where %s works: %v", tt.accelerator, tt.works, got)
		}
	}
}

func TestMemoryBytes(t *testing.T) {
	for text, want := range map[string]int64{"512M": 512 << 20, "2G": 2 << 30, "1024k": 1 << 20, "64": 64 << 20, "1GiB": 1 << 30, "": -1, "much": -1, "-1M": -1, "0": -1} {
		got, err := memoryBytes(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

// TestPlanMemory: machines of one plan count together, each once, and those that
// run do not count.
func TestPlanMemory(t *testing.T) {
	h := &host{available: 1 << 30}
	for i, tt := range []struct {
		machine, memory string
		starts          bool
		want            string
	}{
		{"a", "600M", true, ""},
		{"b", "900M", false, ""},
		{"a", "600M", true, ""},
		{"c", "600M", true, "2 machines that are to be started are to have 1200 MiB together, and 1024 MiB are available"},
		{"a", "600M", false, ""},
		{"c", "2G", true, "The machine that is to be started is to have 2048 MiB, and 1024 MiB"},
	} {
		err := h.planMemory(tt.machine, tt.memory, tt.starts)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%d: %s: %v, want %q", i, tt.machine, err, tt.want)
		}
	}
}

func TestBootPhases(t *testing.T) {
	for text, want := range map[string][2]string{
		"": {"waiting for the kernel", ""},
		"[0.0] Linux version 6.1\nnxc: phase kernel\n":                  {"loading modules", ""},
		"nxc: phase kernel\nnxc: phase network\nnxc: phase system\n":    {"waiting for ssh", ""},
		"nxc: phase kernel\nnxc: failed: cannot mount the store\r\n":    {"loading modules", "cannot mount the store"},
		"[2.7] Kernel panic - not syncing: VFS: Unable to mount root\n": {"waiting for the kernel", "not syncing: VFS: Unable to mount root"},
	} {
		b := &boot{text: text}
		if got := [2]string{b.phase(), b.failure()}; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestCheckForwards: a port that a stranger has is said when planning; one that
// a machine of ours has is nxc's own to compare.
func TestCheckForwards(t *testing.T) {
	m := machines{newHost(t)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := &Machine{Name: "one", Forwards: []Forward{{"127.0.0.1", int64(l.Addr().(*net.TCPAddr).Port), 80}}}
	if err := m.checkForwards(v); err == nil || !strings.Contains(err.Error(), "cannot lead to one") {
		t.Errorf("a port that is taken: %v", err)
	}
	have := Machine{Taken: []string{v.Forwards[0].claim()}}
	if err := record.Begin(operation("u", "a", "1"), m.folderOf(kindMachine, "x"), have); err != nil {
		t.Fatal(err)
	}
	if err := m.checkForwards(v); err != nil {
		t.Errorf("a port that a machine of ours has: %v", err)
	}
}
