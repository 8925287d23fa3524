package nix

import (
	"strings"
	"testing"
)

func TestStoreError(t *testing.T) {
	cases := map[string]struct{ line, want string }{
		"no daemon":                {"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused", "does not run"},
		"no socket":                {"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': No such file or directory", "does not run"},
		"not allowed":              {"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Permission denied", "usermod"},
		"not in group":             {"error: getting status of /nix/var/nix/daemon-socket/socket: Permission denied", "usermod"},
		"not the owner":            {"error: opening lock file '/nix/var/nix/db/big-lock': Permission denied", "installed Nix"},
		"not the owner, newer":     {`error: opening lock file "/nix/var/nix/db/big-lock": Permission denied`, "installed Nix"},
		"full disk, newer":         {"error: setting journal mode: database or disk is full, database or disk is full (in '/home/u/.local/share/nix/root/nix/var/nix/db/db.sqlite')", "nix-collect-garbage"},
		"no daemon, not the owner": {"error: could not set permissions on '/nix/var/nix/profiles/per-user' to 755: Operation not permitted", "a store of your own"},
		"full disk":                {"error: writing to file: No space left on device", "nix-collect-garbage"},
		"no namespaces":            {"error: cloning builder process: Operation not permitted", "max_user_namespaces"},
		"no namespaces, newer":     {"error: this system does not support the kernel namespaces that are required for sandboxing; use '--no-sandbox' to disable sandboxing", "nix-setup-systemd"},
		"other":                    {"error: undefined variable 'a'", ""},
		"builder's log":            {"error: builder for 'x.drv' failed with exit code 1;\nlast 1 log lines:\n> /nix/store/x: Permission denied", ""},
		"user's file":              {"error: opening file '/home/u/x.nix': Permission denied", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := storeError([]string{"warning: something", c.line})
			switch {
			case (got == nil) != (c.want == ""):
				t.Errorf("got %v", got)
			case got != nil && !strings.Contains(got.Error(), c.want):
				t.Errorf("got %v, want a word on %q", got, c.want)
			}
		})
	}
}
