package docker

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// inForce is what the engine says of a container's limits.
func (d *deployment) inForce(id string) *container.HostConfig {
	d.t.Helper()
	seen, err := d.client.ContainerInspect(d.t.Context(), id, client.ContainerInspectOptions{})
	d.must(err)
	return seen.Container.HostConfig
}

func TestLimitsInPlace(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.limited")
	have := d.sleeper(d.busybox())
	have.Memory, have.CPUs, have.Restart = "64M", 0.5, "no"
	d.must(c.Create(ctx, op, &have))
	id := have.ID

	change := func(memory string, cpus float64, pids int64, restart string) {
		t.Helper()
		want := have
		want.Memory, want.CPUs, want.PIDs, want.Restart = memory, cpus, pids, restart
		d.must(c.Update(ctx, op, have, &want))
		read := want
		if exists, err := c.Read(ctx, op, &read); !exists || err != nil || read.ID != id || read.Memory != memory || read.Restart != restart {
			t.Errorf("read after the change to %q, %q: %+v, error %v", memory, restart, read, err)
		}
		have = want
	}
	change("256M", 1, 100, "on-failure:3")
	h := d.inForce(id)
	if h.Memory != 256<<20 || h.MemorySwap != 512<<20 || h.NanoCPUs != 1e9 || *h.PidsLimit != 100 {
		t.Errorf("in force: memory %d, with swap %d, processors %d, processes %d", h.Memory, h.MemorySwap, h.NanoCPUs, *h.PidsLimit)
	}
	if h.RestartPolicy.Name != container.RestartPolicyOnFailure || h.RestartPolicy.MaximumRetryCount != 3 {
		t.Errorf("in force: restart %+v", h.RestartPolicy)
	}
	change("32M", 0.25, 50, "unless-stopped")
	change("", 0, 0, "no")
	h = d.inForce(id)
	if h.Memory != d.info.MemTotal || h.NanoCPUs != int64(d.info.NCPU)*1e9 || h.PidsLimit != nil && *h.PidsLimit > 0 {
		t.Errorf("lifted limits are still there: %+v", h.Resources)
	}

	// What somebody changes by hand is seen.
	_, err := d.client.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{
		Resources:     &container.Resources{Memory: 48 << 20, MemorySwap: 96 << 20},
		RestartPolicy: &container.RestartPolicy{Name: container.RestartPolicyAlways},
	})
	d.must(err)
	read := have
	if _, err := c.Read(ctx, op, &read); err != nil || read.Memory != "50331648" || read.Restart != "always" {
		t.Errorf("changed by hand: memory %q, restart %q, error %v", read.Memory, read.Restart, err)
	}
}

func TestLimitsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		want  Container
		error string
	}{
		"memory":     {Container{Memory: "lots"}, `"lots" is not an amount such as 512M or 2G`},
		"too little": {Container{Memory: "1M"}, "the least is 6M"},
		"cpus":       {Container{CPUs: -1}, "-1 is below zero"},
		"restart":    {Container{Restart: "sometimes"}, `"sometimes" is none of no, always`},
		"times":      {Container{Restart: "on-failure:x"}, `"on-failure:x" is none of`},
		"colon":      {Container{Restart: "always:3"}, `"always:3" is none of`},
	} {
		t.Run(name, func(t *testing.T) {
			d := containers{&engine{}}.Validate(t.Context(), test.want)
			if !d.HasErrors() || !strings.Contains(d.Error(), test.error) {
				t.Errorf("got %v, want %q", d, test.error)
			}
		})
	}
}
