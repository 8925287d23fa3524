package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
)

// systemdRoot makes an image that runs this machine's own systemd, whose /usr
// is mounted into it, with the given files and links ("-> target") beside.
func (d *deployment) systemdRoot(files map[string]string) *Image {
	d.t.Helper()
	if _, err := os.Stat("/usr/lib/systemd/systemd"); err != nil {
		d.t.Skip("no systemd on this machine")
	}
	all := map[string]string{
		"bin": "-> usr/bin", "sbin": "-> usr/sbin", "lib": "-> usr/lib", "lib64": "-> usr/lib64",
		"etc/machine-id": "", "etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/group": "root:x:0:\n",
		"etc/systemd/system/default.target": "[Unit]\nDescription=up\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n",
	}
	for name, content := range files {
		all[name] = content
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range keysOf(all) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(all[name]))}
		if target, ok := strings.CutPrefix(all[name], "-> "); ok {
			h = &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
		}
		d.must(w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, all[name])
			d.must(err)
		}
	}
	d.must(w.Close())
	d.must(os.WriteFile(filepath.Join(d.project, "systemd.tar"), b.Bytes(), 0o600))
	image := &Image{Name: "systemd", Archive: "systemd.tar"}
	d.must(images{d.engine}.Create(d.t.Context(), d.op("docker_image.systemd"), image))
	return image
}

// machine is a container that runs image's systemd.
func (d *deployment) machine(image *Image) Container {
	return Container{
		Name: "machine", Image: image.Reference, Command: []string{"/usr/lib/systemd/systemd"}, Systemd: true,
		Env: map[string]string{"PATH": "/usr/bin"}, Mounts: []Mount{{Source: "/usr", Target: "/usr", ReadOnly: true}}, Network: "none",
	}
}

// groups lists the control groups of a container's parent that exist.
func (d *deployment) groups(parent string) []string {
	var all []string
	for _, mount := range d.cgroup.mounts {
		if _, err := os.Stat(filepath.Join(mount, parent)); err == nil {
			all = append(all, filepath.Join(mount, parent))
		}
	}
	return all
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.machine")
	have := d.machine(d.systemdRoot(nil))
	d.must(c.Create(ctx, op, &have))
	if out, _, err := d.run(ctx, have.ID, "systemctl", "is-system-running"); out != "running\n" || err != nil {
		t.Errorf("state after create: %q, error %v", out, err)
	}
	if len(d.groups(have.CgroupParent)) == 0 {
		t.Errorf("no control group %s", have.CgroupParent)
	}
	// It may write below its own parent, and nowhere else.
	out, _, _ := d.run(ctx, have.ID, "sh", "-c", `mkdir /sys/fs/cgroup/mine; echo 1 > /sys/fs/cgroup/cgroup.procs; mkdir "$0" && rmdir "$0" && echo ok`, filepath.Join("/sys/fs/cgroup", have.CgroupParent, "sub"))
	if strings.Count(out, "Read-only file system") != 2 || !strings.Contains(out, "ok\n") {
		t.Errorf("its power over control groups: %s", out)
	}
	d.must(c.Power(ctx, op, &have, plugins.PowerReset))
	if out, _, _ := d.run(ctx, have.ID, "systemctl", "is-system-running"); out != "running\n" {
		t.Errorf("state after reset: %q", out)
	}
	if d.cgroup.direct { // as after a boot of the engine's host
		d.must(c.Power(ctx, op, &have, plugins.PowerStop))
		d.must(d.cgroup.remove(have.CgroupParent))
		d.must(c.Power(ctx, op, &have, plugins.PowerStart))
	}
	d.must(c.Delete(ctx, op, &have))
	if left := d.groups(have.CgroupParent); len(left) > 0 {
		t.Errorf("control groups left behind: %v", left)
	}
}

// A node cannot kill or catch its neighbours through the control groups, which
// it sees.
func TestSystemdNeighbours(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	image := d.systemdRoot(nil)
	attacker, victim := d.machine(image), d.machine(image)
	victim.Name = "victim"
	d.must(c.Create(ctx, d.op("docker_container.machine"), &attacker))
	d.must(c.Create(ctx, d.op("docker_container.victim"), &victim))
	const attack = `
seen=0
for group in $(find "/sys/fs/cgroup$0" -type d); do
  seen=$((seen + 1))
  for file in cgroup.kill cgroup.procs cgroup.freeze cgroup.subtree_control; do
    ( echo 1 >"$group/$file" ) 2>/dev/null && echo "wrote $group/$file"
  done
  mkdir "$group/mine" 2>/dev/null && echo "made $group/mine"
done
test $seen -gt 0 && echo tried
mount -o remount,rw /sys/fs/cgroup 2>/dev/null && echo remounted
exit 0`
	out, _, err := d.run(ctx, attacker.ID, "sh", "-c", attack, "/"+strings.TrimPrefix(victim.CgroupParent, "/"))
	if out != "tried\n" || err != nil {
		t.Errorf("what a node can do to another: %q, error %v", out, err)
	}
	if exists, err := c.Read(ctx, d.anyAttempt(), &victim); !exists || err != nil || !victim.Running {
		t.Errorf("the victim: exists %v, running %v, error %v", exists, victim.Running, err)
	}
}

func TestSystemdDegraded(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.machine")
	have := d.machine(d.systemdRoot(map[string]string{
		"etc/systemd/system/broken.service":                      "[Service]\nType=oneshot\nExecStart=/usr/bin/false\n",
		"etc/systemd/system/default.target.wants/broken.service": "-> ../broken.service",
	}))
	err := c.Create(ctx, op, &have)
	var warnings plugins.Diagnostics
	if !errors.As(err, &warnings) || warnings.HasErrors() || warnings[0].Summary != "machine is up, but units failed: broken.service" {
		t.Errorf("got %v, want a warning about broken.service", err)
	}
	if !have.Running {
		t.Error("it does not run")
	}
	// Where we are not root, a container from the same image removes the groups.
	d.cgroup.direct = false
	d.must(c.Delete(ctx, op, &have))
	if left := d.groups(have.CgroupParent); len(left) > 0 {
		t.Errorf("control groups left behind: %v", left)
	}
}

// What a container left that was removed outside nxc goes with the next one,
// and what belongs to a container that exists stays.
func TestStrayGroups(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	if !d.cgroup.direct {
		t.Skip("control groups belong to root")
	}
	c, ctx := containers{d.engine}, t.Context()
	op, other := d.op("docker_container.machine"), d.op("docker_container.other")
	have := d.machine(d.systemdRoot(nil))
	kept := have
	d.must(c.Create(ctx, op, &have))
	d.must(c.Create(ctx, other, &kept))
	d.must(c.Power(ctx, other, &kept, plugins.PowerStop))
	_, err := d.client.ContainerRemove(ctx, have.ID, client.ContainerRemoveOptions{Force: true})
	d.must(err)
	if len(d.groups(have.CgroupParent)) == 0 {
		t.Skip("this engine leaves nothing behind")
	}
	d.removeStrays(ctx, other)
	if left := d.groups(have.CgroupParent); len(left) > 0 {
		t.Errorf("control groups left behind: %v", left)
	}
	if len(d.groups(kept.CgroupParent)) == 0 {
		t.Error("the control groups of a container that exists were removed")
	}
}

func TestSystemdBreaks(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	have := d.machine(d.systemdRoot(nil))
	have.Command = []string{"/bin/sh", "-c", "echo no system here; sleep 0.5; exit 9"}
	err := containers{d.engine}.Create(t.Context(), d.op("docker_container.machine"), &have)
	if err == nil || !strings.Contains(err.Error(), "machine did not come up") || !strings.Contains(err.Error(), "the container stopped with status 9") || !strings.Contains(err.Error(), "no system here") {
		t.Errorf("got %v", err)
	}
	if have.ID == "" {
		t.Error("the half-made container is not recorded")
	}
}
