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
	"time"

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
// count, and of several mounts of one hierarchy the one where hosts have it
// does: while an engine copies into a container it has what that container
// mounts, the control groups among it, below its own folder too.
func parseCgroupMounts(r io.Reader) cgroups {
	var c cgroups
	hierarchies := map[string]int{} // device: its index in c.mounts
	unified := -1
	for lines := bufio.NewScanner(r); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		kind, _, _ := strings.Cut(after, " ")
		if !ok || len(fields) < 5 || fields[3] != "/" || kind != "cgroup" && kind != "cgroup2" {
			continue
		}
		mount := strings.ReplaceAll(fields[4], `\040`, " ")
		i, seen := hierarchies[fields[2]]
		switch {
		case !seen:
			i = len(c.mounts)
			hierarchies[fields[2]] = i
			c.mounts = append(c.mounts, mount)
		case usualMount(mount) && !usualMount(c.mounts[i]):
			c.mounts[i] = mount
		}
		if kind == "cgroup2" && unified < 0 {
			unified = i
		}
	}
	if unified >= 0 {
		c.unified = c.mounts[unified]
	}
	return c
}

// usualMount says that control groups are mounted here by whatever starts a host.
func usualMount(mount string) bool {
	return mount == "/sys/fs/cgroup" || strings.HasPrefix(mount, "/sys/fs/cgroup/")
}

// parent is the engine's name for the parent group of the container that op's
// attempt makes.
func (c cgroups) parent(op sdk.Operation) string {
	name := c.deploymentPrefix(op) + op.Attempt[:min(len(op.Attempt), 16)]
	if c.slices {
		return name + ".slice"
	}
	return "/" + name
}

// deploymentPrefix is how the parents of a deployment's containers begin. A
// dash in a slice's name would make it a child of another.
func (c cgroups) deploymentPrefix(op sdk.Operation) string {
	uuid := strings.ReplaceAll(op.UUID, "-", "")
	uuid = uuid[:min(len(uuid), 12)]
	if c.slices {
		return "nxc" + uuid
	}
	return "nxc-" + uuid + "-"
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
	if e.firstRemoval(op.UUID) {
		e.removeStrays(ctx, op)
	}
	if gone.CgroupParent == "" {
		return
	}
	var err error
	if e.cgroup.direct {
		err = e.cgroup.removeSoon(ctx, gone.CgroupParent)
	} else {
		err = e.removeParentThroughContainer(ctx, op, gone)
	}
	if err != nil {
		op.Log(fmt.Sprintf("the empty control groups %s stay behind: %s", gone.CgroupParent, err))
	}
}

// firstRemoval reports whether this is the first removal of a container of a
// deployment since the provider began: what strays there are was there then, and
// to look for them lists all containers of the engine.
func (e *engine) firstRemoval(deployment string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.removed == nil {
		e.removed = map[string]bool{}
	}
	first := !e.removed[deployment]
	e.removed[deployment] = true
	return first
}

// removeStrays removes the empty parents of op's deployment whose containers
// were removed outside nxc. A parent comes into being after its container, so
// those that exist before the containers are listed and belong to none of them
// belong to nobody. Where we are not root they stay until the next boot.
func (e *engine) removeStrays(ctx context.Context, op sdk.Operation) {
	if !e.cgroup.direct || op.UUID == "" {
		return
	}
	var groups []string
	for _, mount := range e.cgroup.mounts {
		found, _ := filepath.Glob(filepath.Join(mount, e.cgroup.deploymentPrefix(op)+"*"))
		groups = append(groups, found...)
	}
	if len(groups) == 0 {
		return
	}
	list, err := e.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofDeployment(op, "docker_container", false)})
	if err != nil {
		return
	}
	used := map[string]bool{}
	for _, c := range list.Items {
		one := op
		one.Attempt = c.Labels[labelAttempt]
		used[path.Base(e.cgroup.parent(one))] = true
	}
	for _, group := range groups {
		if !used[filepath.Base(group)] {
			os.Remove(group) // succeeds only when nothing is in it
		}
	}
}

// removeSoon removes parent once what is in it has ended: Podman's monitor of a
// container outlives it for a moment.
func (c cgroups) removeSoon(ctx context.Context, parent string) error {
	for tries := 0; ; tries++ {
		err := c.remove(parent)
		if err == nil || tries == 20 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
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

// removeScript removes the groups called $0 from every hierarchy, and what is
// left below them, deepest first.
const removeScript = `
remove() {
  for d in "$1"/*/; do test ! -d "$d" || remove "${d%/}" || return; done
  rmdir "$1"
}
for g in /groups/"$0" /groups/*/"$0"; do test ! -d "$g" || remove "$g" || exit; done`

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
			Cmd:    []string{"sh", "-c", removeScript, strings.TrimPrefix(gone.CgroupParent, "/")},
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
