package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Power starts, stops, crashes, resets, pauses and unpauses a machine.
func (m machines) Power(ctx context.Context, op sdk.Operation, have *Machine, a plugins.PowerAction) error {
	there, err := record.Exists[Machine](op, m.folderOf(kindMachine, have.ID))
	if err != nil {
		return err
	}
	if !there {
		return sdk.Error(have.Name+" is gone", "Its folder was removed outside nxc. Create it again with nxc apply.")
	}
	runs := m.runs(ctx, have)
	if runs && (a == plugins.PowerStart || a == plugins.PowerReset) && m.adrift(have) {
		if err := m.crash(ctx, have); err != nil {
			return err
		}
		runs = false
	}
	switch a {
	case plugins.PowerStart:
		if runs {
			return nil
		}
		return m.start(ctx, op, have)
	case plugins.PowerStop:
		if !runs {
			return nil
		}
		return m.stop(ctx, op, have)
	case plugins.PowerCrash:
		return m.crash(ctx, have)
	case plugins.PowerReset:
		if runs && m.outdated(have) {
			if err := m.crash(ctx, have); err != nil {
				return err
			}
			runs = false
		}
		if !runs {
			return m.start(ctx, op, have)
		}
		return m.reset(ctx, op, have)
	case plugins.PowerPause, plugins.PowerUnpause:
		command := map[plugins.PowerAction]string{plugins.PowerPause: "stop", plugins.PowerUnpause: "cont"}[a]
		if err := m.tell(ctx, have, command); err != nil {
			return fmt.Errorf("%s %s: %w", a, have.Name, err)
		}
		return nil
	}
	return sdk.Error(fmt.Sprintf("Machines know no %q", a), "They can be started, stopped, crashed, reset, paused and unpaused.")
}

// stop asks the system to power down, waits, and ends QEMU when it does not.
func (m machines) stop(ctx context.Context, op sdk.Operation, have *Machine) error {
	op.Phase("powering down")
	_ = m.tell(ctx, have, "system_powerdown") // a system may ignore the button
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	if c, err := m.connect(asking, op, have); err == nil {
		_, _ = sshnode.Run(asking, c, plugins.Process{Command: []string{"sh", "-c", "systemctl --no-block poweroff || poweroff"}})
		c.Close()
	}
	cancel()
	process := findProcess("-uuid", have.UUID)
	for deadline := time.Now().Add(m.patience.stop); time.Now().Before(deadline); {
		if !names(process, "-uuid", have.UUID) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to power down: %w", have.Name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	op.Log(fmt.Sprintf("%s did not power down within %s, and was ended", have.Name, m.patience.stop))
	return m.crash(ctx, have)
}

// crash ends QEMU at once, and waits until it is gone.
func (m machines) crash(ctx context.Context, have *Machine) error {
	return kill(ctx, findProcess("-uuid", have.UUID), "-uuid", have.UUID)
}

// reset presses the button, and waits until the machine is up again.
func (m machines) reset(ctx context.Context, op sdk.Operation, have *Machine) error {
	op.Phase("resetting the machine")
	var offset int64
	if log, err := os.Stat(filepath.Join(m.folderOf(kindMachine, have.ID), serialFile)); err == nil {
		offset = log.Size()
	}
	// A blocked machine would wait for its address in vain.
	if err := m.plugIn(ctx, have, false); err != nil {
		return err
	}
	if err := m.tell(ctx, have, "system_reset"); err != nil {
		return fmt.Errorf("reset %s: %w", have.Name, err)
	}
	return m.awaitBoot(ctx, op, have, offset)
}
