package qemu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// connect opens an ssh connection as root, with the deployment's own key, to
// the host key that the machine was given.
func (m machines) connect(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	if have.Network == "" {
		return nil, sdk.Error(have.Name+" has no network", "nxc reaches machines by ssh. Give it a network.")
	}
	config, err := m.sshConfig(op, have)
	if err != nil {
		return nil, err
	}
	control, err := m.socket(have.Network, "c")
	if err != nil {
		return nil, err
	}
	address, err := netip.ParseAddr(have.IP)
	if err != nil {
		return nil, fmt.Errorf("address of %s: %w", have.Name, err)
	}
	conn, err := lan.Dial(ctx, control, netip.AddrPortFrom(address, 22))
	if err != nil {
		return nil, err
	}
	return sshnode.Handshake(ctx, conn, config, sshnode.HandshakeTime)
}

func (m machines) sshConfig(op sdk.Operation, have *Machine) (*ssh.ClientConfig, error) {
	key, err := sshnode.Key(m.folders.Keys, op.UUID)
	if err != nil {
		return nil, err
	}
	files, err := readContext(m.folderOf(kindMachine, have.ID))
	if err != nil {
		return nil, err
	}
	host, err := sshnode.HostKey(have.Name, files)
	if err != nil {
		return nil, err
	}
	return sshnode.AsRoot(key, host), nil
}

// reach connects to a machine that should be up, with what stands in the way
// repaired or explained.
func (m machines) reach(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	if have.Network != "" {
		if _, err := m.ensureSwitch(ctx, have.Network); err != nil {
			return nil, err
		}
	}
	var last error
	// A switch that has just been started is not connected to anything yet.
	for deadline := time.Now().Add(15 * time.Second); ; {
		c, err := m.connect(ctx, op, have)
		if err == nil {
			return c, nil
		}
		last = err
		var d plugins.Diagnostics
		if errors.As(err, &d) {
			return nil, err
		}
		if !m.runs(ctx, have) {
			return nil, sdk.Error(have.Name+" does not run", "Start it with nxc apply, or nxc start.")
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil, sdk.Error(have.Name+" does not answer by ssh", fmt.Sprintf("%v. See what it says with: nxc logs %s", last, have.Name))
}

// Exec runs a program by ssh. A busy machine may drop a connection before the
// program begins: then another one is tried, once.
func (m machines) Exec(ctx context.Context, op sdk.Operation, have *Machine, p plugins.Process) (int, error) {
	exit, err := m.exec(ctx, op, have, p)
	if errors.Is(err, sshnode.ErrNotBegun) && ctx.Err() == nil && m.runs(ctx, have) {
		return m.exec(ctx, op, have, p)
	}
	return exit, err
}

func (m machines) exec(ctx context.Context, op sdk.Operation, have *Machine, p plugins.Process) (int, error) {
	c, err := m.session(ctx, op, have)
	if err != nil {
		return 0, err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	go m.watch(ctx, have, c, lost)
	return sshnode.Run(ctx, c, p)
}

// watch ends a program whose machine is gone. The network between us does not
// tell: to it, a machine without power is one that says nothing. One that was
// started anew says that it knows nothing of the connection, when it is asked.
func (m machines) watch(ctx context.Context, have *Machine, c *ssh.Client, lost context.CancelCauseFunc) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	asked := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if findProcess("-uuid", have.UUID) == 0 {
			lost(sdk.Error(have.Name+" went down while the program ran", "Start it with nxc start."))
			c.Close()
			return
		}
		select {
		case asked <- struct{}{}:
			go func() { // a machine that is paused answers when it goes on
				_, _, _ = c.SendRequest("keepalive@openssh.com", true, nil)
				<-asked
			}()
		default:
		}
	}
}

// session returns a connection that is kept for the next call, because making
// one is dear where a processor is emulated. One that does not answer at once
// is replaced: its machine may have been started anew.
func (m machines) session(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
	m.mu.Lock()
	kept := m.sessions[have.ID]
	m.mu.Unlock()
	if kept != nil && sshnode.Answers(kept) {
		return kept, nil
	}
	c, err := m.reach(ctx, op, have)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions == nil {
		m.sessions = map[string]*ssh.Client{}
	}
	m.sessions[have.ID] = c
	return c, nil
}

// Copy moves files by the machine's own tar.
func (m machines) Copy(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Copy) error {
	exec := func(ctx context.Context, p plugins.Process) (int, error) { return m.Exec(ctx, op, have, p) }
	return sshnode.Copy(ctx, have.Name, exec, c)
}
