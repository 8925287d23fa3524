package nixostest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"sync"
	"syscall"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// detachKey leaves a session to itself: Ctrl-].
const detachKey = 0x1d

// attach lets a caller sit at a driver's terminal, until the session ends or
// the caller leaves it.
func (h *host) attach(ctx context.Context, have *Driver, p plugins.Process) error {
	r := request{Do: "attach", By: myself()}
	if p.TTY != nil {
		r.Columns, r.Rows = p.TTY.Columns, p.TTY.Rows
	}
	conn, answer, err := ask(ctx, h.socketOf(have.ID), have.ID, r)
	switch {
	case errors.Is(err, errNoHolder):
		return sdk.Error("The test driver does not run", "Its session has ended. nxc apply starts it anew.")
	case err != nil:
		return err
	}
	defer conn.Close()
	if answer.Error != "" {
		return sdk.Error("Somebody sits at this session", answer.Error+" is attached to it. One can be at a time.")
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	encoder := json.NewEncoder(conn)
	var one sync.Mutex
	send := func(k keys) error {
		one.Lock()
		defer one.Unlock()
		return encoder.Encode(k)
	}
	go func() {
		for size := range p.Resize {
			_ = send(keys{Columns: size.Columns, Rows: size.Rows})
		}
	}()
	go func() {
		defer conn.Close()
		if p.Stdin == nil {
			return
		}
		buffer := make([]byte, 4096)
		for {
			n, err := p.Stdin.Read(buffer)
			typed, _, leave := bytes.Cut(buffer[:n], []byte{detachKey})
			if len(typed) > 0 && send(keys{Typed: typed}) != nil {
				return
			}
			if leave || err != nil {
				time.Sleep(200 * time.Millisecond) // for the answer to what was typed last
				return
			}
		}
	}()
	_, _ = io.Copy(p.Stdout, conn) // it ends when either side leaves
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// myself says who is attached, for those who would like to be.
func myself() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return fmt.Sprintf("%s (process %d)", name, os.Getppid())
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// tail shows a file's last lines, and what is added to it.
func tail(ctx context.Context, path string, c plugins.Console) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read what the session said: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	if lines := bytes.SplitAfter(text, []byte("\n")); c.Tail >= 0 && len(lines) > c.Tail {
		text = bytes.Join(lines[len(lines)-c.Tail:], nil)
	}
	for {
		if _, err := c.Output.Write(text); err != nil {
			return nil //nolint:nilerr // who watched has left
		}
		if !c.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
		if text, err = io.ReadAll(file); err != nil {
			return err
		}
	}
}
