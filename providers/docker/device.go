package docker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// passed adds what a container gets of its host's hardware and kernel: devices,
// GPUs, limits of its processes, and parameters of its own namespaces.
func passed(want *Container, h *container.HostConfig) error {
	for i, text := range want.Devices {
		d, err := parseDevice(text)
		if err != nil {
			return sdk.AttributeError(fmt.Sprintf("devices[%d]", i), "This is not a device", err.Error()+".")
		}
		h.Devices = append(h.Devices, d)
	}
	request, err := parseGPUs(want.GPUs)
	if err != nil {
		return sdk.AttributeError("gpus", "These are not GPUs", err.Error()+".")
	}
	if request != nil {
		h.DeviceRequests = []container.DeviceRequest{*request}
	}
	for _, name := range keysOf(want.Ulimits) {
		u, err := ulimitOf(name, want.Ulimits[name])
		if err != nil {
			return err
		}
		h.Ulimits = append(h.Ulimits, u)
	}
	if len(want.Sysctls) > 0 {
		h.Sysctls = want.Sysctls
	}
	return nil
}

// ulimitOf reads LIMIT or SOFT:HARD of a limit of processes.
func ulimitOf(name, text string) (*units.Ulimit, error) {
	u, err := units.ParseUlimit(name + "=" + text)
	if err != nil {
		return nil, sdk.AttributeError("ulimits", "This is not a limit", fmt.Sprintf("%s = %q: %s. Write the limit, or SOFT:HARD.", name, text, err))
	}
	return u, nil
}

// parseDevice reads PATH[:INSIDE[:ACCESS]].
func parseDevice(text string) (container.DeviceMapping, error) {
	d := container.DeviceMapping{CgroupPermissions: "rwm"}
	parts := strings.Split(text, ":")
	for i, part := range parts {
		switch {
		case i < 2 && !strings.HasPrefix(part, "/"):
			return d, fmt.Errorf("in %q, %q is not an absolute path; write /dev/fuse, or /dev/fuse:/dev/fuse:rwm", text, part)
		case i == 2 && (part == "" || strings.Trim(part, "rwm") != ""), i > 2:
			return d, fmt.Errorf("%q ends in no access; write r, w and m (to make the file of the device), such as /dev/fuse:/dev/fuse:rw", text)
		case i == 2:
			d.CgroupPermissions = part
		}
	}
	d.PathOnHost, d.PathInContainer = parts[0], parts[min(1, len(parts)-1)]
	return d, nil
}

// parseGPUs reads all, a number, or device=ID,ID, as the docker command does.
func parseGPUs(text string) (*container.DeviceRequest, error) {
	if text == "" {
		return nil, nil
	}
	r := &container.DeviceRequest{Capabilities: [][]string{{"gpu"}}}
	ids, chosen := strings.CutPrefix(text, "device=")
	n, err := strconv.Atoi(text)
	switch {
	case chosen:
		if r.DeviceIDs = strings.Split(ids, ","); slices.Contains(r.DeviceIDs, "") {
			return nil, fmt.Errorf("%q names no device; write device=0,1 or device=UUID", text)
		}
	case text == "all":
		r.Count = -1
	case err == nil && n > 0:
		r.Count = n
	default:
		return nil, fmt.Errorf("%q is none of all, a number, and device=ID,ID", text)
	}
	return r, nil
}

// hardwareMissing turns the engine's refusal to pass something on into an error
// that says what is missing; nil when err is something else.
func hardwareMissing(have *Container, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "could not select device driver"):
		return sdk.AttributeError("gpus", "The engine has no GPUs to give",
			fmt.Sprintf("%s asks for GPUs (%s), and the engine has no driver for them. On its host, install the vendor's container toolkit (nvidia-container-toolkit), and restart the engine.", have.Name, have.GPUs))
	case strings.Contains(text, "gathering device information"):
		missing := errors.New(text)
		for _, one := range have.Devices {
			if path, _, _ := strings.Cut(one, ":"); strings.Contains(text, `"`+path+`"`) {
				missing = fmt.Errorf("the engine's host has no %s", path)
			}
		}
		return sdk.AttributeError("devices", fmt.Sprintf("%s cannot have a device", have.Name),
			fmt.Sprintf("%s. Leave it out, or load the kernel's module for it there.", missing))
	case strings.Contains(text, "sysctl") || strings.Contains(text, "/proc/sys"):
		return sdk.AttributeError("sysctls", fmt.Sprintf("%s cannot have these kernel parameters", have.Name),
			fmt.Sprintf("The engine says: %s. A container has parameters of its own below net., kernel.shm, kernel.msg, kernel.sem and fs.mqueue. only; others are the host's.", text))
	}
	return nil
}
