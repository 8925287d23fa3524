package qemu

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// saveContext keeps a context for the machine's next start.
func saveContext(dir string, c plugins.Context) error {
	return sshnode.KeepContext(filepath.Join(dir, contextFile), c)
}

func readContext(dir string) ([]plugins.ContextFile, error) {
	return sshnode.KeptContext(filepath.Join(dir, contextFile))
}

// appendContext writes the kept context as an archive that the kernel unpacks.
func appendContext(w io.Writer, dir string) error {
	files, err := readContext(dir)
	if err != nil {
		return err
	}
	return sshnode.AppendContext(w, files)
}

// SetContext delivers a context to a machine that runs, and keeps it for the
// next start.
func (m machines) SetContext(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Context) error {
	if err := saveContext(m.folderOf(kindMachine, have.ID), c); err != nil {
		return fmt.Errorf("keep the context of %s: %w", have.Name, err)
	}
	if len(c.Files) == 0 || !m.runs(ctx, have) {
		return nil
	}
	files, err := sshnode.PackContext(c)
	if err != nil {
		return fmt.Errorf("pack the context of %s: %w", have.Name, err)
	}
	return m.Copy(ctx, op, have, plugins.Copy{Path: "/", In: files})
}
