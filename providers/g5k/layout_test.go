package g5k

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

func roles(rest bool) []plugins.Role {
	client := plugins.Role{Name: "client", System: "/nix/store/client", Nodes: []string{"client1", "client2"}}
	if rest {
		client = plugins.Role{Name: "client", System: "/nix/store/client", Rest: true, Min: 2}
	}
	return []plugins.Role{client, {Name: "server", System: "/nix/store/server", Nodes: []string{"server"}}}
}

func names(nodes []sdk.LaidOut) string {
	var list []string
	for _, n := range nodes {
		list = append(list, fmt.Sprintf("%s/%s/%d", n.Name, n.Role.Name, n.Index))
	}
	return strings.Join(list, " ")
}

func TestNameNodes(t *testing.T) {
	for name, c := range map[string]struct {
		rest  bool
		total int64
		want  string
		err   string
	}{
		"as they are":       {want: "client1/client/0 client2/client/1 server/server/0"},
		"more than needed":  {total: 5, want: "client1/client/0 client2/client/1 server/server/0"},
		"too few":           {total: 2, err: "2 nodes are too few"},
		"the rest of five":  {rest: true, total: 5, want: "client1/client/0 client2/client/1 client3/client/2 client4/client/3 server/server/0"},
		"the least":         {rest: true, want: "client1/client/0 client2/client/1 server/server/0"},
		"too few are left":  {rest: true, total: 2, err: "Too few nodes are left for the role client"},
		"exactly the least": {rest: true, total: 3, want: "client1/client/0 client2/client/1 server/server/0"},
	} {
		nodes, err := nameNodes(roles(c.rest), c.total, Where{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want %q", name, err, c.err)
			}
			continue
		}
		if got := names(nodes); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, c.want)
		}
	}
}

// TestPlace says who keeps which host.
func TestPlace(t *testing.T) {
	hosts := []string{"a-1.x.grid5000.fr", "a-2.x.grid5000.fr", "a-3.x.grid5000.fr", "a-4.x.grid5000.fr"}
	at := func(i int) Node { return Node{Site: "x", Host: hosts[i-1]} }
	dead := func(i int) Node { return Node{Site: "x", Host: hosts[i-1], Trouble: "it does not answer"} }
	for name, c := range map[string]struct {
		prior map[string]Node
		hosts []string
		want  []int // of client1, client2, server; 0: not known yet
	}{
		"before the job":             {want: []int{0, 0, 0}},
		"at first":                   {hosts: hosts, want: []int{1, 2, 3}},
		"they keep what they have":   {prior: map[string]Node{"client1": at(4), "client2": at(1), "server": at(2)}, hosts: hosts, want: []int{4, 1, 2}},
		"a new one takes the first":  {prior: map[string]Node{"client1": at(1), "server": at(3)}, hosts: hosts, want: []int{1, 2, 3}},
		"a dead one goes to a spare": {prior: map[string]Node{"client1": at(1), "client2": dead(2), "server": at(3)}, hosts: hosts, want: []int{1, 4, 3}},
		"without a spare it stays":   {prior: map[string]Node{"client1": at(1), "client2": dead(2), "server": at(3)}, hosts: hosts[:3], want: []int{1, 2, 3}},
		"another job":                {prior: map[string]Node{"client1": {Site: "x", Host: "b-9.x.grid5000.fr"}}, hosts: hosts, want: []int{1, 2, 3}},
	} {
		nodes, err := nameNodes(roles(false), 0, Where{})
		if err != nil {
			t.Fatal(err)
		}
		p := part{site: "x", nodes: nodes}
		p.place(c.prior, c.hosts)
		for i, n := range nodes {
			want := ""
			if c.want[i] > 0 {
				want = hosts[c.want[i]-1]
			}
			if got := p.hosts[n.Name]; got != want {
				t.Errorf("%s: %s is %q, want %q", name, n.Name, got, want)
			}
		}
	}
}

func TestCandidates(t *testing.T) {
	hosts := []string{"a", "b", "c", "d"}
	for name, c := range map[string]struct {
		node Node
		want string
	}{
		"its own, and the spares":  {Node{Hosts: hosts, Index: 1, Of: 2}, "b c d"},
		"what it had comes first":  {Node{Hosts: hosts, Index: 1, Of: 2, Host: "d"}, "d c"},
		"no spares":                {Node{Hosts: hosts[:2], Index: 1, Of: 2}, "b"},
		"fewer hosts than planned": {Node{Hosts: hosts[:1], Index: 1, Of: 2}, ""},
	} {
		got, err := c.node.candidates()
		if (err != nil) != (c.want == "") || strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, %v; want %s", name, got, err, c.want)
		}
	}
}

func TestReadMachines(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		file := filepath.Join(dir, "machines")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "machines"
	}
	got, err := readMachines(dir, write("dahu-10.grenoble.grid5000.fr\n# two\ndahu-2.grenoble.grid5000.fr\ndahu-10.grenoble.grid5000.fr\n\n"))
	if want := []string{"dahu-2.grenoble.grid5000.fr", "dahu-10.grenoble.grid5000.fr"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for text, want := range map[string]string{"dahu-1\n": "not a node of Grid'5000", "\n# none\n": "is empty"} {
		if _, err := readMachines(dir, write(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	if _, err := readMachines(dir, "nothing"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestLinkScript(t *testing.T) {
	for want, l := range map[string]plugins.Link{
		"":                                      {},
		"loss 100%":                             {Block: true, Delay: time.Second},
		"delay 20000us loss 5% rate 1000000bit": {Delay: 20 * time.Millisecond, Loss: 0.05, Rate: 1_000_000},
	} {
		if got := netem(l); got != want {
			t.Errorf("%+v: got %q, want %q", l, got, want)
		}
	}
}

func TestNamesFile(t *testing.T) {
	files := namesFile([]plugins.ContextFile{{Path: "/etc/nxc/deployment.json", Content: []byte(`{
		"roles": {"client": ["client1", "client2"], "server": ["server"]},
		"nodes": ["client1", "client2", "server"],
		"deployment": {"10.0.0.1": {"host": "server", "role": "server"}, "10.0.0.2": {"host": "client1", "role": "client"}}}`)}})
	want := "# nodes of the deployment\n10.0.0.2\tclient1 client\n10.0.0.1\tserver\n"
	if len(files) != 1 || string(files[0].Content) != want {
		t.Errorf("got %v, want %q", files, want)
	}
}
