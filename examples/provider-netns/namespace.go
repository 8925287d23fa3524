package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Networks and nodes are both a named network namespace, and a folder whose
// record says whose it is. The folder comes first and goes last, so that Find
// finds what a command that was killed left.

// nameOf is the name of the namespace that an attempt makes.
func (w *world) nameOf(op sdk.Operation) string { return w.prefix + record.ID(op) }

func (w *world) folder(kind, id string) string { return filepath.Join(w.root, kind, id) }

// exists reports whether there is a namespace of that name.
func exists(id string) bool {
	_, err := os.Stat(filepath.Join("/run/netns", id))
	return id != "" && err == nil
}

// ip runs iproute2's program, with the arguments that stand in each line.
func ip(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if _, err := output(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func output(ctx context.Context, line string) (string, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "ip", strings.Fields(line)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("ip %s: %w: %s", line, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.String(), nil
}

// stop ends all that runs in a namespace.
func stop(ctx context.Context, id string) error {
	for {
		list, err := output(ctx, "netns pids "+id)
		if err != nil || list == "" {
			return err
		}
		for field := range strings.FieldsSeq(list) {
			if pid, err := strconv.Atoi(field); err == nil {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// remove removes a namespace and its folder, as far as they are there.
func (w *world) remove(ctx context.Context, op sdk.Operation, kind, id string) error {
	id = cmp.Or(id, w.nameOf(op)) // none, where Create did not come so far
	if exists(id) {
		if err := stop(ctx, id); err != nil {
			return err
		}
		if err := ip(ctx, "netns delete "+id); err != nil {
			return err
		}
	}
	if err := record.Remove(w.folder(kind, id)); err != nil {
		return err
	}
	os.Remove(filepath.Join(w.root, kind)) // when it was the last
	os.Remove(w.root)
	return nil
}
