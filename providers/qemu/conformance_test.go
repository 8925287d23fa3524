package qemu

import (
	"os"
	"os/exec"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

// TestConformance drives networks and disks through the protocol.
func TestConformance(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	cases := []sdktest.Case{{
		Type:   "qemu_network",
		Config: map[string]any{"name": "lan", "subnet": "10.97.0.0/28"},
		Update: map[string]any{"name": "lan", "subnet": "10.98.0.0/28", "nat": false},
		Break: func(t *testing.T, o cty.Value) {
			id := o.GetAttr("id").AsString()
			pid := findProcess(switchProgram, id)
			if err := os.RemoveAll(h.folderOf(kindNetwork, id)); err != nil {
				t.Error(err)
			}
			kill(t.Context(), pid, switchProgram, id)
		},
		Kills: 2,
	}}
	if _, err := exec.LookPath("qemu-img"); err == nil {
		cases = append(cases, sdktest.Case{
			Type:   "qemu_disk",
			Config: map[string]any{"name": "data", "size": "64M"},
			Update: map[string]any{"name": "data", "size": "128M"},
			Break:  func(_ *testing.T, o cty.Value) { os.Remove(h.fileOf(o.GetAttr("id").AsString())) },
			Kills:  2,
		})
	}
	sdktest.Run(t, sdktest.Suite{
		Provider: Provider(), Command: sdktest.Self(), Folders: h.folders,
		Outside: func(*testing.T) []string { return left(h) },
		Cases:   cases,
	})
}

// TestMachineConformance drives a real machine through the protocol.
func TestMachineConformance(t *testing.T) {
	image := needMachines(t)
	t.Parallel()
	h := newHost(t)
	network := newNetwork(t, h, newUUID())
	sdktest.Run(t, sdktest.Suite{
		Provider: Provider(), Command: sdktest.Self(), Folders: h.folders,
		Outside: func(*testing.T) []string { return left(h) },
		Cases: []sdktest.Case{{
			Type: "qemu_machine",
			Config: map[string]any{
				"name": "node", "kernel": image + "/kernel", "initrd": image + "/initrd", "memory": "384M",
				"network": network.ID, "ip": "10.97.0.2",
			},
			CopyTo: "/tmp",
			Context: &plugins.Context{Files: []plugins.ContextFile{
				{Path: "/etc/nxc/node", Content: []byte("node\n")},
				{Path: "/etc/nxc/role", Content: []byte("node\n")},
			}},
			Kills: 1,
		}},
	})
}
