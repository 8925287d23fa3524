package host_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// The test program is its own plugin and its own host: NXC_TEST_AS says what a
// child of it is to be.
func TestMain(m *testing.M) {
	role := ""
	if len(os.Args) > 2 && os.Args[1] == "as" {
		role = os.Args[2]
	}
	switch role {
	case "":
		os.Exit(m.Run())
	case "plugin":
		sdk.Serve(testProvider())
	case "crash":
		fmt.Fprintln(os.Stderr, "reading the configuration")
		panic("no configuration")
	case "exit":
		fmt.Fprintln(os.Stderr, "the engine is on strike")
		os.Exit(3)
	case "rubbish":
		fmt.Println("Usage: something else entirely")
		io.Copy(io.Discard, os.Stdin)
		time.Sleep(time.Minute)
	case "old":
		fmt.Println("1|7|unix|/nowhere|grpc|")
		time.Sleep(time.Minute)
	case "silent":
		time.Sleep(time.Minute)
	case "mute": // shakes hands with a socket at which nobody answers
		fmt.Println("1|1|unix|/nonexistent/socket|grpc|")
		time.Sleep(time.Minute)
	case "host":
		serveAsHost()
	case "sleep":
		time.Sleep(time.Minute)
	default:
		fmt.Fprintln(os.Stderr, "unknown role", role)
		os.Exit(2)
	}
}

// testProvider misbehaves as its resource asks.
func testProvider() sdk.Provider {
	return sdk.Provider{
		Name:    "test",
		Version: "1.2.3",
		Configure: sdk.Configure(func(ctx context.Context, c testConfig, _ plugins.Folders) (plugins.Location, error) {
			switch c.Mood {
			case "hang":
				slog.Info("asking the engine")
				time.Sleep(time.Minute)
			case "die":
				fmt.Fprintln(os.Stderr, "the engine took me with it")
				os.Exit(4)
			case "strays": // a child in our process group that holds stderr
				stray := exec.Command(os.Args[0], "as", "sleep")
				stray.Stderr = os.Stderr
				if err := stray.Start(); err != nil {
					return plugins.Location{}, err
				}
				return plugins.Location{Kind: "stray", ID: strconv.Itoa(stray.Process.Pid)}, nil
			case "detached":
				d := exec.Command(os.Args[0], "as", "sleep")
				if err := sdk.Detach(d); err != nil {
					return plugins.Location{}, err
				}
				return plugins.Location{Kind: "detached", ID: strconv.Itoa(d.Process.Pid)}, nil
			case "environment":
				return plugins.Location{Kind: "environment", ID: strings.Join(os.Environ(), "\n")}, nil
			}
			return plugins.Location{Kind: "test", ID: "1", Label: "test"}, nil
		}),
		Resources: []sdk.Resource{sdk.Managed[testThing]("test_thing", testHandler{})},
	}
}

type testConfig struct {
	Mood string `nxc:"mood"`
}

type testThing struct {
	Name string `nxc:"name,required,replace"`
	ID   string `nxc:"id,computed"`
}

type testHandler struct{}

func (testHandler) Create(ctx context.Context, op sdk.Operation, want *testThing) error {
	switch want.Name {
	case "die":
		fmt.Fprintln(os.Stderr, "fatal: out of luck")
		os.Exit(9)
	case "stuck":
		fmt.Fprintln(os.Stderr, "the engine says nothing")
		<-make(chan struct{})
	case "wait":
		op.Phase("waiting for the end")
		want.ID = "half made"
		<-ctx.Done()
		return ctx.Err()
	}
	want.ID = op.Attempt
	return nil
}

func (testHandler) Read(ctx context.Context, _ sdk.Operation, have *testThing) (bool, error) {
	switch have.Name {
	case "stuck":
		fmt.Fprintln(os.Stderr, "the engine does not say what it has")
		<-make(chan struct{})
	case "patient": // in sum longer than a call may be silent, and never so long at once
		for range 8 {
			sdk.Tell(ctx, "waiting for the engine's turn")
			time.Sleep(100 * time.Millisecond)
		}
	}
	return true, nil
}

func (testHandler) Delete(context.Context, sdk.Operation, *testThing) error { return nil }
func (testHandler) Find(context.Context, sdk.Operation) ([]sdk.Found[testThing], error) {
	return nil, nil
}

// serveAsHost starts a plugin that starts a program, and prints the process ids
// of both; it never ends.
func serveAsHost() {
	c, d := host.Launch(context.Background(), options("plugin"))
	if d.HasErrors() {
		fmt.Println("failed:", d)
		os.Exit(1)
	}
	l, d := c.Configure(context.Background(), plugins.ConfigureRequest{
		Config: cty.ObjectVal(map[string]cty.Value{"mood": cty.StringVal("strays")}),
	})
	if d.HasErrors() {
		fmt.Println("failed:", d)
		os.Exit(1)
	}
	fmt.Println(c.PID(), l.ID)
	time.Sleep(time.Minute)
}

func options(role string) host.Options {
	return host.Options{Name: "test", Path: os.Args[0], Args: []string{"as", role}}
}

func launch(t *testing.T, o host.Options) *host.Client {
	t.Helper()
	c, d := host.Launch(t.Context(), o)
	if d.HasErrors() {
		t.Fatalf("Launch: %v", d)
	}
	t.Cleanup(c.Kill)
	return c
}

func configure(t *testing.T, c *host.Client, mood string) (plugins.Location, plugins.Diagnostics) {
	t.Helper()
	return c.Configure(t.Context(), plugins.ConfigureRequest{
		Config: cty.ObjectVal(map[string]cty.Value{"mood": cty.StringVal(mood)}),
	})
}

func thing(name string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "id": cty.UnknownVal(cty.String)})
}

func create(ctx context.Context, c *host.Client, name string, progress func(plugins.Progress)) plugins.ApplyResult {
	return c.Apply(ctx, plugins.ApplyRequest{
		Type: "test_thing", Action: plugins.Create, Planned: thing(name),
		Operation: plugins.Operation{Address: "test_thing.a", Attempt: "f00"},
	}, progress)
}

func TestLaunch(t *testing.T) {
	c := launch(t, options("plugin"))
	s, d := c.Schema(t.Context())
	if d.HasErrors() {
		t.Fatal(d)
	}
	if s.Provider != "test" || s.Version != "1.2.3" {
		t.Errorf("schema of %s %s, want test 1.2.3", s.Provider, s.Version)
	}
	l, d := configure(t, c, "")
	if d.HasErrors() {
		t.Fatal(d)
	}
	if want := (plugins.Location{Kind: "test", ID: "1", Label: "test"}); l != want {
		t.Errorf("location %v, want %v", l, want)
	}
	r := create(t.Context(), c, "a", nil)
	if r.Diagnostics.HasErrors() {
		t.Fatal(r.Diagnostics)
	}
	if got := r.Object.GetAttr("id").AsString(); got != "f00" {
		t.Errorf("id %q, want the attempt", got)
	}
	started := time.Now()
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("Close took %s", took)
	}
	if alive(c.PID()) {
		t.Errorf("the plugin lives on after Close")
	}
}

// alive reports whether a process runs; one that only waits to be reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func waitGone(t *testing.T, pid int, limit time.Duration) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if !alive(pid) {
			return
		}
	}
	t.Errorf("process %d is still there after %s", pid, limit)
}

func TestLaunchFails(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	quick := func(role string) host.Options {
		o := options(role)
		o.StartTimeout = 500 * time.Millisecond
		return o
	}
	patient := options
	file := func(path string) host.Options { return host.Options{Name: "test", Path: path} }
	pinned := options("plugin")
	pinned.Checksum = "sha256:00"
	for name, test := range map[string]struct {
		options host.Options
		want    []string
	}{
		"not there":      {file(filepath.Join(dir, "none")), []string{"cannot be started", "There is no program"}},
		"not executable": {file(write("plain", "#!/bin/sh\n", 0o600)), []string{"cannot be started", "chmod +x"}},
		"no program":     {file(write("text", "hello", 0o700)), []string{"cannot be started", "not a program for this machine"}},
		"no interpreter": {file(write("elsewhere", "#!/nowhere/sh\n", 0o700)), []string{"cannot be started", "elsewhere is there", "#! line"}},
		"a folder":       {file(dir), []string{"cannot be started"}},
		"crashes":        {patient("crash"), []string{"ended before it could be used", "exit status 2", "panic: no configuration", "\n\nIf it happens again"}},
		"ends":           {patient("exit"), []string{"ended before it could be used", "exit status 3", "the engine is on strike"}},
		"prints rubbish": {patient("rubbish"), []string{"is not a plugin for nxc", `"Usage: something else entirely"`}},
		"another time":   {patient("old"), []string{"another version of the plugin protocol", "speaks version 7, this nxc speaks 1"}},
		"says nothing":   {quick("silent"), []string{"does not answer", "said nothing for 500ms"}},
		"mute":           {quick("mute"), []string{"Provider test"}},
		"not the pinned": {pinned, []string{"not the one that was pinned", "sha256:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			c, d := host.Launch(t.Context(), test.options)
			if !d.HasErrors() {
				// A connection is made at the first call.
				_, d = c.Schema(t.Context())
				defer c.Kill()
			}
			if !d.HasErrors() {
				t.Fatal("started")
			}
			for _, want := range test.want {
				if !strings.Contains(d.Error(), want) {
					t.Errorf("got %v\nwant it to say %q", d, want)
				}
			}
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
