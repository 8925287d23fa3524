package qemu

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// planSystem asks for another machine when the system is another, unless the
// running one is to take it on: then only for what no running system can.
func planSystem(prior *Machine, p *sdk.Planned[Machine]) {
	v := &p.Value
	switch {
	case prior == nil || !p.Unknown("system") && prior.System == v.System:
	case v.Update != sdk.UpdateSwitch || p.Unknown("system") || prior.System == "" || v.System == "":
		p.Replace("system", "its system changed")
	case p.Unknown("kernel") || prior.Kernel != v.Kernel:
		p.Replace("kernel", "its kernel changed")
	case !p.Unknown("modules") && !slices.Equal(prior.Modules, v.Modules):
		p.Replace("modules", "its first stage loads other modules")
	}
}

// seesStore reports whether a machine shares this machine's store.
func seesStore(have *Machine) bool {
	return slices.ContainsFunc(have.Shares, func(s Share) bool { return filepath.Clean(s.Source) == "/nix/store" })
}

// switchSystem has a running machine take on another system. What it lacks of
// it is copied into its memory, above the image of its store.
func (m machines) switchSystem(ctx context.Context, op sdk.Operation, have Machine, want *Machine) error {
	s := sdk.Switch{Name: want.Name, Old: have.System, New: want.System, Exec: func(ctx context.Context, p plugins.Process) (int, error) {
		return m.Exec(ctx, op, &have, p)
	}}
	if !seesStore(&have) {
		s.Copy = func(ctx context.Context, c plugins.Copy) error { return m.Copy(ctx, op, &have, c) }
	}
	return s.Run(ctx, op)
}

// bootedFile holds the system that a machine's QEMU was started with.
const bootedFile = "booted"

// outdated reports whether a reset would boot another system than the machine's:
// QEMU keeps the kernel and the initrd that it was started with.
func (m machines) outdated(have *Machine) bool {
	text, err := os.ReadFile(filepath.Join(m.folderOf(kindMachine, have.ID), bootedFile))
	return err == nil && strings.TrimSpace(string(text)) != have.System
}
