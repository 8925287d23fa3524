package nixostest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// instantiate has Nix read an expression, and returns what it prints.
func instantiate(t *testing.T, arguments ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("nix-instantiate")
	if err != nil {
		t.Skip("needs Nix")
	}
	out, err := exec.Command(program, arguments...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestFeaturesOf reads what a derivation's builder must have.
func TestFeaturesOf(t *testing.T) {
	tests := map[string]struct {
		says string
		want []string
	}{
		"machines": {`requiredSystemFeatures = [ "nixos-test" "kvm" ];`, []string{"nixos-test", "kvm"}},
		"none":     {`requiredSystemFeatures = [ ];`, nil},
		"silent":   {``, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := instantiate(t, "-E", `derivation { name = "features"; system = "x86_64-linux"; builder = "/bin/sh"; `+tt.says+` }`)
			if err != nil {
				t.Fatal(out)
			}
			lines := strings.Split(out, "\n")
			got, err := (&host{}).featuresOf(t.Context(), lines[len(lines)-1])
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestArguments looks at what the flavour's arguments make of the test that the
// nixpkgs is asked for: one whose tests take anything returns it.
func TestArguments(t *testing.T) {
	tests := map[string]struct{ arguments, pkgs, want string }{
		"perl":       {`{ }`, `nixosTest = test: test; release = "19.09";`, "NixOS 19.09 takes a test's script for Perl"},
		"session":    {`{ }`, `nixosTest = test: test; release = "21.05"; session = true;`, "need NixOS 21.11 or later, and this is 21.05"},
		"machines":   {`{ }`, `testers.runNixOSTest = test: test;`, `[ "name" "nodes" "testScript" ]`},
		"unset":      {`{ containers = null; ocr = null; }`, `nixosTest = test: test;`, `[ "name" "nodes" "testScript" ]`},
		"containers": {`{ containers = true; }`, `testers.runNixOSTest = test: test;`, `[ "containers" "name" "testScript" ]`},
		"ocr":        {`{ ocr = true; }`, `nixosTest = test: test;`, `[ "enableOCR" "name" "nodes" "testScript" ]`},
		"embedded":   {`{ ocr = true; }`, `standin = { };`, "the embedded nixpkgs has no tesseract"},
		"too old":    {`{ }`, ``, "makes no NixOS tests"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := instantiate(t, "--eval", "--strict", "--readonly-mode", "-E", `
let common = import ./nix/common.nix { machine = { }; arguments = `+tt.arguments+`; };
  pkgs = { `+tt.pkgs+` };
in builtins.attrNames ((if pkgs ? session then common.sessionOf else common.testOf) {
  lib.optionalAttrs = condition: set: if condition then set else { };
  lib.trivial.release = pkgs.release or "24.05";
  inherit pkgs;
  nodes.server = "web";
  roles.web = { };
  modules.web = { };
  testScript = "start_all()";
})`)
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
