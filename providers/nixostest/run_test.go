package nixostest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

// TestConformance drives runs through the protocol.
func TestConformance(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	drv, out := derivation(t, "vm-test-run-a", "echo hello; echo done > $out")
	sdktest.Run(t, sdktest.Suite{
		Provider: Provider(), Command: sdktest.Self(), Folders: h.folders,
		Outside: func(*testing.T) []string {
			left, _ := filepath.Glob(filepath.Join(h.folders.State, kindRun+"-*"))
			return left
		},
		Cases: []sdktest.Case{{
			Type:   "nixos-test_run",
			Config: map[string]any{"derivation": drv, "result": out, "local": true},
			Update: map[string]any{"derivation": drv, "result": out, "local": true, "timeout": "5m"},
			Break: func(_ *testing.T, o cty.Value) {
				os.RemoveAll(h.folderOf(kindRun, o.GetAttr("id").AsString()))
			},
			Kills: 2,
		}},
	})
}

// TestFailure looks at a test that fails: its line, the end of its log, and
// that nothing of it stays but the log.
func TestFailure(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	drv, out := derivation(t, "vm-test-run-b", `
	  echo half >$out
	  echo "server: must succeed: false" >&2
	  echo "!!! Traceback (most recent call last):" >&2
	  echo "!!!   File \"testScript\", line 7, in <module>" >&2
	  echo "!!!     server.succeed(\"false\")" >&2
	  exit 1`)
	want := Run{Derivation: drv, Result: out, Local: true}
	err := runs{h}.Create(t.Context(), operation("a"), &want)
	var d plugins.Diagnostics
	if !errors.As(err, &d) {
		t.Fatalf("got %v", err)
	}
	if d[0].Summary != "The test failed" {
		t.Errorf("summary %q", d[0].Summary)
	}
	for _, part := range []string{`File "testScript", line 7`, `server.succeed("false")`, "server: must succeed: false", "The whole log: "} {
		if !strings.Contains(d[0].Detail, part) {
			t.Errorf("the detail lacks %q:\n%s", part, d[0].Detail)
		}
	}
	if strings.Contains(d[0].Detail, "!!!") {
		t.Errorf("the detail keeps marks:\n%s", d[0].Detail)
	}
	if (&host{}).isValid(t.Context(), out) {
		t.Error("a result that a failure left counts as one")
	}
	if found, err := (runs{h}).Find(t.Context(), operation("")); err != nil || len(found) > 0 {
		t.Errorf("it left %v, %v", found, err)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	drv, out := derivation(t, "vm-test-run-c", "read forever < /dev/zero")
	want := Run{Derivation: drv, Result: out, Local: true, Timeout: "1s"}
	err := runs{h}.Create(t.Context(), operation("a"), &want)
	if err == nil || !strings.Contains(err.Error(), "not over within 1s") {
		t.Errorf("got %v", err)
	}
}

// TestSandbox runs a test that looks for a file of this machine: in Nix's
// sandbox there is none, nor a network.
func TestSandbox(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, setting := range nixEnvironment(t.Context(), os.Environ(), true) {
		if strings.Contains(setting, "sandbox = false") {
			t.Skip("Nix has no sandbox here: user namespaces are forbidden")
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("of this machine"), 0o644); err != nil {
		t.Fatal(err)
	}
	drv, out := derivation(t, "vm-test-run-e", `
	  [ ! -e `+secret+` ] || { echo "the host can be read"; exit 1; }
	  [ ! -e /etc/hostname ] || { echo "the host has a name"; exit 1; }
	  while read -r name rest; do
	    case $name in lo: | Inter-* | face*) ;; *) echo "there is a network: $name"; exit 1 ;; esac
	  done </proc/net/dev
	  echo done > $out`)
	want := Run{Derivation: drv, Result: out, Local: true}
	if err := (runs{h}).Create(t.Context(), operation("a"), &want); err != nil {
		t.Fatal(err)
	}
}

// What has passed is not run again, and the log of then is shown.
func TestPassedBefore(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	drv, out := derivation(t, "vm-test-run-d", "echo once; echo done > $out")
	first := Run{Derivation: drv, Result: out, Local: true}
	if err := (runs{h}).Create(t.Context(), operation("a"), &first); err != nil {
		t.Fatal(err)
	}
	second := Run{Derivation: drv, Result: out, Local: true}
	if err := (runs{h}).Create(t.Context(), operation("b"), &second); err != nil {
		t.Fatal(err)
	}
	for _, run := range []Run{first, second} {
		text, err := os.ReadFile(filepath.Join(h.folders.State, run.Log))
		if err != nil || !strings.Contains(string(text), "once") {
			t.Errorf("log %q, %v", text, err)
		}
		if run.Verdict != passed {
			t.Errorf("verdict %q", run.Verdict)
		}
	}
}
