package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// Link changes the quality of the machine's network, in the switch: of all its
// interfaces. What nxc itself does on the machine goes on, so that a blocked
// node can be asked how it feels.
func (m machines) Link(ctx context.Context, _ sdk.Operation, have *Machine, l plugins.Link) error {
	if len(have.interfaces()) == 0 {
		return sdk.Error(have.Name+" has no network", "There is no link whose quality could change.")
	}
	for i, nic := range have.interfaces() {
		dir := m.folderOf(kindNetwork, nic.Network)
		p, err := lan.Plugged(dir, portID(have, i))
		if errors.Is(err, fs.ErrNotExist) {
			return sdk.Error(have.Name+" is not plugged in", "Its network has forgotten it. Run nxc apply.")
		}
		if err != nil {
			return err
		}
		p.Link = lan.Link{Block: l.Block, Delay: l.Delay, Loss: l.Loss, Rate: l.Rate}
		if err := lan.Plug(dir, p); err != nil {
			return fmt.Errorf("change the link of %s: %w", have.Name, err)
		}
		if _, err := m.ensureSwitch(ctx, nic.Network); err != nil {
			return err
		}
	}
	return nil
}
