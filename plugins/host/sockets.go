package host

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// longest is how long the name of a folder may be in which go-plugin makes a
// folder for a socket: a socket's whole path may have 107 bytes. Ours takes
// twenty of them.
const longest = 60

// socketFolder returns where the plugin's socket folder is made: in a folder of
// this plugin's and this process's own, below Sockets. The plugin removes what
// is in it when nxc dies under it. Where both are killed nobody does, so that
// the folders of processes that are gone are swept here.
func (c *Client) socketFolder() string {
	if parent := c.options.Sockets; parent != "" && len(parent) <= longest-20 {
		sweepSockets(parent)
		if own, err := os.MkdirTemp(parent, strconv.Itoa(os.Getpid())+"-"); err == nil {
			c.sockets = own
			return own
		}
	}
	if dir := os.TempDir(); len(dir) <= longest {
		return dir
	}
	return "/tmp"
}

// leaveSockets removes that folder.
func (c *Client) leaveSockets() {
	if c.sockets != "" {
		_ = os.RemoveAll(c.sockets)
	}
}

// sweepSockets removes the folders of processes that are gone. A young one is
// let be: its process may be one that cannot be seen from here.
func sweepSockets(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.RemoveAll(filepath.Join(folder, e.Name()))
		}
	}
}
