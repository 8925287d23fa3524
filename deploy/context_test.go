package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
)

func someContexts(t *testing.T) *contexts {
	t.Helper()
	keys, err := openKeyring(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return &contexts{composition: "webserver", flavour: "docker", keys: keys, nodes: []plugins.NodeFact{
		{Name: "client", Role: "client", Address: "10.0.0.3"},
		{Name: "server", Role: "server", Address: "10.0.0.2"},
	}}
}

func TestWholeContext(t *testing.T) {
	c := someContexts(t)
	public, err := c.public("server")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := c.whole("server", "a1")
	if err != nil {
		t.Fatal(err)
	}
	private := 0
	for i, f := range whole.Files {
		if i > 0 && whole.Files[i-1].Path >= f.Path {
			t.Errorf("%s comes after %s", f.Path, whole.Files[i-1].Path)
		}
		secret := bytes.Contains(f.Content, []byte("PRIVATE KEY"))
		switch {
		case secret && !f.Private:
			t.Errorf("%s holds a private key and is public", f.Path)
		case f.Private && f.Mode != 0o600:
			t.Errorf("%s is private and has mode %o", f.Path, f.Mode)
		case f.Private && !strings.HasPrefix(f.Path, "/etc/nxc/private/"):
			t.Errorf("%s is private", f.Path)
		}
		if f.Private {
			private++
		}
	}
	if private == 0 || len(whole.Files) != len(public)+private {
		t.Errorf("%d files, %d of them private, %d public", len(whole.Files), private, len(public))
	}
	if whole.Digest != digestOf(public) {
		t.Error("the digest is not that of the public part")
	}
	if _, err := c.whole("nobody", "a1"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("got %v of a node that is not there", err)
	}
}

// TestDigest: what peers are told changes with a node that joins or moves, and
// not with an attempt.
func TestDigest(t *testing.T) {
	c := someContexts(t)
	digest := func(attempt string) string {
		whole, err := c.whole("server", attempt)
		if err != nil {
			t.Fatal(err)
		}
		return whole.Digest
	}
	first := digest("a1")
	if digest("a2") != first {
		t.Error("another attempt has another digest")
	}
	c.nodes[0].Address = "10.0.0.4"
	moved := digest("a1")
	c.nodes = append(c.nodes, plugins.NodeFact{Name: "zoe", Role: "client"})
	if joined := digest("a1"); moved == first || joined == moved || joined == first {
		t.Errorf("got %s, then %s, then %s", first, moved, joined)
	}
}

func TestKeyring(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	if k, err := readKeyring(folder); k != nil || err != nil {
		t.Fatalf("got %v, %v where there are none", k, err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Error("reading made the folder")
	}
	first, err := openKeyring(folder)
	if err != nil {
		t.Fatal(err)
	}
	again, err := readKeyring(folder)
	if err != nil || again.public != first.public || again.token("a", "1") != first.token("a", "1") {
		t.Errorf("got %+v, %v, want %+v", again, err, first)
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(first.public)); err != nil {
		t.Errorf("%q: %v", first.public, err)
	}
	tokens := map[string]bool{first.token("a", "1"): true, first.token("a", "2"): true, first.token("b", "1"): true, first.token("a1", ""): true}
	if len(tokens) != 4 {
		t.Errorf("tokens are the same: %v", tokens)
	}
	if _, err := first.private("../../escape", "1"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if len(entries) != 3 {
		t.Errorf("got %v", entries)
	}
}

func TestKeyringThatIsBroken(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "id_ed25519"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openKeyring(folder); err == nil || !strings.Contains(err.Error(), "id_ed25519") {
		t.Errorf("got %v, which does not name the file", err)
	}
}
