package nixostest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// aSession runs session.py in a driver that has NixOS's methods, with one
// machine that nxc knows, and returns how to read what the driver says.
func aSession(t *testing.T, h *host) (m machines, have *Machine, terminal func() string) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("skipped: there is no python3")
	}
	m, have = machines{h}, &Machine{Name: "server", IP: "192.168.1.2"}
	if err := m.Create(t.Context(), operation("a"), have); err != nil {
		t.Fatal(err)
	}
	dir, scratch := t.TempDir(), t.TempDir()
	if err := saveContext(m.folderOf(kindMachine, have.ID), plugins.Context{}); err != nil {
		t.Fatal(err)
	}
	want := &Driver{Machines: []Member{{Name: "server", ID: have.ID}}}
	script, err := drivers{h}.writeSession(operation("a"), want, dir, scratch)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, terminalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command, err := drivers{h}.sessionCommand(aDriver(t, python+" testdata/driver.py", true), script, dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	terminal = func() string {
		said, _ := os.ReadFile(log.Name())
		return string(said)
	}
	for tries := 0; !isThere(filepath.Join(dir, readyFile)); tries++ {
		if tries > 600 {
			t.Fatalf("the session is not ready: %s", terminal())
		}
		time.Sleep(100 * time.Millisecond)
	}
	return m, have, terminal
}

// aDriver writes what a nixpkgs makes of a test's driver: a program that runs it,
// with its configuration where it has one.
func aDriver(t *testing.T, driver string, configured bool) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "nixos-test-driver")
	if configured {
		file := program + ".json"
		if err := os.WriteFile(file, []byte(`{"vlans": [1], "test_script": "/its/own"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		driver += " --config " + file
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec "+driver+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

// A session's script is run instead of the test's, by each kind of driver.
func TestSessionCommand(t *testing.T) {
	t.Parallel()
	dir, d := t.TempDir(), drivers{newHost(t)}
	program := aDriver(t, "driver", false)
	if got, err := d.sessionCommand(program, "/a/script", dir); err != nil || !slices.Equal(got, []string{program, "/a/script"}) {
		t.Errorf("a driver without a configuration: got %q, %v", got, err)
	}
	program = aDriver(t, "driver", true)
	file := filepath.Join(dir, configurationFile)
	if got, err := d.sessionCommand(program, "/a/script", dir); err != nil || !slices.Equal(got, []string{program, "--config", file}) {
		t.Errorf("a driver with a configuration: got %q, %v", got, err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != `{"test_script":"/a/script","vlans":[1]}` {
		t.Errorf("its configuration: got %s, %v", text, err)
	}
}

// TestHands asks a driver of NixOS's for all that a machine's hands are.
func TestHands(t *testing.T) {
	t.Parallel()
	m, have, terminal := aSession(t, newHost(t))
	ctx, op := t.Context(), operation("a")

	if !strings.Contains(terminal(), "the test may take its time") {
		t.Errorf("the session ends when a test would: %s", terminal())
	}
	said, err := m.Monitor(ctx, op, have, "info status")
	if err != nil || said != "VM status: running\n" {
		t.Errorf("the monitor said %q, %v", said, err)
	}
	if err := m.Link(ctx, op, have, plugins.Link{Block: true}); err != nil || !strings.Contains(terminal(), "set_link virtio-net-pci.1 off") {
		t.Errorf("block: %v: %s", err, terminal())
	}
	if err := m.Link(ctx, op, have, plugins.Link{}); err != nil || !strings.Contains(terminal(), "set_link virtio-net-pci.1 on") {
		t.Errorf("unblock: %v: %s", err, terminal())
	}
	if err := m.Link(ctx, op, have, plugins.Link{Delay: time.Second}); err == nil || !strings.Contains(err.Error(), "only blocked") {
		t.Errorf("a delay: %v", err)
	}
	for _, a := range []plugins.PowerAction{plugins.PowerPause, plugins.PowerUnpause, plugins.PowerStop, plugins.PowerStop, plugins.PowerCrash} {
		if err := m.Power(ctx, op, have, a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if err := m.Power(ctx, op, have, plugins.PowerPause); err == nil || !strings.Contains(err.Error(), "server: it does not run") {
		t.Errorf("pausing what is down: %v", err)
	}
	if there, err := m.Read(ctx, op, have); !there || err != nil || have.Running {
		t.Errorf("what was stopped reads as %+v, %v, %v", have, there, err)
	}
	// Nothing answers by ssh here, so the session is asked alone.
	for _, action := range []string{"start", "start", "reset", "crash", "start"} {
		if _, err := m.ask(ctx, have, wish{Do: "power", Action: action}); err != nil {
			t.Errorf("%s: %v", action, err)
		}
	}
	if there, err := m.Read(ctx, op, have); !there || err != nil || !have.Running {
		t.Errorf("what was started reads as %+v, %v, %v", have, there, err)
	}
	if led := strings.Count(terminal(), fmt.Sprintf("monitor hostfwd_add tcp::%d-:22", have.Port)); led != 4 {
		t.Errorf("the port was led %d times, and it started four times: %s", led, terminal())
	}
}

// TestConsole reads a console of a driver that keeps none, and types on it.
func TestConsole(t *testing.T) {
	t.Parallel()
	m, have, _ := aSession(t, newHost(t))
	for tail, want := range map[int]string{-1: "booting\na login prompt\n", 1: "a login prompt\n", 0: ""} {
		var said bytes.Buffer
		if err := m.Console(t.Context(), operation("a"), have, plugins.Console{Tail: tail, Output: &said}); err != nil || said.String() != want {
			t.Errorf("the last %d lines are %q, %v; want %q", tail, said.String(), err, want)
		}
	}
	keyboard, typed := io.Pipe()
	screen := &sitting{left: make(chan error, 1)}
	go func() {
		screen.left <- m.Console(t.Context(), operation("a"), have, plugins.Console{Follow: true, Input: keyboard, Output: screen})
	}()
	io.WriteString(typed, "root")
	if !screen.sees("root\n") {
		t.Errorf("what is typed is not seen: %q", screen.screen.String())
	}
	typed.Close()
	if err := <-screen.left; err != nil {
		t.Errorf("leaving: %v", err)
	}
}

// TestNoDriver asks for a machine whose driver has ended.
func TestNoDriver(t *testing.T) {
	t.Parallel()
	m, have := machines{newHost(t)}, &Machine{Name: "server"}
	if err := m.Create(t.Context(), operation("a"), have); err != nil {
		t.Fatal(err)
	}
	if err := m.Power(t.Context(), operation("a"), have, plugins.PowerCrash); err == nil || !strings.Contains(err.Error(), "nxc apply starts a driver") {
		t.Errorf("got %v", err)
	}
}
