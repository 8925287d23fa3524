package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole way once, for real: packages into the store, the webserver example
// evaluated and built, both roles booted as containers, a page fetched by name.
func TestBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	engine := newEngine(t)
	index, err := Ensure(t.Context(), Options{}, func(line string) { t.Log(line) })
	if err != nil {
		t.Skipf("skipped: no stand-in on this host: %v", err)
	}
	systems := build(t, index)

	server := engine.start("server", systems["server"])
	client := engine.start("client1", systems["client"])
	for _, node := range []container{server, client} {
		if state := node.waitUntilUp(); state != "running" {
			t.Errorf("%s is %s:\n%s", node.name, state, node.run("systemctl --failed --no-pager"))
		}
	}
	if page := client.run("curl -sS http://server/"); !strings.Contains(page, "hello from a test") {
		t.Errorf("the client got %q", page)
	}
	for node, want := range map[container]string{server: "server", client: "client1"} {
		if got := node.run("hostname"); got != want {
			t.Errorf("the host name is %q, want %q", got, want)
		}
	}
	if got := server.run("systemctl is-active nginx.service"); got != "active" {
		t.Errorf("nginx.service is %s", got)
	}
	if got := client.run("cat /etc/nxc/role"); got != "client1" {
		t.Errorf("the context did not survive the boot: %q", got)
	}
	if got := client.run("command -v nginx"); !strings.Contains(got, "exit status") {
		t.Errorf("a program of another role is on the PATH: %q", got)
	}

	start := time.Now()
	engine.docker("stop", server.id)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	engine.docker("start", server.id)
	if state := server.waitUntilUp(); state != "running" {
		t.Errorf("after a restart the server is %s", state)
	}
}

// build evaluates and builds the webserver example, and returns its systems by
// role.
func build(t *testing.T, index string) map[string]string {
	t.Helper()
	request := map[string]any{
		"composition": absolute(t, "../../examples/webserver/composition.nix"),
		"nixpkgs":     map[string]any{"embedded": true, "standin": index},
		"system":      system(),
		"flavour":     map[string]any{"name": "docker", "source": absolute(t, "../../providers/docker/nix")},
		"params":      map[string]any{"page": "hello from a test"},
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "request.json")
	write(t, file, string(text))
	output := program(t, "nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode",
		absolute(t, "../lib/entry.nix"), "--argstr", "request", file)
	var evaluation struct {
		Roles map[string]struct {
			System struct{ Drv, Path string }
		}
	}
	decode(t, []byte(output), &evaluation)
	systems := map[string]string{}
	for name, role := range evaluation.Roles {
		program(t, "nix-store", "--realise", role.System.Drv, "--add-root", filepath.Join(t.TempDir(), name), "--indirect",
			"--option", "build-users-group", "", "--option", "substitute", "false")
		systems[name] = role.System.Path
	}
	return systems
}

// engine is the Docker engine with what this test makes in it.
type engine struct {
	t                       *testing.T
	image, network, cgroups string
	id                      string // tells this test's things from all others
}

type container struct {
	*engine
	name, id, path string
}

// newEngine makes an empty image and a network, and removes them at the end.
func newEngine(t *testing.T) *engine {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), "docker", "version", "--format", "{{.Server.Version}}").CombinedOutput(); err != nil {
		t.Skipf("skipped: no Docker engine to boot in: %s", strings.TrimSpace(string(output)))
	}
	e := &engine{t: t, id: fmt.Sprintf("standin-%d", os.Getpid()), cgroups: cgroup2(t)}
	empty := filepath.Join(t.TempDir(), "empty.tar")
	write(t, empty, strings.Repeat("\000", 10240))
	e.image = e.docker("import", empty)
	t.Cleanup(func() { e.remove("rmi", e.image) })
	e.network = e.docker("network", "create", "nxc-test-"+e.id)
	t.Cleanup(func() { e.remove("network", "rm", e.network) })
	return e
}

// start runs a system as a container with a context in place.
func (e *engine) start(name, system string) container {
	e.t.Helper()
	parent := "/nxc-test-" + e.id + "-" + name
	id := e.docker("create", "--hostname", name, "--network", e.network, "--network-alias", name,
		"--cgroupns=host", "--cgroup-parent="+parent,
		"-v", e.cgroups+":/sys/fs/cgroup:ro", "-v", e.cgroups+parent+":/sys/fs/cgroup"+parent+":rw",
		"--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp",
		"-e", "container=docker", "-e", "PATH="+system+"/sw/bin", "--stop-signal", "SIGRTMIN+3", "-t",
		"-v", "/nix/store:/nix/store:ro", e.image, system+"/init")
	e.t.Cleanup(func() {
		e.remove("rm", "-f", id)
		removeGroups(parent)
	})
	folder := filepath.Join(e.t.TempDir(), "root")
	write(e.t, filepath.Join(folder, "etc/nxc/role"), name+"\n")
	e.docker("cp", folder+"/.", id+":/")
	e.docker("start", id)
	return container{e, name, id, system}
}

// waitUntilUp waits until systemd says how the boot ended.
func (c container) waitUntilUp() string {
	c.t.Helper()
	state := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		output, _ := exec.CommandContext(c.t.Context(), "docker", "exec", c.id, "systemctl", "is-system-running").CombinedOutput()
		state = strings.TrimSpace(string(output))
		if state == "running" || state == "degraded" {
			return state
		}
	}
	return state
}

// run runs a command in a login shell, and returns what it wrote, or why it
// failed.
func (c container) run(command string) string {
	output, err := exec.CommandContext(c.t.Context(), "docker", "exec", c.id, c.path+"/sw/bin/bash", "-lc", command).CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(output) + err.Error())
	}
	return strings.TrimSpace(string(output))
}

func (e *engine) docker(arguments ...string) string {
	e.t.Helper()
	return program(e.t, "docker", arguments...)
}

// remove runs after the test, whose context is gone by then.
func (e *engine) remove(arguments ...string) {
	if output, err := exec.CommandContext(context.Background(), "docker", arguments...).CombinedOutput(); err != nil {
		e.t.Errorf("docker %s: %s", strings.Join(arguments, " "), output)
	}
}

// cgroup2 is where the host has its cgroup2 hierarchy.
func cgroup2(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(mounts), "\n") {
		fields := strings.Fields(line)
		if strings.Contains(line, " - cgroup2 ") {
			return fields[4]
		}
	}
	t.Skip("skipped: the host has no cgroup2 hierarchy")
	return ""
}

// removeGroups removes the empty control groups that the engine leaves behind.
func removeGroups(parent string) {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*" + parent)
	for _, root := range append(roots, "/sys/fs/cgroup"+parent) {
		var folders []string
		_ = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
		for i := len(folders) - 1; i >= 0; i-- {
			_ = os.Remove(folders[i])
		}
	}
}

// program runs a program to its end and returns its output.
func program(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, arguments...)
	var problems strings.Builder
	command.Stderr = &problems
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, problems.String())
	}
	return strings.TrimSpace(string(output))
}
