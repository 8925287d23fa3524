package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
)

func TestContainerLife(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	image := d.busybox()
	op := d.op("docker_container.sleeper")
	op.Context = &plugins.Context{Files: []plugins.ContextFile{
		{Path: "/etc/nxc/deployment.json", Mode: 0o644, Content: []byte("{}")},
		{Path: "/etc/nxc/token", Mode: 0o644, Private: true, Content: []byte("secret")},
	}}
	want := d.sleeper(image)
	d.must(c.Create(ctx, op, &want))
	if want.ID == "" || !want.Running || !strings.Contains(want.ContainerName, "sleeper-"+op.Attempt[:8]) {
		t.Errorf("created: %+v", want)
	}

	have := want
	exists, err := c.Read(ctx, op, &have)
	if diff := cmp.Diff(want, have); err != nil || !exists || diff != "" {
		t.Errorf("read: exists %v, error %v, (-created +read):\n%s", exists, err, diff)
	}
	out, exit, err := d.run(ctx, want.ID, "stat", "-c", "%a %n", "/etc/nxc/deployment.json", "/etc/nxc/token", "/etc/nxc")
	if out != "644 /etc/nxc/deployment.json\n600 /etc/nxc/token\n755 /etc/nxc\n" || exit != 0 || err != nil {
		t.Errorf("the context inside: %q, exit %d, error %v", out, exit, err)
	}
	if out, _, _ := d.run(ctx, want.ID, "hostname"); out != "sleeper\n" {
		t.Errorf("host name inside: %q", out)
	}

	found, err := c.Find(ctx, op)
	if err != nil || len(found) != 1 || !found[0].Complete || found[0].Attempt != op.Attempt || found[0].Address != op.Address {
		t.Fatalf("found %+v, error %v", found, err)
	}
	if diff := cmp.Diff(want, found[0].Object); diff != "" {
		t.Errorf("found (-created +found):\n%s", diff)
	}

	// A container that stopped is started again.
	d.must(c.Power(ctx, op, &have, plugins.PowerCrash))
	if exists, err := c.Read(ctx, op, &have); !exists || err != nil || have.Running {
		t.Errorf("after a crash: exists %v, running %v, error %v", exists, have.Running, err)
	}
	again := have
	again.Running = true
	d.must(c.Update(ctx, op, have, &again))
	if !again.Running {
		t.Error("update did not start it again")
	}

	d.must(c.Delete(ctx, op, &again))
	d.must(c.Delete(ctx, op, &again))
	if exists, err := c.Read(ctx, op, &have); exists || err != nil {
		t.Errorf("after delete: exists %v, error %v", exists, err)
	}
	d.must(images{d.engine}.Delete(ctx, d.anyAttempt(), image))
	if left := d.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A container that was never started is half made, is found by its labels, and
// can be removed without its identifier.
func TestContainerHalfMade(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.broken")
	want := d.sleeper(d.busybox())
	want.Command = []string{"/nix/store/no-such/init"}
	err := c.Create(ctx, op, &want)
	if err == nil || !strings.HasPrefix(err.Error(), "sleeper cannot be started: The container does not see /nix/store/no-such/init") {
		t.Errorf("create: %v", err)
	}
	if want.ID == "" {
		t.Fatal("the half-made container is not recorded")
	}
	found, err := c.Find(ctx, op)
	if err != nil || len(found) != 1 || found[0].Complete {
		t.Fatalf("found %+v, error %v", found, err)
	}
	forgotten := d.sleeper(&Image{})
	d.must(c.Delete(ctx, op, &forgotten))
	if found, err := c.Find(ctx, op); err != nil || len(found) != 0 {
		t.Errorf("after delete: found %+v, error %v", found, err)
	}
}

// What the engine refuses leaves nothing to record.
func TestContainerRefused(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	image := d.busybox()
	stranger, err := d.client.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: "stranger-" + d.uuid, Config: &container.Config{Image: image.Reference, Cmd: []string{"true"}},
	})
	d.must(err)
	defer d.client.ContainerRemove(context.Background(), stranger.ID, client.ContainerRemoveOptions{Force: true})
	for name, test := range map[string]struct {
		change func(*Container)
		want   string
	}{
		"name conflict": {func(w *Container) { w.ContainerName = "stranger-" + d.uuid },
			fmt.Sprintf("The engine has another container of this name: Container stranger-%s (%s, created) is not nxc's, and is left alone.", d.uuid, stranger.ID[:12])},
		"no image": {func(w *Container) { w.Image = "no-such-image:1" }, `The engine does not have this image: "no-such-image:1" is not among the engine's images.`},
		"memory":   {func(w *Container) { w.Memory = "much" }, `This is not an amount of memory: "much" is not an amount such as 512M or 2G; the least is 6M.`},
	} {
		want := d.sleeper(image)
		test.change(&want)
		err := c.Create(ctx, d.op("docker_container.x"), &want)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || want.ID != "" || want.CgroupParent != "" {
			t.Errorf("%s: got %v, recorded %q\nwant %s", name, err, want.ID, test.want)
		}
	}
	stolen := d.sleeper(image)
	stolen.ID = stranger.ID
	if err := c.Delete(ctx, d.op("docker_container.x"), &stolen); err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("delete of a stranger: %v", err)
	}
	if _, err := d.client.ContainerInspect(ctx, stranger.ID, client.ContainerInspectOptions{}); err != nil {
		t.Errorf("the stranger was touched: %v", err)
	}
}

func TestContainerExitsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	want := d.sleeper(d.busybox())
	want.Command = []string{"sh", "-c", "echo it breaks >&2; exit 3"}
	err := containers{d.engine}.Create(t.Context(), d.op("docker_container.x"), &want)
	if err != nil { // it may also be read while it still runs
		if got := err.Error(); got != "sleeper ended at once: Its command exited with status 3.\nThe last lines of its log:\nit breaks" {
			t.Error(got)
		}
	}
}

// notFound is the status of a program that does not exist.
const notFound = 127

func TestExec(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.sleeper")
	have := d.sleeper(d.busybox())
	d.must(c.Create(ctx, op, &have))
	for name, test := range map[string]struct {
		p                      plugins.Process
		exit                   int
		stdout, stderr, anyway string
	}{
		"output":      {p: plugins.Process{Command: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}}, exit: 7, stdout: "out\n", stderr: "err\n"},
		"input":       {p: plugins.Process{Command: []string{"cat"}, Stdin: strings.NewReader("hello")}, stdout: "hello"},
		"environment": {p: plugins.Process{Command: []string{"sh", "-c", "echo $A $PATH; ls"}, Env: []string{"A=b"}, Dir: "/bin/.."}, anyway: "b /bin\nbin\n"},
		"terminal":    {p: plugins.Process{Command: []string{"sh", "-c", "sleep 0.3; stty size"}, TTY: &plugins.WindowSize{Columns: 101, Rows: 33}}, anyway: "101"},
		"not found":   {p: plugins.Process{Command: []string{"no-such-program"}}, exit: notFound, anyway: "no-such-program"},
	} {
		var stdout, stderr bytes.Buffer
		test.p.Stdout, test.p.Stderr = &stdout, &stderr
		exit, err := c.Exec(ctx, op, &have, test.p)
		if test.exit == notFound && exit == 126 { // engines before 23
			exit = notFound
		}
		if err != nil || exit != test.exit {
			t.Errorf("%s: exit %d, error %v; want exit %d", name, exit, err, test.exit)
		}
		if test.anyway == "" && (stdout.String() != test.stdout || stderr.String() != test.stderr) {
			t.Errorf("%s: stdout %q, stderr %q", name, &stdout, &stderr)
		}
		if test.anyway != "" && !strings.Contains(stdout.String()+stderr.String(), test.anyway) {
			t.Errorf("%s: stdout %q, stderr %q", name, &stdout, &stderr)
		}
	}
}

func TestExecSignalsAndInterruption(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.sleeper")
	have := d.sleeper(d.busybox())
	d.must(c.Create(ctx, op, &have))

	signals := make(chan string, 1)
	ready := writerFunc(func(p []byte) (int, error) { signals <- "INT"; return len(p), nil })
	trap := []string{"sh", "-c", "trap 'exit 5' INT; echo ready; while true; do sleep 0.1; done"}
	exit, err := c.Exec(ctx, op, &have, plugins.Process{Command: trap, Stdout: ready, Signals: signals})
	if exit != 5 || err != nil {
		t.Errorf("after INT: exit %d, error %v", exit, err)
	}

	short, cancel := context.WithCancel(ctx)
	started := writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if _, err := c.Exec(short, op, &have, plugins.Process{Command: []string{"sh", "-c", "echo ready; exec sleep 600.5"}, Stdout: started}); err == nil {
		t.Error("an interrupted exec reports success")
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		top, err := d.client.ContainerTop(ctx, have.ID, client.ContainerTopOptions{})
		if err == nil && !strings.Contains(fmt.Sprint(top.Processes), "600.5") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the program outlives its exec: %v, %v", top.Processes, err)
		}
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCopy(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.sleeper")
	have := d.sleeper(d.busybox())
	have.Tmpfs = map[string]string{"/run": ""}
	d.must(c.Create(ctx, op, &have))
	for _, folder := range []string{"/bin", "/run", "/var/run"} {
		if folder == "/var/run" {
			d.must(onlyError(d.run(ctx, have.ID, "sh", "-c", "mkdir -p /var; busybox ln -s /run /var/run")))
		}
		in := archiveOf(t, "dir/hello", "hello from "+folder)
		d.must(c.Copy(ctx, op, &have, plugins.Copy{Path: folder, In: in}))
		if out, _, _ := d.run(ctx, have.ID, "cat", folder+"/dir/hello"); out != "hello from "+folder {
			t.Errorf("inside %s: %q", folder, out)
		}
		for _, what := range []string{"/dir", "/dir/hello"} {
			var out bytes.Buffer
			d.must(c.Copy(ctx, op, &have, plugins.Copy{Path: folder + what, Out: &out}))
			name := strings.TrimPrefix("/dir/hello", strings.TrimSuffix(what, "dir")[:1])
			if what == "/dir/hello" {
				name = "hello"
			}
			if got := contentOf(t, &out, name); got != "hello from "+folder {
				t.Errorf("out of %s%s: %q", folder, what, got)
			}
		}
	}
	for _, path := range []string{"/no/such", "/run/no"} {
		err := c.Copy(ctx, op, &have, plugins.Copy{Path: path, Out: io.Discard})
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("copy of %s: %v", path, err)
		}
	}
}

func onlyError(_ string, _ int, err error) error { return err }

func archiveOf(t *testing.T, name, content string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "dir/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	io.WriteString(w, content)
	w.Close()
	return &b
}

func contentOf(t *testing.T, archive io.Reader, name string) string {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err != nil {
			return fmt.Sprintf("no %s in the archive: %v", name, err)
		}
		if strings.TrimPrefix(h.Name, "./") == name {
			content, _ := io.ReadAll(r)
			return string(content)
		}
	}
}

func TestConsole(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.sleeper")
	have := d.sleeper(d.busybox())
	d.must(c.Create(ctx, op, &have))
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	var text bytes.Buffer
	watch := writerFunc(func(p []byte) (int, error) { cancel(); return text.Write(p) })
	if err := c.Console(short, op, &have, plugins.Console{Follow: true, Tail: -1, Output: watch}); err != nil || text.String() != "ready\n" {
		t.Errorf("console: %q, error %v", &text, err)
	}
}

func TestPower(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	op := d.op("docker_container.sleeper")
	have := d.sleeper(d.busybox())
	d.must(c.Create(ctx, op, &have))
	state := func() string {
		seen, err := c.seek(ctx, op, &have)
		d.must(err)
		return string(seen.State.Status)
	}
	for _, step := range []struct {
		action plugins.PowerAction
		want   string
	}{
		{plugins.PowerPause, "paused"}, {plugins.PowerPause, "paused"}, {plugins.PowerUnpause, "running"}, {plugins.PowerUnpause, "running"},
		{plugins.PowerReset, "running"}, {plugins.PowerStop, "exited"}, {plugins.PowerStop, "exited"}, {plugins.PowerStart, "running"},
		{plugins.PowerStart, "running"}, {plugins.PowerCrash, "exited"}, {plugins.PowerCrash, "exited"},
	} {
		if err := c.Power(ctx, op, &have, step.action); err != nil {
			t.Errorf("%s: %v", step.action, err)
		}
		if got := state(); got != step.want {
			t.Errorf("after %s it is %s, want %s", step.action, got, step.want)
		}
	}
}

// Containers of one network find each other by name, alias and fixed address;
// their volumes outlive them.
func TestNetworkAndVolume(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	n, v, c, ctx := networks{d.engine}, volumes{d.engine}, containers{d.engine}, t.Context()
	subnet, err := d.subnetFor(d.uuid, 2)
	d.must(err)
	lan := Network{Name: "lan", Driver: "bridge", Subnet: subnet.String()}
	nop := d.op("docker_network.lan")
	for ; ; lan.Subnet = subnet.String() { // others test here too
		if err = n.Create(ctx, nop, &lan); err == nil || !strings.HasPrefix(err.Error(), "The subnet is in use") {
			break
		}
		d.taken = append(d.taken, subnet)
		delete(d.chosen, d.uuid)
		subnet, _ = d.subnetFor(d.uuid, 2)
	}
	d.must(err)
	if lan.Gateway != subnet.Addr().Next().String() || lan.ID == "" || !strings.Contains(lan.NetworkName, "-lan-") {
		t.Errorf("network: %+v", lan)
	}
	again := lan
	if exists, err := n.Read(ctx, nop, &again); !exists || err != nil || !cmp.Equal(lan, again) {
		t.Errorf("read: %v, %v, %s", exists, err, cmp.Diff(lan, again))
	}
	other := Network{Name: "lan", Driver: "bridge", Subnet: lan.Subnet}
	if err := n.Create(ctx, d.op("docker_network.other"), &other); err == nil || !strings.Contains(err.Error(), lan.NetworkName) {
		t.Errorf("an overlapping network: %v", err)
	}
	other = Network{Name: "lan", Driver: "bridge", NetworkName: lan.NetworkName}
	if err := n.Create(ctx, d.op("docker_network.other"), &other); err == nil || !strings.Contains(err.Error(), "another network of this name") {
		t.Errorf("a network of the same name: %v", err)
	}

	data := Volume{Name: "data", Driver: "local"}
	vop := d.op("docker_volume.data")
	d.must(v.Create(ctx, vop, &data))
	clash := Volume{Name: "data", Driver: "local", VolumeName: data.VolumeName}
	if err := v.Create(ctx, d.op("docker_volume.other"), &clash); err == nil || clash.ID != "" {
		t.Errorf("a volume of the same name: %v, recorded %q", err, clash.ID)
	}
	found, err := v.Find(ctx, vop)
	if err != nil || len(found) != 1 || !cmp.Equal(found[0].Object, data) {
		t.Errorf("volumes found: %+v, error %v", found, err)
	}

	image := d.busybox()
	address, _ := offset(subnet.Addr(), 9)
	one, two := d.sleeper(image), d.sleeper(image)
	one.Name, one.Network, one.IP, one.Aliases = "one", lan.ID, address.String(), []string{"all"}
	one.Volumes = []VolumeMount{{Volume: data.VolumeName, Target: "/data"}}
	two.Name, two.Network = "two", lan.NetworkName
	two.Volumes = []VolumeMount{{Volume: data.VolumeName, Target: "/data", ReadOnly: true}}
	oop, top := d.op("docker_container.one"), d.op("docker_container.two")
	d.must(c.Create(ctx, oop, &one))
	d.must(c.Create(ctx, top, &two))
	if one.Address != address.String() || two.Address == "" {
		t.Errorf("addresses: %q, %q", one.Address, two.Address)
	}
	for _, name := range []string{"one", "all"} {
		if out, _, _ := d.run(ctx, two.ID, "nslookup", name); !strings.Contains(out, address.String()) {
			t.Errorf("%s resolves to %q", name, out)
		}
	}
	d.must(onlyError(d.run(ctx, one.ID, "sh", "-c", "echo kept > /data/file")))
	if out, _, _ := d.run(ctx, two.ID, "sh", "-c", "cat /data/file; echo no > /data/file"); !strings.Contains(out, "kept\n") || !strings.Contains(out, "Read-only") {
		t.Errorf("the volume inside the other: %q", out)
	}
	if err := n.Delete(ctx, nop, &lan); err == nil || !strings.Contains(err.Error(), one.ContainerName) {
		t.Errorf("delete of a network in use: %v", err)
	}
	d.must(c.Delete(ctx, oop, &one))
	d.must(c.Delete(ctx, top, &two))
	d.must(n.Delete(ctx, nop, &lan))
	d.must(n.Delete(ctx, nop, &lan))
	d.must(v.Delete(ctx, vop, &data))
	d.must(v.Delete(ctx, vop, &data))
	d.must(images{d.engine}.Delete(ctx, d.anyAttempt(), image))
	if left := d.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A port that is taken is an error that names the holder.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	image := d.busybox()
	busy, err := net.Listen("tcp4", "127.0.0.1:0")
	d.must(err)
	defer busy.Close()
	published := func(name string, port int64) Container {
		w := d.sleeper(image)
		w.Name, w.Network = name, ""
		w.Ports = []Port{{Container: 80, Host: port, Address: "127.0.0.1", Protocol: "tcp"}}
		return w
	}
	one := published("one", 0)
	d.must(c.Create(ctx, d.op("docker_container.one"), &one))
	if len(one.Published) != 1 || !strings.HasPrefix(one.Published[0], "127.0.0.1:") {
		t.Fatalf("published: %v", one.Published)
	}
	var port int64
	fmt.Sscanf(one.Published[0], "127.0.0.1:%d/tcp", &port)
	two := published("two", port)
	err = c.Create(ctx, d.op("docker_container.two"), &two)
	if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("Port %d of the host is taken: The container %s (of nxc's deployment", port, one.ContainerName)) {
		t.Errorf("taken by a container: %v", err)
	}
	three := published("three", int64(busy.Addr().(*net.TCPAddr).Port))
	err = c.Create(ctx, d.op("docker_container.three"), &three)
	if err == nil || !strings.Contains(err.Error(), "The program docker.test (process ") {
		t.Errorf("taken by a program: %v", err)
	}
	if three.ID == "" {
		t.Error("the half-made container is not recorded")
	}
}

// An address that is taken is an error that names the container that has it, and
// what to do where the state does not know that one.
func TestAddressTaken(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	c, ctx := containers{d.engine}, t.Context()
	subnet, err := d.subnetFor(d.uuid, 2)
	d.must(err)
	lan := d.network(Network{Name: "lan", Driver: "bridge", Subnet: subnet.String()})
	one, two := d.sleeper(d.busybox()), d.sleeper(d.busybox())
	one.Name, one.Network, one.IP = "one", lan.NetworkName, subnet.Addr().Next().Next().String()
	two.Name, two.Network, two.IP = "two", one.Network, one.IP
	d.must(c.Create(ctx, d.op("docker_container.one"), &one))
	err = c.Create(ctx, d.op("docker_container.two"), &two)
	if err == nil || !strings.Contains(err.Error(), "The container "+one.ContainerName+" (of nxc's deployment") || !strings.Contains(err.Error(), "`nxc state recover`") {
		t.Errorf("got %v", err)
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	i, ctx := images{d.engine}, t.Context()
	op := d.op(`composition.web.docker.docker_image["base"]`)
	want := Image{Name: "base", Labels: map[string]string{"own": `a "quoted" $HOME \ value`}}
	d.must(i.Create(ctx, op, &want))
	found, err := i.Find(ctx, op)
	if err != nil || len(found) != 1 || found[0].Address != op.Address || found[0].Attempt != op.Attempt {
		t.Fatalf("found %+v, error %v", found, err)
	}
	if diff := cmp.Diff(want, found[0].Object); diff != "" {
		t.Errorf("found (-created +found):\n%s", diff)
	}
	seen, err := d.client.ImageInspect(ctx, want.ID)
	if err != nil || seen.Config.Labels["own"] != want.Labels["own"] {
		t.Errorf("label: %q, error %v", seen.Config.Labels["own"], err)
	}
	missing := Image{Name: "x", Archive: "no-such.tar"}
	if err := i.Create(ctx, d.op("docker_image.x"), &missing); err == nil || missing.Reference != "" {
		t.Errorf("a missing archive: %v, recorded %q", err, missing.Reference)
	}
	d.must(i.Delete(ctx, op, &want))
	d.must(i.Delete(ctx, op, &want))
	if left := d.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
