package docker

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nixos-compose/nxc/plugins"
)

func TestShapeWords(t *testing.T) {
	for want, l := range map[string]plugins.Link{
		"":                                {},
		"netem delay 50000us":             {Delay: 50 * time.Millisecond},
		"netem delay 1us loss 0.5%":       {Delay: time.Microsecond, Loss: 0.005},
		"netem loss 100% rate 1000000bit": {Loss: 1, Rate: 1e6},
		"tbf rate 10000000bit burst 5000 latency 400ms": {Rate: 1e7},
		"tbf rate 1000bit burst 4096 latency 400ms":     {Rate: 1000},
	} {
		if diff := cmp.Diff(want, strings.Join(shapeWords(l), " ")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", l, diff)
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	if _, err := exec.LookPath("tc"); err != nil || !d.sameHost() || os.Geteuid() != 0 {
		t.Skip("needs root on the engine's machine, and tc")
	}
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.linked")
	have := d.sleeper(d.busybox())
	have.Network = "bridge"
	d.must(c.Create(ctx, op, &have))
	reaches := func() bool { return exec.Command("ping", "-c", "1", "-W", "1", have.Address).Run() == nil }
	if _, err := exec.LookPath("ping"); err == nil && !reaches() {
		t.Skip("the host does not reach containers here")
	} else if err != nil {
		reaches = nil
	}
	d.must(c.Link(ctx, op, &have, plugins.Link{Block: true}))
	if reaches != nil && reaches() {
		t.Error("a blocked container is reached")
	}
	d.must(c.Link(ctx, op, &have, plugins.Link{Rate: 1e7}))
	if reaches != nil && !reaches() {
		t.Error("a slow container is not reached")
	}
	seen, err := c.seek(ctx, op, &have)
	d.must(err)
	out, err := tcInside(ctx, seen.State.Pid, "qdisc", "show", "dev", "eth0")
	if err != nil || !strings.Contains(out, "tbf") || !strings.Contains(out, "rate 10Mbit") {
		t.Errorf("in force: %q, error %v", out, err)
	}
	d.must(c.Link(ctx, op, &have, plugins.Link{}))
	d.must(c.Link(ctx, op, &have, plugins.Link{}))
	if out, _ := tcInside(ctx, seen.State.Pid, "qdisc", "show", "dev", "eth0"); strings.Contains(out, "tbf") {
		t.Errorf("still in force: %q", out)
	}
	err = c.Link(ctx, op, &have, plugins.Link{Delay: time.Millisecond})
	if err != nil && !strings.Contains(err.Error(), "modprobe sch_netem") {
		t.Errorf("a delay: %v", err)
	}
}
