package qemu

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// keys are those of a deployment, as core makes them.
type keys struct{ public []byte }

func newKeys(t *testing.T, dir string) keys {
	t.Helper()
	private, public := newKey(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "id_ed25519"), private, 0o600); err != nil {
		t.Fatal(err)
	}
	return keys{public}
}

// context is what a node is told.
func (k keys) context(t *testing.T, node string) *plugins.Context {
	t.Helper()
	private, public := newKey(t)
	return &plugins.Context{Files: []plugins.ContextFile{
		{Path: "/etc/nxc/authorized_keys", Content: k.public},
		{Path: "/etc/nxc/node", Content: []byte(node + "\n")},
		{Path: sshnode.TokenFile, Private: true, Content: []byte("token of " + node + "\n")},
		{Path: "/etc/nxc/private/ssh_host_ed25519_key", Private: true, Content: private},
		{Path: sshnode.HostPublicKeyFile, Private: true, Content: public},
		{Path: "/etc/nxc/role", Content: []byte("node\n")},
	}}
}

func newKey(t *testing.T) (private, public []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), ssh.MarshalAuthorizedKey(signer.PublicKey())
}

// freePort is a port of this machine that nobody had a moment ago.
func freePort(t *testing.T) int64 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return int64(l.Addr().(*net.TCPAddr).Port)
}
