package nixostest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// findNix finds a command of Nix in PATH, or where its installers put it.
func findNix(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	home, _ := os.UserHomeDir() // without one, there is one place less
	for _, folder := range []string{filepath.Join(home, ".nix-profile/bin"), "/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin"} {
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", sdk.Error("There is no program "+name, "Nix runs the test. See https://nixos.org/download/.")
}

// store is this machine's Nix store.
func (h *host) store() sdk.NixStore { return sdk.NixStore(h.folders.StoreRoot) }

// nixStore is a run of nix-store.
func (h *host) nixStore(ctx context.Context, arguments ...string) (*exec.Cmd, error) {
	program, err := findNix("nix-store")
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, program, append(h.store().Options(), arguments...)...), nil
}

// inStore is a command of a package, run where the store is at /nix/store: as
// it is, or as Nix does where that lies in a folder, in namespaces of its own.
func (h *host) inStore(pkg string, command []string) ([]string, error) {
	if h.store() == "" {
		return command, nil
	}
	nix, err := findNix("nix")
	if err != nil {
		return nil, err
	}
	shell := append([]string{nix, "--extra-experimental-features", "nix-command", "shell"}, h.store().Options()...)
	return append(append(shell, pkg, "--command"), command...), nil
}

// isValid reports whether Nix holds a store path for complete: a build that
// fails may leave a part of one.
func (h *host) isValid(ctx context.Context, path string) bool {
	if path == "" || !isThere(h.store().Place(path)) {
		return false
	}
	cmd, err := h.nixStore(ctx, "--check-validity", path)
	return err == nil && cmd.Run() == nil
}

// nixEnvironment is Nix's environment. Left alone, Nix builds nothing for root
// without a group of builders, nor in a sandbox where user namespaces are
// forbidden. What the user's own NIX_CONFIG says comes last, and so stays.
func nixEnvironment(ctx context.Context, environ []string, local bool) []string {
	var settings []string
	if os.Geteuid() == 0 && !hasBuilders() {
		settings = append(settings, "build-users-group =")
		if unshare, err := exec.LookPath("unshare"); err == nil &&
			exec.CommandContext(ctx, unshare, "--user", "--mount", "--", "/bin/sh", "-c", ":").Run() != nil {
			settings = append(settings, "sandbox = false")
		}
	}
	if local {
		settings = append(settings, "substitute = false")
	}
	var kept []string
	for _, e := range environ {
		if user, ok := strings.CutPrefix(e, "NIX_CONFIG="); ok {
			settings = append(settings, user)
			continue
		}
		kept = append(kept, e)
	}
	return append(kept, "NIX_CONFIG="+strings.Join(settings, "\n"))
}

// hasBuilders reports whether users are there that Nix builds as.
func hasBuilders() bool {
	text, err := os.ReadFile("/etc/group")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) == 4 && fields[0] == "nixbld" && fields[3] != "" {
			return true
		}
	}
	return false
}
