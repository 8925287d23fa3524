package standin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A store that is closed to the user is told, with what to do, before anything
// is fetched for it.
func TestClosedStore(t *testing.T) {
	for name, c := range map[string]struct{ said, want string }{
		"not a member":      {"error: getting status of /nix/var/nix/daemon-socket/socket: Permission denied", "sudo usermod -aG nix-users"},
		"no daemon":         {"error: creating directory '/nix/store': Permission denied", "nix-setup-systemd"},
		"a daemon that end": {"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused", "start nix-daemon"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			script := "#!/bin/sh\necho \"" + c.said + "\" >&2\nexit 1\n"
			for program, text := range map[string]string{"nix-store": script, "nix-instantiate": "", "apt-get": "#!/bin/sh\necho apt-get was asked >&2\nexit 1\n"} {
				if err := os.WriteFile(filepath.Join(bin, program), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			_, err := prepare(t.Context(), t.TempDir(), distribution{ID: "ubuntu"}, Options{}, func(string) {})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v, want %q and %q", err, c.said, c.want)
			}
		})
	}
}
