package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// cgroups is how the engine's host holds its control groups.
//
// A systemd inside a container needs a writable piece of the cgroup2 tree, and
// must not get more: whoever can write the whole tree can kill any container
// of the host. So each such container gets a parent of its own, which is bound
// writable over the tree bound read-only.
type cgroups struct {
	unified string   // where cgroup2 is mounted on the engine's host; "": nowhere
	mounts  []string // where any hierarchy is mounted, the unified one included
	slices  bool     // the engine's driver is systemd, whose parents are slices
	direct  bool     // we may work on the mounts ourselves
}

// findCgroups looks at this machine's mounts when the engine is on it, and
// else at what the engine says.
func (e *engine) findCgroups() cgroups {
	c := cgroups{}
	if e.sameHost() {
		if f, err := os.Open("/proc/self/mountinfo"); err == nil {
			c = parseCgroupMounts(f)
			f.Close()
			c.direct = os.Geteuid() == 0
		}
	}
	if c.unified == "" {
		c = cgroups{unified: "/sys/fs/cgroup/unified"}
		if e.info.CgroupVersion == "2" {
			c.unified = "/sys/fs/cgroup"
		}
	}
	c.slices = e.info.CgroupDriver == "systemd"
	return c
}

// parseCgroupMounts reads mountinfo. Mounts of a part of a hierarchy do not
// count.
func parseCgroupMounts(r io.Reader) cgroups {
	var c cgroups
	for lines := bufio.NewScanner(r); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		if !ok || len(fields) < 5 || fields[3] != "/" {
			continue
		}
		mount := strings.ReplaceAll(fields[4], `\040`, " ")
		switch kind {
		case "cgroup2":
			if c.unified == "" {
				c.unified = mount
			}
			c.mounts = append(c.mounts, mount)
		case "cgroup":
			c.mounts = append(c.mounts, mount)
		}
	}
	return c
}

// parent is the engine's name for the parent group of the container that an
// attempt makes.
func (c cgroups) parent(attempt string) string {
	attempt = attempt[:min(len(attempt), 16)]
	if c.slices { // a dash in a slice's name would make it a child of another
		return "nxc" + attempt + ".slice"
	}
	return "/nxc-" + attempt
}

// binds are the mounts that give a container its own part of the tree and a
// read-only view of the rest.
func (c cgroups) binds(parent string) []string {
	return []string{
		c.unified + ":/sys/fs/cgroup:ro",
		path.Join(c.unified, parent) + ":" + path.Join("/sys/fs/cgroup", parent) + ":rw",
	}
}

// removeParent removes the groups that the engine leaves behind when the last
// container below parent is gone: one a hierarchy, all empty. What cannot be
// removed costs nothing but a line in the log.
func (e *engine) removeParent(ctx context.Context, op sdk.Operation, gone Container) {
	if gone.CgroupParent == "" {
		return
	}
	var err error
	if e.cgroup.direct {
		err = e.cgroup.remove(gone.CgroupParent)
	} else {
		err = e.removeParentThroughContainer(ctx, op, gone)
	}
	if err != nil {
		op.Log(fmt.Sprintf("the empty control groups %s stay behind: %s", gone.CgroupParent, err))
	}
}

// remove removes parent and what is below it from every hierarchy.
func (c cgroups) remove(parent string) error {
	var errs []error
	for _, mount := range c.mounts {
		errs = append(errs, removeGroups(filepath.Join(mount, parent)))
	}
	return errors.Join(errs...)
}

// removeGroups removes a control group, deepest first. Files in it are the
// kernel's and go with it.
func removeGroups(group string) error {
	entries, err := os.ReadDir(group)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.IsDir() {
			errs = append(errs, removeGroups(filepath.Join(group, entry.Name())))
		}
	}
	if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removeParentThroughContainer does the same where we are not root: a
// container from the same image, with the node's own programs, removes the
// groups, and the engine removes it. It carries the node's labels, so that one
// that never started is found like any other half-made container.
func (e *engine) removeParentThroughContainer(ctx context.Context, op sdk.Operation, gone Container) error {
	labels, err := marks(op, "docker_container", gone.Name, nil, gone)
	if err != nil {
		return err
	}
	made, err := e.client.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:  gone.Image,
			Labels: labels,
			Env:    environmentOf(gone),
			Cmd: []string{"sh", "-c", `for d in /groups/"$0" /groups/*/"$0"; do test ! -d "$d" || rmdir "$d"; done`,
				strings.TrimPrefix(gone.CgroupParent, "/")},
		},
		HostConfig: &container.HostConfig{
			Binds:        append(bindsOf(gone), "/sys/fs/cgroup:/groups:rw"),
			NetworkMode:  "none",
			CgroupnsMode: container.CgroupnsModeHost,
			AutoRemove:   true,
		},
	})
	if err != nil {
		return err
	}
	wait := e.client.ContainerWait(ctx, made.ID, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	if _, err := e.client.ContainerStart(ctx, made.ID, client.ContainerStartOptions{}); err != nil {
		_, removeErr := e.client.ContainerRemove(context.WithoutCancel(ctx), made.ID, client.ContainerRemoveOptions{Force: true})
		return errors.Join(err, removeErr)
	}
	select {
	case r := <-wait.Result:
		if r.StatusCode != 0 {
			return fmt.Errorf("rmdir in a container ended with status %d", r.StatusCode)
		}
		return nil
	case err := <-wait.Error:
		return err
	}
}
