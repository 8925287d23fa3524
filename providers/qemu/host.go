package qemu

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Config is the body of a provider block.
type Config struct {
	Program     string `nxc:"program,optional" doc:"The QEMU program, by default qemu-system-x86_64 (or this processor's) in PATH."`
	Accelerator string `nxc:"accelerator,optional" doc:"kvm or tcg, for machines that do not say. By default kvm where hardware virtualisation works, else tcg, which emulates."`
}

// host is the machine that machines run on, as the configuration says.
type host struct {
	program     string
	accelerator string
	folders     plugins.Folders
	available   int64 // memory, in bytes, when the provider was configured
	patience    patience

	switches sync.Mutex // held by who starts a switch

	mu       sync.Mutex
	starting int64                  // bytes of machines that are being started
	planned  map[string]int64       // bytes of machines that a plan would start
	sessions map[string]*ssh.Client // by the machine's id
}

// configure remembers what the configuration says, and finds out how machines
// can run here. It starts nothing.
func (h *host) configure(_ context.Context, c Config, folders plugins.Folders) (plugins.Location, error) {
	h.program, h.accelerator, h.folders = c.Program, c.Accelerator, folders
	h.patience = patient()
	if h.program == "" {
		h.program = "qemu-system-" + processor()
	}
	switch h.accelerator {
	case "":
		h.accelerator = probeAccelerator()
	case "kvm", "tcg":
	default:
		return plugins.Location{}, sdk.AttributeError("accelerator", fmt.Sprintf("There is no accelerator %q", h.accelerator), "It is kvm, tcg, or left out.")
	}
	h.available = availableMemory()
	l := sdk.ThisMachine()
	l.Kind = "qemu-host"
	l.Label = "QEMU of " + l.Label + ", " + map[string]string{"kvm": "hardware virtualisation", "tcg": "emulated"}[h.accelerator]
	return l, nil
}

// processor is the name of this machine's processor, as QEMU has it.
func processor() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64"
	}
	return "x86_64"
}

// findProgram returns the path of a program of QEMU, or says what to install.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", sdk.Error(fmt.Sprintf("There is no program %s", name),
			"QEMU runs the machines. On Debian and Ubuntu: apt-get install qemu-system-x86 qemu-utils. Elsewhere see https://www.qemu.org/download/.")
	}
	return path, nil
}

// folderOf is where an object's files lie; they live as long as it does.
func (h *host) folderOf(kind, id string) string {
	return filepath.Join(h.folders.State, kind+"-"+id)
}

// inProject is where a path of the configuration lies: a relative one begins
// there, and what is of the Nix store is where this machine has that.
func (h *host) inProject(path string) string {
	if path == "" {
		return path
	}
	if filepath.IsAbs(path) {
		return h.store().Place(path)
	}
	return filepath.Join(h.folders.Project, path)
}

// store is this machine's Nix store.
func (h *host) store() sdk.NixStore { return sdk.NixStore(h.folders.StoreRoot) }

// maxSocketPath is what the kernel allows for a Unix socket's path.
const maxSocketPath = 107

// socket is the path of one of an object's sockets.
func (h *host) socket(id, what string) (string, error) {
	path := filepath.Join(h.socketsOf(id), id+"."+what)
	if len(path) > maxSocketPath {
		return "", sdk.Error("The folder for sockets has too long a name",
			fmt.Sprintf("%s would have %d letters, and the kernel allows %d. Set TMPDIR to a shorter path.", path, len(path), maxSocketPath))
	}
	return path, nil
}
