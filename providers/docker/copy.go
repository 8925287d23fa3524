package docker

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Copy moves a tar stream to or from a container. The engine does so by
// itself, running or not, but sees no file systems in memory: for those the
// container's own tar does it.
func (c containers) Copy(ctx context.Context, op sdk.Operation, have *Container, cp plugins.Copy) error {
	inMemory, err := c.inMemory(ctx, have, cp.Path)
	switch {
	case err != nil:
	case inMemory:
		err = c.copyByTar(ctx, have, cp)
	case cp.In != nil:
		_, err = c.client.CopyToContainer(ctx, have.ID, client.CopyToContainerOptions{
			DestinationPath: cp.Path, Content: cp.In, AllowOverwriteDirWithFile: true,
		})
	default:
		err = c.copyOut(ctx, have, cp)
	}
	if errdefs.IsNotFound(err) {
		return sdk.Error(fmt.Sprintf("%s has no %s", have.Name, cp.Path), "Check the path; a folder to copy into must exist.")
	}
	return err
}

func (c containers) copyOut(ctx context.Context, have *Container, cp plugins.Copy) error {
	from, err := c.client.CopyFromContainer(ctx, have.ID, client.CopyFromContainerOptions{SourcePath: cp.Path})
	if err != nil {
		return err
	}
	defer from.Content.Close()
	_, err = io.Copy(cp.Out, from.Content)
	return err
}

// copyByTar lets the container's own tar pack or unpack.
func (c containers) copyByTar(ctx context.Context, have *Container, cp plugins.Copy) error {
	var complaint bytes.Buffer
	p := plugins.Process{Stdin: cp.In, Stdout: cp.Out, Stderr: &complaint}
	if cp.In != nil {
		p.Command = []string{"tar", "-x", "-f", "-", "-C", cp.Path}
		p.Stdout = &complaint
	} else {
		clean := path.Clean(cp.Path)
		p.Command = []string{"tar", "-c", "-f", "-", "-C", path.Dir(clean), path.Base(clean)}
	}
	exit, err := c.exec(ctx, have.ID, p)
	if err != nil {
		return err
	}
	if exit != 0 {
		return sdk.Error(fmt.Sprintf("Copying %s of %s failed", cp.Path, have.Name),
			fmt.Sprintf("The path is in memory, where only the node's own tar reaches it, and that ended with status %d: %s", exit, strings.TrimSpace(complaint.String())))
	}
	return nil
}

// inMemory reports whether a path lies on a file system that exists only
// inside the running container.
func (c containers) inMemory(ctx context.Context, have *Container, p string) (bool, error) {
	seen, err := c.client.ContainerInspect(ctx, have.ID, client.ContainerInspectOptions{})
	if err != nil {
		return false, err
	}
	state := seen.Container.State
	if state == nil || !state.Running {
		return false, nil
	}
	p = path.Clean("/" + p)
	if rest, ok := strings.CutPrefix(p, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		p = "/run" + rest // a link on every system
	}
	if c.sameHost() {
		if f, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", state.Pid)); err == nil {
			defer f.Close()
			return mountedInMemory(f, p), nil
		}
	}
	inside := []string{"/dev", "/proc", "/sys"}
	if have.Systemd {
		inside = append(inside, "/run", "/tmp")
	}
	for target := range have.Tmpfs {
		inside = append(inside, path.Clean(target))
	}
	return slices.ContainsFunc(inside, func(root string) bool { return below(p, root) }), nil
}

// mountedInMemory finds the mount that holds p in a mountinfo.
func mountedInMemory(mountinfo io.Reader, p string) bool {
	kinds := []string{"tmpfs", "ramfs", "devtmpfs", "devpts", "proc", "sysfs", "cgroup", "cgroup2", "mqueue"}
	longest, inMemory := "", false
	for lines := bufio.NewScanner(mountinfo); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 || !below(p, fields[4]) || len(fields[4]) < len(longest) {
			continue
		}
		kind, _, _ := strings.Cut(after, " ")
		longest, inMemory = fields[4], slices.Contains(kinds, kind)
	}
	return inMemory
}

// below reports whether p is root or inside it; both are clean.
func below(p, root string) bool {
	return root == "/" || p == root || strings.HasPrefix(p, root+"/")
}
