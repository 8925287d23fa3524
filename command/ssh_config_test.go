package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

func access() *deploy.SSHAccess {
	return &deploy.SSHAccess{
		Deployment: addr.Deployment{Composition: "web", Flavour: "vm"},
		Identity:   "/a b/100%/id_ed25519", KnownHosts: "/k/known_hosts", Config: "/a b/ssh_config",
		Nodes: []state.Node{
			{Name: "client1", Role: "client"},
			{Name: "client10", Role: "client", Index: 9},
			{Name: "client2", Role: "client", Index: 1},
			{Name: "db", Role: "data-base"},
		},
	}
}

func TestSSHConfig(t *testing.T) {
	text := sshConfig(access(), "nxc ssh-proxy -port %p")
	for _, want := range []string{
		"Host client1 client1.web.vm\n", `IdentityFile "/a b/100%%/id_ed25519"` + "\n",
		"ProxyCommand nxc ssh-proxy -port %p web::vm/db\n", "HostKeyAlias db.web.vm\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestProxyCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	env := &Env{
		Executable: func() (string, error) { return "/opt/my nxc/100%", nil },
		Getenv:     func(string) string { return "lab" },
	}
	f := projectFlags{state: "it's"}
	got, err := f.proxyCommand(env)
	if err != nil || !strings.HasPrefix(got, "env NXC_WORKSPACE=lab '/opt/my nxc/100%%' -chdir /") ||
		!strings.HasSuffix(got, ` ssh-proxy -state 'it'\''s' -port %p`) {
		t.Errorf("got %s, %v", got, err)
	}
	env.Executable = func() (string, error) { return "", errors.New("unlinked") }
	if _, err := f.proxyCommand(env); err == nil {
		t.Error("a program that is gone has a proxy command")
	}
}

func TestInventory(t *testing.T) {
	var ini, text bytes.Buffer
	if err := inventoryINI(&ini, access()); err != nil {
		t.Fatal(err)
	}
	want := `# The nodes of web::vm, by nxc inventory.

[client]
client1 ansible_host=client1.web.vm
client2 ansible_host=client2.web.vm
client10 ansible_host=client10.web.vm

[data_base]
db ansible_host=db.web.vm

[all:vars]
ansible_user=root
ansible_ssh_common_args=-F '/a b/ssh_config'
`
	if ini.String() != want {
		t.Errorf("got\n%s\nwant\n%s", ini.String(), want)
	}
	if err := inventoryJSON(&text, access()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Client struct{ Hosts []string }
		All    struct{ Children []string }
	}
	if err := json.Unmarshal(text.Bytes(), &got); err != nil || len(got.Client.Hosts) != 3 || len(got.All.Children) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}
