package docker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// limitsOf are a container's limits as the engine takes them. Zero is none.
func limitsOf(want Container) (container.Resources, error) {
	var r container.Resources
	memory, err := memoryBytes(want.Memory)
	if err != nil {
		return r, err
	}
	if want.CPUs < 0 {
		return r, sdk.AttributeError("cpus", "This is not a number of processors", fmt.Sprintf("%g is below zero.", want.CPUs))
	}
	r.Memory, r.NanoCPUs = memory, int64(want.CPUs*1e9)
	if memory > 0 {
		r.MemorySwap = 2 * memory // what the engine takes when it is not told
	}
	if want.PIDs > 0 {
		r.PidsLimit = &want.PIDs
	}
	return r, nil
}

// memoryBytes reads a limit of memory; "" is none.
func memoryBytes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n < 6<<20 {
		return 0, sdk.AttributeError("memory", "This is not an amount of memory", fmt.Sprintf("%q is not an amount such as 512M or 2G; the least is 6M.", text))
	}
	return n, nil
}

// restartPolicy reads when the engine starts a container again by itself.
func restartPolicy(text string) (container.RestartPolicy, error) {
	name, times, counted := strings.Cut(text, ":")
	p := container.RestartPolicy{Name: container.RestartPolicyMode(name)}
	var known bool
	switch p.Name {
	case "":
		p.Name = container.RestartPolicyDisabled
		known = text == ""
	case container.RestartPolicyDisabled, container.RestartPolicyAlways, container.RestartPolicyUnlessStopped:
		known = !counted
	case container.RestartPolicyOnFailure:
		var err error
		if counted {
			p.MaximumRetryCount, err = strconv.Atoi(times)
		}
		known = err == nil && p.MaximumRetryCount >= 0
	default:
		known = false
	}
	if !known {
		return p, sdk.AttributeError("restart", "This is not a restart policy",
			fmt.Sprintf("%q is none of no, always, unless-stopped, on-failure and on-failure:TIMES.", text))
	}
	return p, nil
}

// adjust gives a container that exists the limits and the restart policy that
// it should have. The engine cannot lift a limit of memory or processors, so a
// lifted one becomes all that the engine's host has.
func (c containers) adjust(ctx context.Context, op sdk.Operation, have Container, want *Container) error {
	if have.Memory == want.Memory && have.CPUs == want.CPUs && have.PIDs == want.PIDs && have.Restart == want.Restart {
		return nil
	}
	limits, err := limitsOf(*want)
	if err != nil {
		return err
	}
	restart, err := restartPolicy(want.Restart)
	if err != nil {
		return err
	}
	if limits.Memory == 0 && have.Memory != "" {
		limits.Memory, limits.MemorySwap = c.info.MemTotal, 2*c.info.MemTotal
	}
	if limits.NanoCPUs == 0 && have.CPUs != 0 {
		limits.NanoCPUs = int64(c.info.NCPU) * 1e9
	}
	if limits.PidsLimit == nil && have.PIDs != 0 {
		unlimited := int64(-1)
		limits.PidsLimit = &unlimited
	}
	op.Phase("changing limits")
	if _, err := c.client.ContainerUpdate(ctx, have.ID, client.ContainerUpdateOptions{Resources: &limits, RestartPolicy: &restart}); err != nil {
		return fmt.Errorf("change the limits of container %s: %w", have.ContainerName, err)
	}
	return nil
}

// observeLimits takes over limits that somebody changed outside nxc. One that
// is what was asked for keeps the words in which it was asked for, and one that
// amounts to the memory of the engine's whole host is none.
func (w *Container) observeLimits(h *container.HostConfig, total int64) {
	limit := h.Memory
	if total > 0 && limit >= total {
		limit = 0
	}
	if asked, err := limitsOf(*w); err == nil && limit != asked.Memory && h.Memory != asked.Memory {
		w.Memory = ""
		if limit > 0 {
			w.Memory = strconv.FormatInt(limit, 10)
		}
	}
	if p, err := restartPolicy(w.Restart); err == nil && h.RestartPolicy.Name != "" &&
		(p.Name != h.RestartPolicy.Name || p.MaximumRetryCount != h.RestartPolicy.MaximumRetryCount) {
		w.Restart = string(h.RestartPolicy.Name)
		if h.RestartPolicy.MaximumRetryCount > 0 {
			w.Restart += ":" + strconv.Itoa(h.RestartPolicy.MaximumRetryCount)
		}
	}
}
