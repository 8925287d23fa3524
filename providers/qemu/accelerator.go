package qemu

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// probeAccelerator says how machines run here: "kvm" where hardware
// virtualisation works, else "tcg". A device file that opens is no proof: some
// hosts offer one on which nothing boots, but then the processor does not say
// that it can.
func probeAccelerator() string {
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return "tcg"
	}
	device.Close()
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
