package qemu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
)

// TestAssemble reads the archive behind an initrd, whose length is no multiple
// of four, as the kernel does.
func TestAssemble(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "base")
	if err := os.WriteFile(base, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := plugins.Context{Files: []plugins.ContextFile{
		{Path: "/etc/nxc/role", Content: []byte("server\n")},
		{Path: "/etc/nxc/private/boot_token", Private: true, Mode: 0o644, Content: []byte("secret")},
	}}
	if err := saveContext(dir, first); err != nil {
		t.Fatal(err)
	}
	later := plugins.Context{Files: []plugins.ContextFile{{Path: "/etc/nxc/role", Content: []byte("client\n")}}}
	if err := saveContext(dir, later); err != nil {
		t.Fatal(err)
	}
	path, err := assemble(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(text, []byte("12345\x00\x00\x00070701")) {
		t.Fatalf("the archive does not begin at a multiple of four: %q", text[:20])
	}
	want := []string{
		"40755 nxc-context ", "40755 nxc-context/etc ", "40755 nxc-context/etc/nxc ", "40755 nxc-context/etc/nxc/private ",
		"100600 nxc-context/etc/nxc/private/boot_token secret", "100644 nxc-context/etc/nxc/role client\n", "0 TRAILER!!! ",
	}
	if got := members(t, text[8:]); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if info, err := os.Stat(filepath.Join(dir, contextFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kept context: %v, %v; it holds a key", info, err)
	}
}

// members lists mode, name and content of a cpio archive's entries.
func members(t *testing.T, text []byte) []string {
	t.Helper()
	var all []string
	align := func(n int) int { return (n + 3) &^ 3 }
	for len(text) > 0 {
		field := func(i int) (n int) {
			if _, err := fmt.Sscanf(string(text[6+8*i:14+8*i]), "%x", &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		size, length := field(6), field(11)
		start := align(110 + length)
		all = append(all, fmt.Sprintf("%o %s %s", field(1), text[110:110+length-1], text[start:start+size]))
		text = text[start+align(size):]
	}
	return all
}
