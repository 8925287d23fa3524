package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins/wire"
)

// Survivors returns the processes that outlive the nxc with a process id: its
// plugins, and the programs that they started and did not detach. A plugin
// notices the death of its host and ends by itself, which takes a moment in
// which it may still be making things.
//
// They are known by their environment. A process whose parent is the one with
// the id is none: then that id has been given to another nxc, which lives.
func Survivors(pid int) []int {
	mark := []byte("\x00" + wire.HostPID + "=" + strconv.Itoa(pid) + "\x00")
	folders, _ := filepath.Glob("/proc/[0-9]*")
	var list []int
	for _, folder := range folders {
		environ, err := os.ReadFile(filepath.Join(folder, "environ"))
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), mark) {
			continue // it has ended, or is somebody else's
		}
		if id, err := strconv.Atoi(filepath.Base(folder)); err == nil && parentOf(folder) != pid {
			list = append(list, id)
		}
	}
	return list
}

// parentOf returns the parent of the process of a folder of /proc, or 0.
func parentOf(folder string) int {
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nPPid:")
	line, _, _ := strings.Cut(rest, "\n")
	parent, _ := strconv.Atoi(strings.TrimSpace(line))
	return parent
}
