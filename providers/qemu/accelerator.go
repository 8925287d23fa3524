package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// probeAccelerator says how machines run here: "kvm" where hardware
// virtualisation works, else "tcg". A device file that opens is no proof: some
// hosts offer one on which nothing boots, but then the processor does not say
// that it can.
func probeAccelerator() string {
	if openKVM(kvmDevice) != nil {
		return "tcg"
	}
	if runtime.GOARCH == "arm64" {
		return "kvm" // there the device exists only where the processor can
	}
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "tcg"
	}
	defer f.Close()
	if virtualises(f) {
		return "kvm"
	}
	return "tcg"
}

// kvmDevice is where the kernel offers hardware virtualisation.
const kvmDevice = "/dev/kvm"

// openKVM finds what keeps QEMU from hardware virtualisation.
func openKVM(device string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err == nil {
		return f.Close()
	}
	remedy := "Leave accelerator out, and machines are emulated."
	if errors.Is(err, fs.ErrPermission) {
		remedy = "Become a member of the group that may use it, usually kvm, or leave accelerator out, and machines are emulated."
	}
	return sdk.AttributeError("accelerator", "Hardware virtualisation cannot be used", fmt.Sprintf("%v. %s", err, remedy))
}

// doubt is what to think of a machine that was to have hardware virtualisation
// and does not come up, where only emulation is known to work.
func doubt(accelerator, works string) string {
	if accelerator != "kvm" || works == "kvm" {
		return ""
	}
	return "\nThis machine's processor does not say that it can virtualise: leave out accelerator = \"kvm\"."
}

// virtualises reads /proc/cpuinfo.
func virtualises(cpuinfo io.Reader) bool {
	lines := bufio.NewScanner(cpuinfo)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, flags, _ := strings.Cut(lines.Text(), ":")
		if strings.TrimSpace(name) != "flags" {
			continue
		}
		list := strings.Fields(flags)
		return slices.Contains(list, "vmx") || slices.Contains(list, "svm")
	}
	return false
}
