package plugins

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestFactsFiles reads a context as scripts of NixOSCompose's projects do.
func TestFactsFiles(t *testing.T) {
	facts := Facts{Composition: "web", Flavour: "docker", PublicKey: "ssh-ed25519 AAAA nxc", Nodes: []NodeFact{
		{Name: "client1", Role: "client", Address: "10.0.0.2"},
		{Name: "server", Role: "server", Address: "10.0.0.3"},
		{Name: "later", Role: "client"},
	}}
	files, err := facts.Files("client1")
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for i, f := range files {
		content[f.Path] = string(f.Content)
		if i > 0 && files[i-1].Path >= f.Path {
			t.Errorf("%s comes after %s", f.Path, files[i-1].Path)
		}
	}
	for path, want := range map[string]string{
		"/etc/nxc/role":             "client\n",
		"/etc/nxc/node":             "client1\n",
		"/etc/nxc/hostname":         "client1\n",
		"/etc/nxc/ip_addr":          "10.0.0.2\n",
		"/etc/nxc/hosts":            "10.0.0.2\tclient1\n10.0.0.3\tserver\n",
		"/etc/nxc/deployment-hosts": "10.0.0.2 client1\n10.0.0.3 server\n",
		"/etc/nxc/authorized_keys":  "ssh-ed25519 AAAA nxc\n",
	} {
		if content[path] != want {
			t.Errorf("%s: got %q, want %q", path, content[path], want)
		}
	}
	var deployment struct {
		Composition string `json:"composition"`
		Nodes       []string
		Deployment  map[string]struct{ Host, Role string }
		Key         string `json:"ssh_key.pub"`
	}
	if err := json.Unmarshal([]byte(content["/etc/nxc/deployment.json"]), &deployment); err != nil {
		t.Fatal(err)
	}
	if d := deployment.Deployment["10.0.0.3"]; d.Host != "server" || d.Role != "server" || deployment.Composition != "web" || !strings.HasPrefix(deployment.Key, "ssh-") {
		t.Errorf("deployment.json: %+v", deployment)
	}
	if want := []string{"client1", "server", "later"}; !slices.Equal(deployment.Nodes, want) {
		t.Errorf("deployment.json has the nodes %q, want %q", deployment.Nodes, want)
	}
	if _, err := facts.Files("nobody"); err == nil {
		t.Error("a node that is not there has a context")
	}
	if files, _ := facts.Files("later"); len(files) != len(content)-1 {
		t.Error("a node without an address has a file for it")
	}
}
