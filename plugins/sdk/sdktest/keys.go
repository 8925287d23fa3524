package sdktest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
)

// withKeys gives the case's deployment a key, and its node's context what core
// puts into every one: who may log in, the host's own key, and a boot token.
func (r *run) withKeys(t *testing.T) {
	t.Helper()
	private, public := newKey(t)
	dir := filepath.Join(r.suite.Folders.Keys, r.uuid)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "id_ed25519"), private, 0o600); err != nil {
		t.Fatal(err)
	}
	hostPrivate, hostPublic := newKey(t)
	c := plugins.Context{Digest: "sdktest"}
	if r.Context != nil {
		c = *r.Context
	}
	c.Files = slices.Clone(c.Files)
	for _, f := range []plugins.ContextFile{
		{Path: "/etc/nxc/authorized_keys", Mode: 0o644, Content: public},
		{Path: "/etc/nxc/private/boot_token", Mode: 0o600, Private: true, Content: []byte(newID(16) + "\n")},
		{Path: "/etc/nxc/private/ssh_host_ed25519_key", Mode: 0o600, Private: true, Content: hostPrivate},
		{Path: "/etc/nxc/private/ssh_host_ed25519_key.pub", Mode: 0o600, Private: true, Content: hostPublic},
	} {
		if !slices.ContainsFunc(c.Files, func(g plugins.ContextFile) bool { return g.Path == f.Path }) {
			c.Files = append(c.Files, f)
		}
	}
	slices.SortFunc(c.Files, func(a, b plugins.ContextFile) int { return strings.Compare(a.Path, b.Path) })
	r.Context = &c
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
