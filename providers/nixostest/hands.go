package nixostest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// What a machine's driver can do with it beside what ssh can is asked of
// session.py, which the driver runs: one thing a connection.

// wish is what a session is asked for.
type wish struct {
	Do      string `json:"do"` // runs, power, link, monitor, console, type
	Machine string `json:"machine"`
	Action  string `json:"action,omitempty"`
	Block   bool   `json:"block"`
	Command string `json:"command,omitempty"`
	Offset  int    `json:"offset"`
	Keys    string `json:"keys,omitempty"`
}

// granted is what a session answers.
type granted struct {
	Error string `json:"error"`
	Runs  bool   `json:"runs"`
	Said  string `json:"said"`
	Text  string `json:"text"` // of the console, from the offset on
	Size  int    `json:"size"` // of all that it said
}

// ask has a machine's session do something, and waits until it is done.
func (m machines) ask(ctx context.Context, have *Machine, w wish) (granted, error) {
	var g granted
	socket, err := os.ReadFile(filepath.Join(m.folderOf(kindMachine, have.ID), handsFile))
	var conn net.Conn
	if err == nil {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, "unix", string(socket))
	}
	if err != nil {
		return g, sdk.Error("The test's driver does not answer for "+have.Name, fmt.Sprintf("%v. nxc apply starts a driver that has ended.", err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	w.Machine = have.Name
	err = json.NewEncoder(conn).Encode(w)
	if err == nil {
		err = json.NewDecoder(conn).Decode(&g)
	}
	switch {
	case ctx.Err() != nil:
		return g, context.Cause(ctx)
	case err != nil:
		return g, sdk.Error("The test's driver went away", fmt.Sprintf("While it was asked for %s of %s: %v. nxc apply starts it anew.", w.Do, have.Name, err))
	case g.Error != "":
		return g, fmt.Errorf("the test's driver says of %s: %s", have.Name, g.Error)
	}
	return g, nil
}

// Power starts, stops, crashes, resets, pauses and unpauses a machine.
func (m machines) Power(ctx context.Context, op sdk.Operation, have *Machine, a plugins.PowerAction) error {
	op.Phase(string(a))
	if _, err := m.ask(ctx, have, wish{Do: "power", Action: string(a)}); err != nil {
		return err
	}
	if a == plugins.PowerStart || a == plugins.PowerReset {
		op.Phase("waiting for ssh on " + have.Name)
		return m.awaitSSH(ctx, op, have.ID)
	}
	return nil
}

// Link plugs a machine in or out. The interface that ssh comes through stays.
func (m machines) Link(ctx context.Context, _ sdk.Operation, have *Machine, l plugins.Link) error {
	if l.Delay != 0 || l.Loss != 0 || l.Rate != 0 {
		return sdk.Error("Machines of a test are only blocked",
			"NixOS's driver plugs a machine in or out of its network. It delays, loses and slows nothing: take vm or vm-ramdisk for that.")
	}
	_, err := m.ask(ctx, have, wish{Do: "link", Block: l.Block})
	return err
}

// Monitor gives the machine's QEMU a command in the words of its human monitor.
func (m machines) Monitor(ctx context.Context, _ sdk.Operation, have *Machine, command string) (string, error) {
	g, err := m.ask(ctx, have, wish{Do: "monitor", Command: command})
	return g.Said, err
}

// Console shows what the serial console said, goes on with what it says, and
// types on it what there is to type.
func (m machines) Console(ctx context.Context, _ sdk.Operation, have *Machine, c plugins.Console) error {
	g, err := m.ask(ctx, have, wish{Do: "console"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if c.Input != nil {
		go func() { cancel(m.typeOn(ctx, have, c)) }()
	}
	text, offset := lastLines([]byte(g.Text), c.Tail), g.Size
	for {
		if _, err := c.Output.Write(text); err != nil {
			return nil //nolint:nilerr // who watched has left
		}
		if !c.Follow && c.Input == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return leaving(ctx)
		case <-time.After(200 * time.Millisecond):
		}
		g, err := m.ask(ctx, have, wish{Do: "console", Offset: offset})
		if ctx.Err() != nil {
			return leaving(ctx)
		}
		if err != nil {
			return err
		}
		text, offset = []byte(g.Text), g.Size
	}
}

// errLeft says that whoever sat at a console has nothing more to type.
var errLeft = errors.New("left")

// leaving is why a console is left, unless for good.
func leaving(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, errLeft) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// typeOn types on a machine's console until there is no more to type.
func (m machines) typeOn(ctx context.Context, have *Machine, c plugins.Console) error {
	buffer := make([]byte, 4096)
	for {
		n, err := c.Input.Read(buffer)
		if n > 0 {
			if _, err := m.ask(ctx, have, wish{Do: "type", Keys: string(buffer[:n])}); err != nil {
				return err
			}
		}
		if err != nil {
			return errLeft
		}
	}
}

// lastLines are the last lines of a text; all, when there are to be fewer than none.
func lastLines(text []byte, n int) []byte {
	if n < 0 {
		return text
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if last := len(lines) - 1; len(lines[last]) == 0 {
		lines = lines[:last]
	}
	return bytes.Join(lines[max(0, len(lines)-n):], nil)
}
