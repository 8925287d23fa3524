package nixostest

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

func TestMain(m *testing.M) {
	sdktest.Main(Provider)
	os.Exit(m.Run())
}

func newHost(t *testing.T) *host {
	t.Helper()
	runtime, err := os.MkdirTemp("", "nxt") // a short path, for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	h := &host{}
	folders := plugins.Folders{State: t.TempDir(), Runtime: filepath.Join(runtime, "r"), Cache: t.TempDir(), Keys: t.TempDir()}
	for _, folder := range []string{folders.Runtime} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.configure(t.Context(), struct{}{}, folders); err != nil {
		t.Fatal(err)
	}
	return h
}

func operation(attempt string) sdk.Operation {
	return sdk.Operation{Operation: plugins.Operation{UUID: "0123456789abcdef0123456789abcdef", Address: "composition.c.f.x[\"y\"]", Attempt: attempt}}
}

// derivation instantiates a build without any input, whose script is a shell's.
func derivation(t *testing.T, name, script string) (drv, out string) {
	t.Helper()
	program, err := findNix("nix-instantiate")
	if err != nil {
		t.Skip("skipped: there is no Nix")
	}
	index, err := standin.Ensure(t.Context(), standin.Options{}, nil)
	if err != nil {
		t.Skipf("skipped: no stand-in on this host: %v", err)
	}
	var tree struct{ Busybox string } // a shell for Nix's sandbox
	content, err := os.ReadFile(index)
	if err == nil {
		err = json.Unmarshal(content, &tree)
	}
	if err != nil {
		t.Fatal(err)
	}
	// Without a word of its own, an earlier run of the test would have built it.
	expression := `derivation { name = "` + name + `"; system = builtins.currentSystem; builder = "${builtins.storePath ` + tree.Busybox + `}/bin/sh"; args = [ "-c" ''` + script + "\n exit 0'' ]; unique = \"" + t.Name() + rand(t) + `"; }`
	text := func(arguments ...string) string {
		cmd := exec.CommandContext(context.Background(), arguments[0], arguments[1:]...)
		cmd.Env = append(nixEnvironment(t.Context(), os.Environ(), true), "HOME="+t.TempDir())
		output, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", arguments, err)
		}
		return strings.TrimSpace(string(output))
	}
	drv = text(program, "-E", expression)
	return drv, text(strings.Replace(program, "nix-instantiate", "nix-store", 1), "-q", "--outputs", drv)
}

func rand(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/random/uuid")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
