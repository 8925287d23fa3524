package nixostest

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

func addressOf(have *Machine) string { return fmt.Sprintf("127.0.0.1:%d", have.Port) }

// connect opens an ssh connection as root, with the deployment's own key, to
// the host key that the machine was given.
func (m machines) connect(ctx context.Context, op sdk.Operation, have *Machine) (*ssh.Client, error) {
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
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addressOf(have))
	if err != nil {
		return nil, sdk.Error(have.Name+" cannot be reached", fmt.Sprintf("%v. Does it run? nxc start starts a machine, and nxc apply a driver that has ended.", err))
	}
	c, err := sshnode.Handshake(ctx, conn, sshnode.AsRoot(key, host), sshnode.HandshakeTime)
	if err != nil {
		return nil, fmt.Errorf("reach %s by ssh: %w", have.Name, err)
	}
	return c, nil
}

// awaitSSH waits until a machine lets nxc in. Whoever leads its port accepts a
// connection before that.
func (m machines) awaitSSH(ctx context.Context, op sdk.Operation, id string) error {
	r, err := record.Read[Machine](m.folderOf(kindMachine, id))
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(5 * time.Minute); ; {
		c, err := m.connect(ctx, op, &r.Object)
		if err == nil {
			return c.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Exec runs a program on a machine.
func (m machines) Exec(ctx context.Context, op sdk.Operation, have *Machine, p plugins.Process) (int, error) {
	c, err := m.connect(ctx, op, have)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return sshnode.Run(ctx, c, p)
}

// Copy moves files by the machine's own tar.
func (m machines) Copy(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Copy) error {
	exec := func(ctx context.Context, p plugins.Process) (int, error) { return m.Exec(ctx, op, have, p) }
	return sshnode.Copy(ctx, have.Name, exec, c)
}
