package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An ordinary user hears of every group that he has to join at once, and not
// of one after each new login.
func TestDepsTellsGroupsTogether(t *testing.T) {
	t.Parallel()
	const denied = "while trying to connect to the docker API at unix:///var/run/docker.sock"
	for name, c := range map[string]struct {
		nix, docker string // what they complain about
		want        []string
	}{
		"both": {
			"error: getting status of /nix/var/nix/daemon-socket/socket: Permission denied", "permission denied " + denied,
			[]string{"deps: ana has to be a member of: nix-users,docker", "sudo usermod -aG nix-users,docker ana, then log in again"},
		},
		"docker": {
			"", "permission denied " + denied,
			[]string{"deps: the Docker engine refuses ana: permission denied", "sudo usermod -aG docker ana,"},
		},
		"no daemon of Nix's": {
			"error: creating directory '/nix/var/nix/temproots': Permission denied", "permission denied " + denied,
			[]string{"deps: ana may not use Nix: error: creating directory", "Nix's daemon, which lets others use it, does not run", "nix-setup-systemd"},
		},
		"a daemon that ended": {
			"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused", "",
			[]string{"deps: ana may not use Nix: error: cannot connect", "does not run"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for program, script := range map[string]string{
				"id":              `case $1 in -un) echo ana ;; *) echo 1000 ;; esac`,
				"sudo":            "exit 1",
				"apt-get":         "exit 1",
				"stat":            `case $3 in */daemon-socket) echo nix-users ;; *) echo docker ;; esac`,
				"nix-instantiate": "",
				"nix-store":       complaint(c.nix),
				"docker":          complaint(c.docker),
				"dockerd":         "", "busybox": "", "ps": "", "python3": "", "qemu-img": "", "qemu-system-x86_64": "", "qemu-system-aarch64": "",
			} {
				write(t, filepath.Join(folder, program), "#!/bin/sh\n"+script+"\n")
			}
			command := exec.Command(".ci/deps.sh")
			command.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "DOCKER_HOST=", "TMPDIR="+folder)
			var said bytes.Buffer
			command.Stderr = &said
			if err := command.Run(); err == nil {
				t.Error("deps.sh succeeded for a user who may not use what is there")
			}
			for _, want := range c.want {
				if !strings.Contains(said.String(), want) {
					t.Errorf("it does not say %q:\n%s", want, &said)
				}
			}
		})
	}
}

// complaint is a script that fails with a text, or succeeds without one.
func complaint(text string) string {
	if text == "" {
		return "exit 0"
	}
	return `echo "` + text + `" >&2; exit 1`
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
