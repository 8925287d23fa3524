package qemu

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// memoryBytes reads a size such as 512M.
func memoryBytes(text string) (int64, error) {
	units := map[string]int64{"": 1 << 20, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
	upper := strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(text)), "B")
	upper = strings.TrimSuffix(upper, "I")
	digits := strings.TrimRight(upper, "KMGT")
	unit, known := units[upper[len(digits):]]
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 40)
	if err != nil || !known || n <= 0 {
		return 0, sdk.AttributeError("memory", fmt.Sprintf("%q is not a size of memory", text), "Write it as 512M or 2G.")
	}
	return n * unit, nil
}

// inMegabytes is how a person reads a size.
func inMegabytes(bytes int64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// availableMemory is what the kernel thinks that programs can still get; 0
// when it does not say.
func availableMemory() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemAvailable:" {
			kilobytes, _ := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// reserve takes memory for a machine that is about to start, until release is
// called; by then the kernel counts what it really uses.
func (h *host) reserve(have *Machine) (release func(), err error) {
	wanted, err := memoryBytes(have.Memory)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	available := availableMemory()
	if available > 0 && h.starting+wanted > available {
		return nil, sdk.AttributeError("memory", fmt.Sprintf("There is too little memory to start %s", have.Name),
			fmt.Sprintf("It is to have %s, machines that start with it have %s, and %s are available. Give machines less memory, start fewer, or end other programs.",
				inMegabytes(wanted), inMegabytes(h.starting), inMegabytes(available)))
	}
	h.starting += wanted
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.starting -= wanted
	}, nil
}

// checkMemory refuses a plan whose machines, those that are to be started
// beside the ones that run, do not fit.
func (h *host) checkMemory(wanted map[string]string, prior map[string]Machine) error {
	var sum int64
	count := 0
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if prior[name].Running {
			continue
		}
		bytes, err := memoryBytes(wanted[name])
		if err != nil {
			return err
		}
		sum += bytes
		count++
	}
	return h.checkSum(sum, count)
}

// planMemory notes what a machine that is to be started will have, and refuses
// it when all that a command plans to start do not fit. A machine that runs
// already is none of them.
func (h *host) planMemory(machine, memory string, starts bool) error {
	bytes, err := memoryBytes(memory)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.planned == nil {
		h.planned = map[string]int64{}
	}
	if delete(h.planned, machine); !starts {
		return nil
	}
	h.planned[machine] = bytes
	var sum int64
	for _, one := range h.planned {
		sum += one
	}
	return h.checkSum(sum, len(h.planned))
}

// checkSum compares what machines are to have with what there was when nxc began.
func (h *host) checkSum(sum int64, count int) error {
	if h.available == 0 || sum <= h.available {
		return nil
	}
	who, together := "The machine that is to be started is", ""
	if count > 1 {
		who, together = fmt.Sprintf("%d machines that are to be started are", count), " together"
	}
	return sdk.AttributeError("memory", "There is too little memory on this machine",
		fmt.Sprintf("%s to have %s%s, and %s are available. Give machines less memory, start fewer, or end other programs.",
			who, inMegabytes(sum), together, inMegabytes(h.available)))
}
