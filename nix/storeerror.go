package nix

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// StoreError says that Nix works, but this user or machine cannot use its
// store.
type StoreError struct {
	Reason string // in Nix's words
	Remedy string
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("the Nix store cannot be used: %s\n%s", e.Reason, e.Remedy)
}

var (
	noDaemonPattern = regexp.MustCompile(`cannot connect to (?:socket|daemon) at '?([^':]*)'?: `)
	deniedPattern   = regexp.MustCompile(`['"]?(/nix/[^'":]*)['"]?(?: to [0-7]+)?: (?:Permission denied|Operation not permitted|Read-only file system)`)
	cagePattern     = regexp.MustCompile(`cloning builder process|namespaces that are required for sandboxing|setgroups failed: `)
	fullPattern     = regexp.MustCompile(`No space left on device|database or disk is full`)
)

// storeError recognises an error of the store among the last lines that a
// command wrote.
func storeError(lines []string) *StoreError {
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "\n") // a builder's log may follow
		reason, isError := strings.CutPrefix(line, "error: ")
		if !isError {
			continue
		}
		if match := noDaemonPattern.FindStringSubmatch(line); match != nil {
			if strings.HasSuffix(line, "Permission denied") {
				return &StoreError{reason, joinGroup(match[1])}
			}
			return &StoreError{reason, "Nix's daemon does not run. Start it: sudo systemctl start nix-daemon (or, without systemd: sudo nix-daemon &)."}
		}
		if match := deniedPattern.FindStringSubmatch(line); match != nil {
			if strings.Contains(match[1], "daemon-socket") {
				return &StoreError{reason, joinGroup(match[1])}
			}
			return &StoreError{reason, "This user may not write there. Start Nix's daemon (sudo systemctl start nix-daemon), run nxc as the user who installed Nix, or have a store of your own: nxc { build { store = \"~/.local/share/nix/root\" } } in the project."}
		}
		if cagePattern.MatchString(line) {
			return &StoreError{reason, "Nix builds in namespaces of the kernel's, which this machine does not let this user have; without them nothing can be built in a store in a folder, such as the one in the home of a user without Nix's daemon. Have the daemon (on Debian and Ubuntu: sudo apt-get install nix-setup-systemd), or have them: the administrator allows them with sysctl (user.max_user_namespaces; on Ubuntu also kernel.apparmor_restrict_unprivileged_userns), a container's with its seccomp profile; none are to be had in a chroot. Or build in another machine's store: store = \"ssh-ng://…\"."}
		}
		if fullPattern.MatchString(line) {
			return &StoreError{reason, "The disk is full. nix-collect-garbage removes what nothing uses any more."}
		}
	}
	return nil
}

// joinGroup says how to become a user who may talk to the daemon: distributions
// keep its socket in a folder that belongs to a group.
func joinGroup(socket string) string {
	group := "nix-users"
	if info, err := os.Stat(filepath.Dir(socket)); err == nil {
		if sys, ok := info.Sys().(*syscall.Stat_t); ok && sys.Gid != 0 {
			if g, err := user.LookupGroupId(strconv.Itoa(int(sys.Gid))); err == nil {
				group = g.Name
			}
		}
	}
	return fmt.Sprintf("This user may not use Nix's daemon. Join its group, then log in again: sudo usermod -aG %s \"$USER\"", group)
}
