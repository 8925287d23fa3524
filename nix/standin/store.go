package standin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// store is the Nix store that everything is brought into.
type store struct{ root string }

func (o Options) store() store { return store{o.StoreRoot} }

// holds says whether paths are there, without asking Nix.
func (s store) holds(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(path string) bool {
		_, err := os.Stat(s.root + path)
		return path == "" || err != nil
	})
}

// valid asks Nix whether paths are in its database.
func (s store) valid(ctx context.Context, paths ...string) bool {
	_, err := s.run(ctx, "nix-store", append([]string{"--check-validity"}, paths...)...)
	return err == nil
}

// add adds folders to the store and returns their paths in order.
func (s store) add(ctx context.Context, folders ...string) ([]string, error) {
	output, err := s.run(ctx, "nix-store", append([]string{"--add"}, folders...)...)
	if err != nil {
		return nil, err
	}
	paths := strings.Fields(output)
	if len(paths) != len(folders) {
		return nil, fmt.Errorf("nix-store --add answered %d paths for %d folders: %q", len(paths), len(folders), output)
	}
	return paths, nil
}

// keep roots a path of the store.
func (s store) keep(ctx context.Context, dir, path string) error {
	root := rootOf(dir, path)
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	_, err := s.run(ctx, "nix-store", "--realise", path, "--add-root", root, "--indirect")
	return err
}

// address is how Nix calls a store in a folder.
func (s store) address() string { return "local?root=" + s.root }

func (s store) run(ctx context.Context, program string, arguments ...string) (string, error) {
	all := arguments
	if s.root != "" && program != "nix" { // which is told what to copy whereto
		all = append([]string{"--store", s.address()}, arguments...)
	}
	output, err := exec.CommandContext(ctx, program, all...).Output()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		detail := err.Error()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(exit.Stderr) > 0 {
			detail = strings.TrimSpace(string(exit.Stderr))
		}
		if s.root == "" {
			detail += remedy(detail)
		}
		return "", fmt.Errorf("bringing the stand-in into the Nix store with %s %s: %s", program, arguments[0], detail)
	}
	return strings.TrimSpace(string(output)), nil
}

// remedy says what an ordinary user does about a store that is closed to him.
func remedy(detail string) string {
	denied := strings.Contains(detail, "Permission denied")
	switch {
	case denied && strings.Contains(detail, "daemon-socket"):
		return "\nThis user may not use Nix's daemon. Join its group, then log in again: sudo usermod -aG nix-users \"$USER\""
	case denied, strings.Contains(detail, "daemon-socket"), strings.Contains(detail, "Operation not permitted"):
		return "\nAs a normal user Nix needs its daemon (on Debian and Ubuntu: sudo apt-get install nix-setup-systemd, then sudo systemctl start nix-daemon; without systemd: sudo nix-daemon &); otherwise run nxc as root, or have a store of your own: nxc { build { store = \"~/.local/share/nix/root\" } } in the project."
	}
	return ""
}

// writable finds out whether anything can be added, before much is fetched.
func (s store) writable(ctx context.Context, dir string) error {
	probe := filepath.Join(dir, "nxc-probe")
	if err := os.WriteFile(probe, nil, 0o644); err != nil {
		return fmt.Errorf("trying the Nix store: %w", err)
	}
	_, err := s.add(ctx, probe)
	return err
}
