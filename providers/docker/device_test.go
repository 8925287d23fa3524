package docker

import (
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
)

// Devices and parameters of the kernel reach a container, and only what was
// asked for does.
func TestHardware(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	if _, err := os.Stat("/dev/fuse"); err != nil || !d.sameHost() {
		t.Skip("the engine's host has no /dev/fuse")
	}
	c, ctx, image := containers{d.engine}, t.Context(), d.busybox()
	have := d.sleeper(image)
	have.Network = ""
	have.Devices = []string{"/dev/fuse", "/dev/fuse:/dev/nothing:r"}
	have.Sysctls = map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.ip_default_ttl": "42"}
	have.Ulimits = map[string]string{"nofile": "123:456"}
	have.Tmpfs = map[string]string{"/scratch": "size=1m"}
	d.must(c.Create(ctx, d.op("docker_container.hardware"), &have))
	for command, want := range map[string]string{
		"exec 3<>/dev/fuse && echo opened":                        "opened",
		"test -c /dev/nothing && echo there":                      "there",
		"echo x >/dev/nothing || echo refused":                    "refused",
		"cat /proc/sys/net/ipv4/ip_default_ttl":                   "42",
		"ulimit -Hn":                                              "456",
		"mkdir /scratch/x && cat /proc/mounts | tr ' ' , ; true":  "tmpfs,/scratch,tmpfs",
		"test -e /dev/kvm && echo a device that nobody asked for": "",
	} {
		if got := d.tell(have, "sh", "-c", command); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}

	// Which soft limit a program in the container has is up to the engine's runc,
	// which loses it at times; that the engine was told is up to us.
	seen, err := c.seek(ctx, d.op("docker_container.hardware"), &have)
	d.must(err)
	if u := seen.HostConfig.Ulimits; len(u) != 1 || u[0].Name != "nofile" || u[0].Soft != 123 || u[0].Hard != 456 {
		t.Errorf("ulimits: %v", u)
	}

	for want, bad := range map[string]Container{
		"the engine's host has no /dev/nowhere": {Devices: []string{"/dev/nowhere"}},
		"The engine has no GPUs to give":        {GPUs: "all"},
		"parameters of its own below net.":      {Sysctls: map[string]string{"kernel.hostname": "x"}},
	} {
		broken := d.sleeper(image)
		broken.Name, broken.Devices, broken.GPUs, broken.Sysctls = "broken", bad.Devices, bad.GPUs, bad.Sysctls
		op := d.op("docker_container.broken")
		err := c.Create(ctx, op, &broken)
		if err == nil && bad.GPUs != "" {
			d.must(c.Delete(ctx, op, &broken))
			continue // this machine has some
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		d.must(c.Delete(ctx, op, &broken))
	}
}

func TestHardwareMistakes(t *testing.T) {
	for want, bad := range map[string]Container{
		`"dev/fuse" is not an absolute path`:      {Devices: []string{"dev/fuse"}},
		`"/dev/fuse:/f:rx" ends in no access`:     {Devices: []string{"/dev/fuse:/f:rx"}},
		`"some" is none of all, a number`:         {GPUs: "some"},
		`"device=" names no device`:               {GPUs: "device="},
		`nofile = "lots"`:                         {Ulimits: map[string]string{"nofile": "lots"}},
		`nothing = "1": invalid ulimit type: not`: {Ulimits: map[string]string{"nothing": "1"}},
	} {
		d := containers{&engine{}}.Validate(t.Context(), bad)
		if !d.HasErrors() || !strings.Contains(d.Error(), want) {
			t.Errorf("got %v, want %s", d, want)
		}
	}
	h := &container.HostConfig{}
	if err := passed(&Container{GPUs: "device=0,GPU-1", Devices: []string{"/dev/a:/dev/b"}}, h); err != nil ||
		strings.Join(h.DeviceRequests[0].DeviceIDs, " ") != "0 GPU-1" || h.Devices[0].PathInContainer != "/dev/b" || h.Devices[0].CgroupPermissions != "rwm" {
		t.Errorf("%+v, error %v", h.Resources, err)
	}
}
