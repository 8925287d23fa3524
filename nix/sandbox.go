package nix

import (
	"context"
	"os"
	"os/exec"
)

// sandbox turns Nix's sandbox off where Nix would otherwise build nothing at
// all: as root without a group of builders it needs a user namespace for the
// sandbox, which a chroot or a confined container does not get. What the user
// decided stays.
func (s settings) sandbox(root bool, groups string, namespaces func() bool) []setting {
	_, decided := s["sandbox"]
	if decided || len(s.base(root, groups)) == 0 || namespaces() {
		return nil
	}
	return []setting{{"sandbox", "false"}}
}

// caged has Nix say when it cannot build in a sandbox where it has to: what is in
// a folder is at /nix/store only in there. Nix would build without one instead,
// and every builder would be missing.
func (a StoreAddress) caged() []setting {
	if a.Root == "" || a.Remote != "" {
		return nil
	}
	return []setting{{"sandbox-fallback", "false"}}
}

// userNamespaces reports whether this process may make a user namespace, in
// the way Nix would. Where that cannot be tried, it is for Nix to say.
func userNamespaces(ctx context.Context) bool {
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		return true
	}
	return exec.CommandContext(ctx, unshare, "--user", "--mount", "--", "/bin/sh", "-c", ":").Run() == nil
}
