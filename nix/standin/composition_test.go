package standin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// evaluation is the part of entry.nix's result that these tests read.
type evaluation struct {
	Nixpkgs struct{ Label, Version string }
	Roles   map[string]struct {
		System   struct{ Drv, Path string }
		Manifest struct {
			Packages []Package
			Units    map[string]string
			Etc      map[string]string
			Users    []string
			Options  struct{ Users []string }
		}
	}
	Distribution map[string]any
	Extra        map[string]any
	TestScript   *string
	Warnings     []string
}

// entry evaluates a composition's text for the flavour docker, with files
// beside it.
func entry(t *testing.T, composition string, more map[string]any, files map[string]string) (evaluation, string) {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "composition.nix"), composition)
	for name, text := range files {
		write(t, filepath.Join(folder, name), text)
	}
	request := map[string]any{
		"composition": filepath.Join(folder, "composition.nix"),
		"nixpkgs":     map[string]any{"embedded": true, "standin": absolute(t, "testdata/index.json")},
		"system":      "x86_64-linux",
		"flavour":     map[string]any{"name": "docker", "source": absolute(t, "../../providers/docker/nix")},
		"params":      map[string]any{"page": "hello"},
	}
	for name, value := range more {
		if list, isList := value.([]string); isList {
			for i := range list {
				list[i] = filepath.Join(folder, list[i])
			}
		}
		request[name] = value
	}
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "request.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	output, problem := tryEvaluate(t, "import "+absolute(t, "../lib/entry.nix")+" { request = \""+file+"\"; }")
	var result evaluation
	if problem == "" {
		decode(t, output, &result)
	}
	return result, problem
}

func TestComposition(t *testing.T) {
	got, problem := entry(t, `{ pkgs, lib, setup, helpers, flavour, ... }: {
		nodes = {
			server = { config, pkgs, lib, ... }: {
				environment.etc.page.text = setup.params.page + flavour.name;
				environment.systemPackages = [ pkgs.mine pkgs.jq ];
				services.nginx.enable = true;
				services.grafana.enable = true;
				nxc.users.names = [ "alice" ];
			};
		} // helpers.makeMany { imports = [ ./client.nix ]; } "client" 2;
		rolesDistribution.client1 = 3;
		dockerPorts.server = [ "8080:80" ];
		testScript = { nodes, ... }: "assert '${nodes.server.environment.etc.page.text}'";
	}`,
		map[string]any{"overlays": []string{"overlay.nix"}, "modules": []string{"module.nix"}},
		map[string]string{
			"client.nix":  `{ config, added, ... }: { environment.etc.added.text = added; }`,
			"overlay.nix": `final: prev: { mine = prev.writeShellScriptBin "mine" "true" // { pname = "mine"; version = "1"; }; }`,
			"module.nix":  `{ _module.args.added = "by a module"; }`,
		})
	if problem != "" {
		t.Fatal(problem)
	}
	server := got.Roles["server"].Manifest
	checks := map[string]struct{ got, want any }{
		"label":        {got.Nixpkgs.Label, "embedded (Debian 12)"},
		"roles":        {len(got.Roles), 3},
		"distribution": {got.Distribution, map[string]any{"client1": 3.0}},
		"ports":        {got.Extra["ports"], map[string]any{"server": []any{"8080:80"}}},
		"test script":  {*got.TestScript, "assert 'hellodocker'"},
		"users":        {server.Users, []string{"alice"}},
		"nxc's users":  {server.Options.Users, []string{"alice"}},
		"clients":      {got.Roles["client1"].System, got.Roles["client2"].System},
	}
	for name, check := range checks {
		if !reflect.DeepEqual(check.got, check.want) {
			t.Errorf("%s: got %v, want %v", name, check.got, check.want)
		}
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "services.grafana.enable is not honoured by the embedded stand-in (first set at ") ||
		!strings.HasSuffix(got.Warnings[0], "composition.nix)") {
		t.Errorf("warnings: %q", got.Warnings)
	}
	if server.Units["nginx.service"] == "" || got.Roles["client1"].Manifest.Units["nginx.service"] != "" {
		t.Error("the server's unit is not in its manifest, or in another's")
	}
	packages := map[string]string{}
	for _, p := range server.Packages {
		packages[p.Name] = p.Version
	}
	if packages["jq"] == "" || packages["mine"] != "1" {
		t.Errorf("packages: %v", packages)
	}
}

// A change of one role is a change of that role's system, manifest and nothing
// else.
func TestChangeOfOneRole(t *testing.T) {
	text := func(script string) string {
		return `{ roles = {
			server = { systemd.services.app.script = "` + script + `"; };
			client = { };
		}; }`
	}
	before, problem := entry(t, text("one"), nil, nil)
	if problem != "" {
		t.Fatal(problem)
	}
	after, problem := entry(t, text("two"), nil, nil)
	if problem != "" {
		t.Fatal(problem)
	}
	if before.Roles["client"].System != after.Roles["client"].System {
		t.Error("the client's system changed as well")
	}
	if before.Roles["server"].System == after.Roles["server"].System {
		t.Error("the server's system did not change")
	}
	was, is := before.Roles["server"].Manifest, after.Roles["server"].Manifest
	if was.Units["app.service"] == is.Units["app.service"] {
		t.Error("the manifest does not show that the unit's script changed")
	}
	was.Units["app.service"] = is.Units["app.service"]
	if !reflect.DeepEqual(was, is) {
		t.Error("the manifest shows more than the unit")
	}
}

func TestCompositionMistakes(t *testing.T) {
	cases := map[string]struct {
		composition, attribute, want string
	}{
		"several, none chosen":    {`{ a = { roles = { }; }; b = { roles = { }; }; }`, "", "composition.nix holds several compositions (a, b); name one of them"},
		"several, another chosen": {`{ a = { roles = { }; }; }`, "b", "has no composition `b', only a"},
		"one, but another chosen": {`{ ... }: { roles = { }; }`, "b", "holds one composition, but `b' is asked for"},
		"an unknown argument":     {`{ pkgs, nosuch, ... }: { roles = { }; }`, "", "asks for nosuch, which nxc does not give; it may ask for flavour, helpers, lib"},
		"no roles":                {`{ ... }: { role = { }; }`, "", "has neither `roles' nor `nodes'"},
		"not a set":               {`{ ... }: [ ]`, "", "must give a set with `roles', but gives list"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problem := entry(t, c.composition, map[string]any{"attribute": c.attribute}, nil)
			if !strings.Contains(problem, c.want) {
				t.Errorf("got:\n%s\nwant a message with:\n%s", problem, c.want)
			}
		})
	}
}

// nxc's modules are NixOS modules, too: NXC_NIXPKGS=/path/to/nixpkgs names one
// to evaluate them with.
func TestRealNixpkgs(t *testing.T) {
	nixpkgs := os.Getenv("NXC_NIXPKGS")
	if nixpkgs == "" {
		t.Skip("skipped: NXC_NIXPKGS names no nixpkgs")
	}
	got, problem := entry(t, `{ roles.server = { pkgs, ... }: {
		services.nginx.enable = true;
		services.openssh.enable = true;
		nxc.wait-online.enable = true;
		nxc.users = { names = [ "alice" ]; prefixHome = "/users"; };
		nxc.sharedDirs."/users".export = true;
		nxc.postBootCommands = "true";
	}; }`, map[string]any{"nixpkgs": map[string]any{"embedded": false, "path": absolute(t, nixpkgs)}}, nil)
	if problem != "" {
		t.Fatal(problem)
	}
	server := got.Roles["server"]
	if !strings.HasSuffix(server.System.Drv, ".drv") || server.Manifest.Units["nginx.service"] == "" || !reflect.DeepEqual(server.Manifest.Users, []string{"alice"}) {
		t.Errorf("got %+v", server)
	}
}
