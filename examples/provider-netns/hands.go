package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Exec runs a program on the node.
func (n nodes) Exec(ctx context.Context, _ sdk.Operation, have *Node, p plugins.Process) (int, error) {
	return sdk.RunCommand(ctx, n.inside(have, p), p)
}

// Copy lets the node's own tar do it, for which links are the node's.
func (n nodes) Copy(ctx context.Context, op sdk.Operation, have *Node, c plugins.Copy) error {
	var complaint bytes.Buffer
	p := plugins.Process{Stdin: c.In, Stdout: c.Out, Stderr: &complaint}
	if c.In != nil {
		p.Command = []string{"/bin/sh", "-c", `mkdir -p "$0" && exec tar -x -C "$0"`, c.Path}
	} else {
		p.Command = []string{"tar", "-c", "-C", path.Dir(c.Path), path.Base(c.Path)}
	}
	exit, err := n.Exec(ctx, op, have, p)
	if err == nil && exit != 0 {
		err = fmt.Errorf("tar ended with status %d: %s", exit, bytes.TrimSpace(complaint.Bytes()))
	}
	return err
}

// Console shows what the node's command printed.
func (n nodes) Console(ctx context.Context, _ sdk.Operation, have *Node, c plugins.Console) error {
	args := []string{"-n", strconv.Itoa(c.Tail)}
	if c.Tail < 0 {
		args = []string{"-n", "+1"}
	}
	if c.Follow {
		args = append(args, "-f")
	}
	cmd := exec.CommandContext(ctx, "tail", append(args, n.console(have))...)
	cmd.Stdout = c.Output
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// SetContext puts files below the node's root, each in one step.
func (n nodes) SetContext(_ context.Context, _ sdk.Operation, have *Node, c plugins.Context) error {
	for _, f := range c.Files {
		file := filepath.Join(have.Root, f.Path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := record.Replace(file, f.Content); err != nil {
			return err
		}
		if err := os.Chmod(file, os.FileMode(f.Mode)); err != nil {
			return err
		}
	}
	return nil
}
