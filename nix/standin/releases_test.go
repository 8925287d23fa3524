package standin

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// made is what a module of a flavour makes of one release of NixOS.
type made struct {
	Wrong                                                     []string
	MasksLogind, StartsBus, SystemdFirst, Getty, SSHDOnDemand bool
	Users, MountsStore                                        []string
	Initrd, Nix                                               string
}

// Where releases of NixOS differ, the flavours' modules ask which options there
// are. What they ask about cannot be evaluated here beyond one release: it is
// declared as newer ones do.
func TestReleases(t *testing.T) {
	t.Parallel()
	text := evaluate(t, standinSet+`in import ./testdata/releases.nix { inherit (standin) lib; modules = {
		docker = ../../providers/docker/nix/module.nix; machine = ../lib/machine/module.nix; }; }`)
	var got map[string]map[string]made
	decode(t, text, &got)
	first := []string{"nxc-before-users"}
	none, mounts := "no-initrd", []string{"ro", "nodev", "nosuid"}
	want := map[string]map[string]made{
		"docker": {
			"19.09": {MasksLogind: true, Getty: true, Users: first},
			"20.09": {MasksLogind: true, Getty: true, Users: first},
			"24.05": {MasksLogind: true, Getty: true, Users: first},
			// Its switch-to-configuration asks logind, and a service makes the users.
			"24.11":     {Getty: true},
			"26.05":     {Users: first},
			"announced": {MasksLogind: true, Users: first},
		},
		"machine": {
			"19.09":     {Getty: true},
			"20.09":     {Getty: true, Initrd: none},
			"24.05":     {Getty: true, Initrd: none},
			"24.11":     {Getty: true, Initrd: none},
			"26.05":     {Initrd: none, MountsStore: mounts},
			"announced": {Initrd: none, MountsStore: mounts},
		},
	}
	for module, releases := range want {
		for release, want := range releases {
			got := got[module][release]
			// The switch-to-configuration of releases that mask logind asks the bus, and
			// Nix cannot make its folders where the store is read-only.
			docker := module == "docker"
			if got.StartsBus != want.MasksLogind || strings.HasPrefix(got.Nix, "mkdir") != docker || got.SSHDOnDemand {
				t.Errorf("%s on %s: got %+v", module, release, got)
			}
			if !slices.Equal(got.Users, want.Users) || len(got.Wrong) > 0 || got.MasksLogind != want.MasksLogind ||
				got.SystemdFirst || got.Getty != want.Getty || !slices.Equal(got.MountsStore, want.MountsStore) || got.Initrd != want.Initrd {
				t.Errorf("%s on %s: got %+v, want %+v", module, release, got, want)
			}
		}
	}
}

// A role by itself is evaluated with the modules that a test of this nixpkgs
// gives its nodes.
func TestModulesOfTests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		has       []string
		arguments string
		want      []string
	}{
		"machines":                   {[]string{"virtualisation/qemu-vm.nix"}, "", []string{"virtualisation/qemu-vm.nix", "testing/test-instrumentation.nix"}},
		"networks in their own file": {[]string{"virtualisation/qemu-vm.nix", "virtualisation/guest-networking-options.nix"}, "", []string{"virtualisation/qemu-vm.nix", "testing/test-instrumentation.nix", "virtualisation/guest-networking-options.nix"}},
		"containers":                 {[]string{"virtualisation/nspawn-container/default.nix", "virtualisation/guest-networking-options.nix"}, "containers = true;", []string{"virtualisation/nspawn-container", "virtualisation/guest-networking-options.nix"}},
		"the stand-in":               {nil, "", []string{"machine", "shell"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for _, file := range c.has {
				write(t, filepath.Join(folder, file), "{ }")
			}
			text := evaluate(t, `map toString (builtins.head (import ../../providers/nixostest/nix/common.nix {
				machine = { module = "machine"; shell = "shell"; };
				arguments = { `+c.arguments+` };
			}).modules { modulesPath = "`+folder+`"; }).imports`)
			if got := strings.ReplaceAll(string(text), folder+"/", ""); !sameList(t, got, c.want) {
				t.Errorf("got %s, want %q", got, c.want)
			}
		})
	}
}

func sameList(t *testing.T, text string, want []string) bool {
	t.Helper()
	var got []string
	decode(t, []byte(text), &got)
	return slices.Equal(got, want)
}

// Roles share one package collection, and one that adds to it does so in a way
// that every release takes.
func TestCollectionOfRole(t *testing.T) {
	t.Parallel()
	nixpkgs := absolute(t, "testdata/nixpkgs")
	for name, c := range map[string]struct{ config, role, want string }{
		"shared":                                 {"{ }", "{ }", "shared 0"},
		"overlays":                               {"{ }", "{ nixpkgs.overlays = [ 1 ]; }", "shared 1"},
		"overlays beside a configuration":        {"{ allowUnfree = true; }", "{ nixpkgs.overlays = [ 1 ]; }", "shared 1"},
		"a configuration beside the environment": {"{ allowUnfree = true; }", "{ nixpkgs.config.allowBroken = true; }", "own allowBroken allowUnfree 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := evaluate(t, `let nixpkgs = import ../lib/nixpkgs.nix {
				load = import; system = "x86_64-linux"; overlays = [ 0 ];
				nixpkgs = { embedded = false; path = "`+nixpkgs+`"; config = `+c.config+`; };
			}; in (nixpkgs.evalConfig { modules = [ `+c.role+` ]; }).config.collection`)
			var got string
			if err := json.Unmarshal(text, &got); err != nil || got != c.want {
				t.Errorf("got %s, want %s (%v)", text, c.want, err)
			}
		})
	}
}
