package qemu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
func (h *host) seesStore(have *Machine) bool {
	return slices.ContainsFunc(have.Shares, func(s Share) bool { return h.inProject(s.Source) == h.store().Place("/nix/store") })
}

// switchSystem has a running machine take on another system. What it lacks of
// it is copied into its memory, above the image of its store.
func (m machines) switchSystem(ctx context.Context, op sdk.Operation, have Machine, want *Machine) error {
	s := sdk.Switch{Name: want.Name, Old: have.System, New: want.System, Store: m.store(), Exec: func(ctx context.Context, p plugins.Process) (int, error) {
		return m.Exec(ctx, op, &have, p)
	}}
	if !m.seesStore(&have) {
		s.Copy = func(ctx context.Context, c plugins.Copy) error { return m.Copy(ctx, op, &have, c) }
	}
	return s.Run(ctx, op)
}

// bootedFile tells what a machine's QEMU was started with: the system and the
// context.
const bootedFile = "booted"

// booting is what a machine's QEMU would be started with now.
func (m machines) booting(have *Machine) []byte {
	files, err := os.ReadFile(filepath.Join(m.folderOf(kindMachine, have.ID), contextFile))
	if err != nil { // a machine of nobody's composition has none
		files = nil
	}
	return fmt.Appendf(nil, "%s\n%x\n", have.System, sha256.Sum256(files))
}

// outdated reports whether a reset would boot another system than the machine's,
// or tell the node what was true before: QEMU keeps the kernel and the initrd
// that it was started with.
func (m machines) outdated(have *Machine) bool {
	text, err := os.ReadFile(filepath.Join(m.folderOf(kindMachine, have.ID), bootedFile))
	return err == nil && !bytes.Equal(text, m.booting(have))
}
