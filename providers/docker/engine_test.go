package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// realEngine connects to the engine of this machine, or skips the test.
func realEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{}
	if _, err := e.configure(t.Context(), Config{}, plugins.Folders{Project: t.TempDir()}); err != nil {
		t.Skipf("no Docker engine here: %s", err)
	}
	return e
}

// deployment is a deployment of one test, with a uuid of its own. When the
// test ends, whatever carries the uuid is removed, and it is an error if the
// test itself had left something.
type deployment struct {
	*engine
	t    *testing.T
	uuid string
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{engine: realEngine(t), t: t, uuid: random()}
	t.Cleanup(d.sweep)
	return d
}

func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// op is an operation on the resource at address, with an attempt of its own.
func (d *deployment) op(address string) sdk.Operation {
	return sdk.Operation{Operation: plugins.Operation{
		Address: address, Deployment: "test::" + strings.ToLower(d.t.Name()), UUID: d.uuid, Attempt: random(),
	}}
}

// anyAttempt is an operation on what any attempt of the deployment made.
func (d *deployment) anyAttempt() sdk.Operation {
	return sdk.Operation{Operation: plugins.Operation{UUID: d.uuid}}
}

// sweep removes what carries the deployment's uuid.
func (d *deployment) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	op := d.anyAttempt()
	if list, err := (containers{d.engine}).Find(ctx, op); err == nil {
		for _, f := range list {
			d.check("container "+f.Object.ContainerName, containers{d.engine}.Delete(ctx, op, &f.Object))
		}
	}
	if list, err := (networks{d.engine}).Find(ctx, op); err == nil {
		for _, f := range list {
			d.check("network "+f.Object.NetworkName, networks{d.engine}.Delete(ctx, op, &f.Object))
		}
	}
	if list, err := (volumes{d.engine}).Find(ctx, op); err == nil {
		for _, f := range list {
			d.check("volume "+f.Object.VolumeName, volumes{d.engine}.Delete(ctx, op, &f.Object))
		}
	}
	if list, err := (images{d.engine}).Find(ctx, op); err == nil {
		for _, f := range list {
			d.check("image "+f.Object.Reference, images{d.engine}.Delete(ctx, op, &f.Object))
		}
	}
}

func (d *deployment) check(what string, err error) {
	if err != nil {
		d.t.Errorf("remove %s: %v", what, err)
	}
}

// left lists everything outside that carries the deployment's uuid.
func (d *deployment) left() []string {
	d.t.Helper()
	var names []string
	f := make(client.Filters).Add("label", labelDeployment+"="+d.uuid)
	c, err := d.client.ContainerList(d.t.Context(), client.ContainerListOptions{All: true, Filters: f})
	d.must(err)
	for _, one := range c.Items {
		names = append(names, "container "+one.ID)
	}
	n, err := d.client.NetworkList(d.t.Context(), client.NetworkListOptions{Filters: f})
	d.must(err)
	for _, one := range n.Items {
		names = append(names, "network "+one.ID)
	}
	v, err := d.client.VolumeList(d.t.Context(), client.VolumeListOptions{Filters: f})
	d.must(err)
	for _, one := range v.Items {
		names = append(names, "volume "+one.Name)
	}
	i, err := d.client.ImageList(d.t.Context(), client.ImageListOptions{All: true, Filters: f})
	d.must(err)
	for _, one := range i.Items {
		names = append(names, "image "+one.ID)
	}
	return names
}

func (d *deployment) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// busybox makes an image with a static busybox and its usual names.
func (d *deployment) busybox() *Image {
	d.t.Helper()
	program, err := exec.LookPath("busybox")
	if err != nil {
		d.t.Skip("no busybox here")
	}
	content, err := os.ReadFile(program)
	d.must(err)
	if f, err := elf.NewFile(bytes.NewReader(content)); err != nil {
		d.t.Skipf("%s is no program: %s", program, err)
	} else if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 {
		d.t.Skipf("%s is not static", program)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	d.must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(content))}))
	_, err = w.Write(content)
	d.must(err)
	for _, name := range []string{"sh", "cat", "sleep", "tar", "kill", "ls", "stat", "hostname", "nslookup", "stty", "nc", "ping", "tr", "test", "env", "rmdir", "wget", "httpd", "mkdir", "true"} {
		d.must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"}))
	}
	d.must(w.Close())
	d.must(os.WriteFile(filepath.Join(d.project, "busybox.tar"), b.Bytes(), 0o600))
	image := &Image{Name: "busybox", Archive: "busybox.tar"}
	d.must(images{d.engine}.Create(d.t.Context(), d.op("docker_image.busybox"), image))
	return image
}

// sleeper is a container that does nothing, in no network.
func (d *deployment) sleeper(image *Image) Container {
	return Container{
		Name: "sleeper", Image: image.Reference, Command: []string{"sh", "-c", "trap 'exit 0' TERM; echo ready; while true; do sleep 1 & wait; done"},
		Env: map[string]string{"PATH": "/bin"}, Network: "none",
	}
}

func TestConnectMistakes(t *testing.T) {
	folder := t.TempDir()
	dead := filepath.Join(folder, "dead.sock")
	for name, test := range map[string]struct{ host, want string }{
		"nothing there":       {"unix://" + dead, "No Docker engine runs here: Nothing listens at " + dead + " (from the provider block's host). Start it with: sudo systemctl start docker; install it with: sudo apt-get install docker.io; or name another engine in DOCKER_HOST."},
		"ssh with a password": {"ssh://me:secret@lab", `The engine's address is not understood: the provider block's host says "ssh://me:secret@lab": a password cannot be passed on; use a key. Write ssh://user@host:port.`},
		"no scheme":           {"lab:2375", `The engine's address is not understood: the provider block's host says "lab:2375"; write unix:///path/of/the.sock, tcp://host:port or ssh://user@host.`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&engine{}).configure(t.Context(), Config{Host: test.host}, plugins.Folders{})
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestEngineDataSource(t *testing.T) {
	e := realEngine(t)
	var info EngineInfo
	if err := e.describe(t.Context(), &info); err != nil {
		t.Fatal(err)
	}
	if info.ID == "" || info.Name == "" || info.CPUs == 0 || info.CgroupVersion == "" || info.APIVersion == "" {
		t.Errorf("incomplete: %+v", info)
	}
}
