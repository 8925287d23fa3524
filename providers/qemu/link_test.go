package qemu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// TestLinkEndsWithStart: what nxc link said holds while a machine is brought up
// to date, and not for one that starts anew. The machine is held before its
// first instruction.
func TestLinkEndsWithStart(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-" + processor()); err != nil || testing.Short() {
		t.Skip("needs QEMU, and go test without -short")
	}
	h := newHost(t)
	m, uuid := machines{h}, newUUID()
	kernel := make([]byte, 1<<16)
	copy(kernel[514:], "HdrS\x02\x02") // as much of one as QEMU looks at
	for name, content := range map[string][]byte{"kernel": kernel, "initrd": []byte("initrd\n")} {
		if err := os.WriteFile(filepath.Join(h.folders.Project, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	network, op := newNetwork(t, h, uuid), operation(uuid, "qemu_machine.held", "1")
	node := &Machine{
		Name: "held", Kernel: "kernel", Initrd: "initrd", Memory: "32M", Arguments: []string{"-S"},
		NICs: []NIC{{Network: network.ID, IP: "10.97.0.2"}},
	}
	t.Cleanup(func() {
		if err := m.Delete(context.WithoutCancel(t.Context()), op, node); err != nil {
			t.Error(err)
		}
	})
	if err := m.Create(t.Context(), op, node); err != nil {
		t.Fatal(err)
	}
	slow := plugins.Link{Delay: time.Second}
	for _, step := range []struct {
		name string
		do   func() error
		want time.Duration
	}{
		{"link", func() error { return m.Link(t.Context(), op, node, slow) }, time.Second},
		{"update", func() error { return m.Update(t.Context(), op, *node, node) }, time.Second},
		{"reset", func() error { return m.Power(t.Context(), op, node, plugins.PowerReset) }, 0},
		{"link again", func() error { return m.Link(t.Context(), op, node, slow) }, time.Second},
		{"crash", func() error { return m.Power(t.Context(), op, node, plugins.PowerCrash) }, time.Second},
		{"start", func() error { return m.Power(t.Context(), op, node, plugins.PowerStart) }, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		p, err := lan.Plugged(h.folderOf(kindNetwork, network.ID), node.ID+"-0")
		if err != nil || p.Link.Delay != step.want {
			t.Errorf("after %s the delay is %s, want %s (%v)", step.name, p.Link.Delay, step.want, err)
		}
	}
}
