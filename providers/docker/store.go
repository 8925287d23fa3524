package docker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// How the nodes get the store.
const (
	storeAuto  = "auto"
	storeBind  = "bind"  // the engine's host has our store, which is mounted
	storeImage = "image" // the image holds what the systems need
)

// storeFolder is where Nix keeps what it builds, as nodes see it.
const storeFolder = "/nix/store"

// chooseStore says how nodes get the store. It asks the engine for nothing.
func (e *engine) chooseStore(wish, image string) (string, error) {
	asked := wish == storeBind
	switch wish {
	case "", storeAuto:
		wish = storeBind
		if e.client != nil && image == "" && !e.seesStore() {
			wish = storeImage
		}
	case storeBind, storeImage:
	default:
		return "", sdk.AttributeError("store", "There is no such way to the store", fmt.Sprintf("%q is none of auto, bind and image.", wish))
	}
	switch {
	case wish == storeBind && e.client != nil && !e.endpoint.local():
		return "", sdk.AttributeError("store", "The Docker engine is on another machine",
			fmt.Sprintf("%s says %s. An engine there has no store of this machine that it could mount. Set store = \"image\", or leave it out.", e.endpoint.source, e.endpoint.host))
	case wish == storeBind && e.client != nil && asked && e.lacksStore():
		return "", sdk.AttributeError("store", "The Docker engine does not see this machine's store",
			fmt.Sprintf("The engine %s (from %s) has a file system of its own, without the %s that would be mounted. Set store = \"image\", or leave it out.", e.info.Name, e.endpoint.source, e.store.Place(storeFolder)))
	case wish == storeImage && image != "":
		return "", sdk.AttributeError("image", "An image cannot be given as well",
			"With store = \"image\" the nodes' image is made of their systems. Leave image out, or set store = \"bind\".")
	case wish == storeImage && e.info.Architecture != "" && !sameArchitecture(e.info.Architecture):
		return "", sdk.Error("The Docker engine is of another architecture",
			fmt.Sprintf("The engine %s is %s, and the systems are built for this machine's %s. Choose another engine in DOCKER_HOST.", e.info.Name, e.info.Architecture, runtime.GOARCH))
	}
	return wish, nil
}

// goArchitectures are the engine's names of architectures as Go calls them,
// which is also what an image says.
func goArchitecture(name string) string {
	switch name {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386", "i686":
		return "386"
	case "armv6l", "armv7l":
		return "arm"
	}
	return name
}

func sameArchitecture(name string) bool { return goArchitecture(name) == runtime.GOARCH }

// seesStore proves that the engine's store is ours: the process that listens on
// the engine's socket has the very folder. Where we may not look into that
// process, the engine's name for its host has to do; Docker Desktop and engines
// in containers have one of their own.
func (e *engine) seesStore() bool {
	same, err := e.compareStore()
	return same || os.IsPermission(err) && e.sameHost()
}

// lacksStore proves the contrary.
func (e *engine) lacksStore() bool {
	same, err := e.compareStore()
	return !same && (err == nil || os.IsNotExist(err))
}

func (e *engine) compareStore() (same bool, err error) {
	path, ok := strings.CutPrefix(e.endpoint.host, "unix://")
	if !ok {
		return false, errors.ErrUnsupported
	}
	pid, err := listener(path)
	if err != nil {
		return false, err
	}
	if pid == 0 { // of another process namespace
		return false, errors.ErrUnsupported
	}
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", pid, e.store.Place(storeFolder)))
	if err != nil {
		return false, err
	}
	ours, err := os.Stat(e.store.Place(storeFolder))
	return err == nil && os.SameFile(ours, theirs), err
}

// listener is the process that listens on a socket, 0 when it is not to be seen.
func listener(path string) (int, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if controlErr != nil || err != nil {
		return 0, fmt.Errorf("who listens at %s: %w", path, err)
	}
	return int(peer.Pid), nil
}
