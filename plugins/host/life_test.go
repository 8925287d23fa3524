package host_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

func TestCrashDuringCall(t *testing.T) {
	c := launch(t, options("plugin"))
	_, d := configure(t, c, "die")
	wantSaid(t, d, "Provider test ended unexpectedly", "exit status 4", "during Configure", "the engine took me with it", "NXC_LOG=debug")
}

func TestCrashDuringApply(t *testing.T) {
	c := launch(t, options("plugin"))
	configure(t, c, "")
	r := create(t.Context(), c, "die", nil)
	wantSaid(t, r.Diagnostics, "ended unexpectedly", "exit status 9", "Apply (create) of test_thing", "fatal: out of luck", "found again")
	if !r.Lost {
		t.Error("the result is not marked as lost")
	}
	if !r.Object.IsNull() {
		t.Errorf("object %#v, want null as before", r.Object)
	}
	r = create(t.Context(), c, "a", nil)
	wantSaid(t, r.Diagnostics, "ended unexpectedly")
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestHang(t *testing.T) {
	o := options("plugin")
	o.ConfigureTimeout = 300 * time.Millisecond
	c := launch(t, o)
	_, d := configure(t, c, "hang")
	wantSaid(t, d, "does not answer", "Configure took longer than 300ms")
	waitGone(t, c.PID(), time.Second)
}

// An operation that does not end when its time is over takes the plugin with
// it. What else runs there is asked to end first, and tells how far it came.
func TestOverdue(t *testing.T) {
	o := options("plugin")
	o.Grace = 300 * time.Millisecond
	c := launch(t, o)
	configure(t, c, "")
	waiting := make(chan struct{})
	other := make(chan plugins.ApplyResult, 1)
	go func() { other <- create(t.Context(), c, "wait", func(plugins.Progress) { close(waiting) }) }()
	<-waiting
	r := c.Apply(t.Context(), plugins.ApplyRequest{
		Type: "test_thing", Action: plugins.Create, Planned: thing("stuck"),
		Operation: plugins.Operation{Address: "test_thing.a", Attempt: "f00", Timeout: 200 * time.Millisecond},
	}, nil)
	wantSaid(t, r.Diagnostics, "did not keep to a deadline", "create of test_thing.a", "200ms", "nor 600ms after", `create = "400ms"`, "the engine says nothing", "found again")
	if !r.Lost || !r.Diagnostics[0].Ended {
		t.Errorf("lost %v, %+v; want the plugin's end", r.Lost, r.Diagnostics)
	}
	halfMade(t, <-other)
	waitGone(t, c.PID(), time.Second)

	after := create(t.Context(), c, "a", nil)
	if after.Lost || len(after.Diagnostics) != 1 || after.Diagnostics[0].Detail != r.Diagnostics[0].Detail {
		t.Errorf("lost %v, %v; want the same words, and nothing lost", after.Lost, after.Diagnostics)
	}
}

func TestStopLetsWorkEnd(t *testing.T) {
	c := launch(t, options("plugin"))
	configure(t, c, "")
	waiting := make(chan struct{})
	result := make(chan plugins.ApplyResult, 1)
	go func() {
		result <- create(t.Context(), c, "wait", func(p plugins.Progress) {
			if p.Phase == "waiting for the end" {
				close(waiting)
			}
		})
	}()
	<-waiting
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	halfMade(t, <-result)
}

// A cancelled Apply still tells what it reached, and the plugin goes on.
func TestCancelledApply(t *testing.T) {
	c := launch(t, options("plugin"))
	configure(t, c, "")
	ctx, cancel := context.WithCancel(t.Context())
	halfMade(t, create(ctx, c, "wait", func(p plugins.Progress) { cancel() }))
	if r := create(t.Context(), c, "a", nil); r.Diagnostics.HasErrors() {
		t.Errorf("the next operation: %v", r.Diagnostics)
	}
}

func halfMade(t *testing.T, r plugins.ApplyResult) {
	t.Helper()
	if r.Lost || !r.Diagnostics.HasErrors() || r.Object.IsNull() {
		t.Fatalf("lost %v, object %#v, %v; want a half made object and an error", r.Lost, r.Object, r.Diagnostics)
	}
	if id := r.Object.GetAttr("id").AsString(); id != "half made" {
		t.Errorf("id %q, want what the handler left", id)
	}
}

func TestKillEndsAtOnce(t *testing.T) {
	c := launch(t, options("plugin"))
	configure(t, c, "")
	result := make(chan plugins.ApplyResult, 1)
	waiting := make(chan struct{})
	go func() {
		result <- create(t.Context(), c, "wait", func(plugins.Progress) { close(waiting) })
	}()
	<-waiting
	c.Kill()
	r := <-result
	wantSaid(t, r.Diagnostics, "was interrupted")
	if !r.Lost {
		t.Error("the result is not marked as lost")
	}
	waitGone(t, c.PID(), time.Second)
}

// A plugin that is stopped (as by SIGSTOP) does not answer its Close.
func TestCloseForces(t *testing.T) {
	c := launch(t, options("plugin"))
	configure(t, c, "")
	if err := syscall.Kill(c.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitStopped(t, c.PID())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v, want its deadline", err)
	}
	if alive(c.PID()) {
		t.Error("the plugin lives on")
	}
}

// waitStopped waits until every thread of a process has taken SIGSTOP, which
// reaches a busy machine's processors one by one.
func waitStopped(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		stopped := 0
		for _, file := range threads {
			stat, _ := os.ReadFile(file)
			if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "T") {
				stopped++
			}
		}
		if len(threads) > 0 && stopped == len(threads) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d threads are stopped", stopped, len(threads))
		}
	}
}

// What a plugin started and did not detach ends with it, even when it holds
// the plugin's stderr; what it detached goes on.
func TestChildrenOfThePlugin(t *testing.T) {
	for mood, survives := range map[string]bool{"strays": false, "detached": true} {
		t.Run(mood, func(t *testing.T) {
			c := launch(t, options("plugin"))
			l, d := configure(t, c, mood)
			if d.HasErrors() {
				t.Fatal(d)
			}
			child, err := strconv.Atoi(l.ID)
			if err != nil {
				t.Fatal(err)
			}
			started := time.Now()
			c.Close(t.Context())
			if took := time.Since(started); took > 3*time.Second {
				t.Errorf("Close took %s", took)
			}
			if !survives {
				waitGone(t, child, time.Second)
				return
			}
			time.Sleep(50 * time.Millisecond)
			if !alive(child) {
				t.Error("the detached program has ended")
			}
			syscall.Kill(child, syscall.SIGKILL)
		})
	}
}

// After kill -9 of the host neither the plugin nor what it started lives on.
func TestPluginEndsWithHost(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.Command(os.Args[0], "as", "host")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var plugin, stray int
	if _, err := fmt.Sscan(line, &plugin, &stray); err != nil {
		t.Fatalf("the host said %q", line)
	}
	if !alive(plugin) || !alive(stray) {
		t.Fatal("there is no plugin, or no program of its own")
	}
	cmd.Process.Kill()
	cmd.Wait()
	waitGone(t, plugin, time.Second)
	waitGone(t, stray, time.Second)
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("TEST_TOKEN", "its own")
	t.Setenv("DOCKER_HOST", "unix:///x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not for everybody")
	t.Setenv("EXTRA_ONE", "named")
	t.Setenv("NXC_TEST_SETTING", "its own")
	o := options("plugin")
	o.Env = []string{"EXTRA_*"}
	l, d := configure(t, launch(t, o), "environment")
	if d.HasErrors() {
		t.Fatal(d)
	}
	env := strings.Split(l.ID, "\n")
	has := func(name string) bool {
		for _, e := range env {
			if strings.HasPrefix(e, name+"=") {
				return true
			}
		}
		return false
	}
	for name, want := range map[string]bool{
		"PATH": true, "TEST_TOKEN": true, "DOCKER_HOST": true, "EXTRA_ONE": true, "NXC_TEST_SETTING": true,
		"AWS_SECRET_ACCESS_KEY": false, "NXC_HOST_PIPE": false,
	} {
		if has(name) != want {
			t.Errorf("%s: there is %v, want %v", name, has(name), want)
		}
	}
}

func TestStartedByHand(t *testing.T) {
	out, err := exec.Command(os.Args[0], "as", "plugin").CombinedOutput()
	if err == nil {
		t.Error("it exits with 0")
	}
	wantText(t, string(out), `nxc's plugin for the provider "test", version 1.2.3`, "nxc-provider-test", ".nxc/plugins")
}

func wantSaid(t *testing.T, d plugins.Diagnostics, wants ...string) {
	t.Helper()
	if !d.HasErrors() {
		t.Fatal("no error")
	}
	wantText(t, d.Error(), wants...)
}

func wantText(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}
