package qemu

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// TestStoreOfHost: a kernel without 9p says what is missing, and its machine
// does not keep anybody waiting.
func TestStoreOfHost(t *testing.T) {
	needMachines(t)
	image, err := buildLight("9p")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	uuid := strings.Repeat("7", 32)
	op := operation(uuid, "qemu_machine.node", "1")
	op.Context = newKeys(t, filepath.Join(h.folders.Keys, uuid)).context(t, "node")
	node := &Machine{
		Name: "node", Kernel: image + "/kernel", Initrd: image + "/initrd", Memory: "256M",
		Network: newNetwork(t, h, uuid).ID, IP: "10.97.0.2",
		Shares: []Share{{Tag: "nxc-store", Source: "/nix/store", ReadOnly: true}},
	}
	t.Cleanup(func() {
		if err := (machines{h}).Delete(context.WithoutCancel(t.Context()), op, node); err != nil {
			t.Error(err)
		}
	})
	err = machines{h}.Create(t.Context(), op, node)
	if err == nil || !strings.Contains(err.Error(), "this kernel does not know 9p") {
		t.Errorf("a machine that wants the host's store: %v", err)
	}
}
