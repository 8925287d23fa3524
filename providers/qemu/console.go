package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Console shows what the serial console said, goes on with what it says, and,
// when there is input, is the terminal on it.
func (m machines) Console(ctx context.Context, _ sdk.Operation, have *Machine, c plugins.Console) error {
	file := filepath.Join(m.folderOf(kindMachine, have.ID), serialFile)
	offset, err := history(file, c)
	if errors.Is(err, fs.ErrNotExist) {
		return sdk.Error(have.Name+" has no console", "It was never started. Create it with nxc apply.")
	}
	if err != nil {
		return err
	}
	if c.Input != nil {
		return m.live(ctx, have, c)
	}
	if !c.Follow {
		return nil
	}
	for {
		offset, err = more(file, offset, c.Output)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // the one who watched has seen enough
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// history writes the last lines of the log, and returns where it ends.
func history(file string, c plugins.Console) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	shown := text
	if c.Tail >= 0 {
		lines := bytes.SplitAfter(text, []byte("\n"))
		if n := len(lines); n > 0 && len(lines[n-1]) == 0 {
			lines = lines[:n-1]
		}
		shown = bytes.Join(lines[max(0, len(lines)-c.Tail):], nil)
	}
	_, err = c.Output.Write(shown)
	return int64(len(text)), err
}

// more writes what the log has beyond offset. A shorter log is a new one.
func more(file string, offset int64, to io.Writer) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return offset, nil // being started anew
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() < offset {
		offset = 0
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return offset, err
	}
	n, err := io.Copy(to, f)
	return offset + n, err
}

// live connects input and output with the serial port, which takes one at a
// time.
func (m machines) live(ctx context.Context, have *Machine, c plugins.Console) error {
	path, err := m.socket(have.ID, "s")
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("unix", path, 3*time.Second)
	if err != nil {
		return sdk.Error("The console of "+have.Name+" cannot be opened", fmt.Sprintf("%v. Does the machine run? See nxc plan.", explainSocket(have, err)))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, c.Input)
		cancel()
	}()
	_, err = io.Copy(c.Output, conn)
	if ctx.Err() != nil {
		return nil // detached
	}
	return err
}
