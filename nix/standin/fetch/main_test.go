package main

import "testing"

// What is prepared lies where nxc looks for it.
func TestOptionsNameTheStore(t *testing.T) {
	folder := t.TempDir()
	for remote, want := range map[string]string{
		"":                      "",
		"local?root=" + folder:  folder,
		"local?root=" + "/a/b/": "/a/b",
	} {
		t.Setenv("NIX_REMOTE", remote)
		t.Setenv("NIX_STATE_DIR", "/nix/var/nix") // no guess about this machine
		if got := options().StoreRoot; got != want {
			t.Errorf("NIX_REMOTE=%q: the store's root is %q, want %q", remote, got, want)
		}
	}
}
