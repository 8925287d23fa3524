package docker

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// watchersPerNode is how many instances of inotify a node has whose system is
// no more than systemd: five of process 1, and one of D-Bus.
const watchersPerNode = 6

// watchersFile is the kernel's limit of them for a user. The containers of an
// engine are one user's, so it is one for all nodes of a machine.
const watchersFile = "/proc/sys/fs/inotify/max_user_instances"

// crowded warns of a deployment with more nodes than the kernel lets boot. An
// engine elsewhere has a limit that is not to be seen.
func (e *engine) crowded(nodes int) error {
	if e.client == nil || !e.sameHost() {
		return nil
	}
	text, err := os.ReadFile(watchersFile)
	if err != nil {
		return nil // not a kernel that has this limit
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil
	}
	return tooMany(nodes, limit)
}

// tooMany is the warning for so many nodes under a limit.
func tooMany(nodes, limit int) error {
	need := nodes * watchersPerNode
	if need <= limit {
		return nil
	}
	return sdk.Warn(fmt.Sprintf("%d nodes may be too many for this machine", nodes),
		fmt.Sprintf("The systemd of a node takes about %d instances of inotify, so these take %d; the kernel allows %d for all of a user's programs together, and a node that gets none does not come up. %s",
			watchersPerNode, need, limit, raiseWatchers(need)))
}

// raiseWatchers says how to have enough for what is needed, and as much again.
func raiseWatchers(need int) string {
	enough := 1024
	for enough < 2*need {
		enough *= 2
	}
	return fmt.Sprintf("Allow more: sudo sysctl fs.inotify.max_user_instances=%d", enough)
}

// noWatcherLeft reports whether a systemd's last words were that the kernel has
// no inotify for it.
func noWatcherLeft(log []string) bool {
	return slices.ContainsFunc(log, func(line string) bool {
		return strings.Contains(line, "inotify") && strings.Contains(line, "Too many open files")
	})
}
