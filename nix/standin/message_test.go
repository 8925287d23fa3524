package standin

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a user sees who makes a mistake in a module.
func TestMistakes(t *testing.T) {
	cases := map[string]struct {
		module string
		want   []string
	}{
		"a misspelt option": {
			`services.nginx.enabel = true;`,
			[]string{"The option `services.nginx.enabel' does not exist. Definition values:", "In `<unknown-file>': true", "Did you mean `services.nginx.enable'?"},
		},
		"a misspelt service": {
			`services.ngnix.enable = true;`,
			[]string{"The option `services.ngnix' does not exist.", "Did you mean `services.nginx'?"},
		},
		"a misspelt namespace": {
			`service.nginx.enable = true;`,
			[]string{"The option `service' does not exist.", "Did you mean `services'?"},
		},
		"a misspelt option of a user": {
			`users.users.bob.isNormalUsr = true;`,
			[]string{"The option `users.users.bob.isNormalUsr' does not exist.", "Did you mean `users.users.bob.isNormalUser'?"},
		},
		"a wrong type": {
			`services.nginx.enable = "yes";`,
			[]string{"A definition for option `services.nginx.enable' is not of type `boolean'. Definition values:\n", `': "yes"`},
		},
		"a port out of range": {
			`networking.firewall.allowedTCPPorts = [ 99999 ];`,
			[]string{"`networking.firewall.allowedTCPPorts.\"[definition 1-entry 1]\"' is not of type `16 bit unsigned integer"},
		},
		"two values": {
			`imports = [ { networking.hostName = "a"; } ]; networking.hostName = "b";`,
			[]string{"The option `networking.hostName' has conflicting definition values:", "Use `lib.mkForce value'"},
		},
		"a missing file": {
			`imports = [ /nowhere/module.nix ];`,
			[]string{"The module `/nowhere/module.nix' does not exist."},
		},
		"config beside options": {
			`config = { }; services.x = 1;`,
			[]string{"has an unsupported attribute `services'"},
		},
		"an option without a value": {
			`options.mine = lib.mkOption { type = lib.types.int; }; config.environment.variables.X = toString config.mine;`,
			[]string{"The option `mine' is used but not defined."},
		},
		"a failed assertion": {
			`users.users.bob = { };`,
			[]string{"Failed assertions:\n", "Exactly one of users.users.bob.isSystemUser and users.users.bob.isNormalUser must be set."},
		},
		"a file of /etc without content": {
			`environment.etc.empty = { };`,
			[]string{`environment.etc."empty" has neither a text nor a source.`},
		},
		"scripts in a circle": {
			`system.activationScripts.a = { text = ""; deps = [ "b" ]; }; system.activationScripts.b = { text = ""; deps = [ "a" ]; };`,
			[]string{"system.activationScripts depend on each other in a circle: a b"},
		},
		"a package that is not there": {
			`environment.systemPackages = [ (pkgs.fromHost "nosuch") ];`,
			[]string{"the package `nosuch' of Debian 12 is not in the stand-in", "NXC_STANDIN_PACKAGES"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problem := tryEvaluate(t, systemOf(c.module)+"in role.config.system.build.toplevel.drvPath")
			for _, want := range c.want {
				if !strings.Contains(unindented(problem), want) {
					t.Errorf("got:\n%s\nwant a message with:\n%s", problem, want)
				}
			}
		})
	}
}

// Options that NixOS has and the stand-in does not are named once, with the
// place that sets them, and keep their values.
func TestNotHonoured(t *testing.T) {
	cases := map[string]struct {
		module string
		want   []string
	}{
		"a service":                   {`services.grafana.enable = true;`, []string{"services.grafana.enable"}},
		"deep below a namespace":      {`boot.initrd.luks.devices.root.device = "/dev/x";`, []string{"boot.initrd.luks.devices.root"}},
		"of a service that it has":    {`services.nginx.recommendedBrotliSettings = true;`, []string{"services.nginx.recommendedBrotliSettings"}},
		"twice the same":              {`imports = [ { services.grafana.enable = true; } ]; services.grafana.port = 1;`, []string{"services.grafana.enable"}},
		"under a false condition":     {`services.grafana = lib.mkIf false { enable = true; };`, nil},
		"what it honours":             {`services.nginx.enable = true; networking.firewall.enable = false;`, nil},
		"an option of the user's own": {`options.services.mine.enable = lib.mkEnableOption "mine"; config.services.mine.enable = true;`, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			decode(t, evaluate(t, systemOf(c.module)+"in map (i: standin.lib.showOption i.path) role.ignored"), &got)
			if strings.Join(got, " ") != strings.Join(c.want, " ") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	var port int
	decode(t, evaluate(t, systemOf(`services.grafana.port = lib.mkForce 3000; environment.variables.P = toString config.services.grafana.port;`)+
		"in builtins.fromJSON role.config.environment.variables.P"), &port)
	if port != 3000 {
		t.Errorf("an option that is not honoured lost its value: %d", port)
	}
}

// What a role's system is made of must not depend on anything but the role.
func TestSystemDependsOnItsRoleOnly(t *testing.T) {
	path := func(module string) string {
		var path string
		decode(t, evaluate(t, systemOf(module)+"in role.config.system.build.toplevel.outPath"), &path)
		return path
	}
	base := path(`environment.variables.A = "1";`)
	if again := path(`environment = { variables.A = "1"; };`); again != base {
		t.Error("the same configuration, written differently, is another system")
	}
	for name, module := range map[string]string{
		"a variable":         `environment.variables.A = "2";`,
		"a package":          `environment.variables.A = "1"; environment.systemPackages = [ pkgs.sqlite ];`,
		"a unit":             `environment.variables.A = "1"; systemd.services.x.script = "true";`,
		"a kernel parameter": `environment.variables.A = "1"; boot.kernelParams = [ "quiet" ];`,
		"a command at boot":  `environment.variables.A = "1"; boot.postBootCommands = "true";`,
	} {
		if path(module) == base {
			t.Errorf("%s changes nothing", name)
		}
	}
}

// systemOf binds one evaluated role with a module's text.
func systemOf(module string) string {
	return standinSet + "role = standin.evalConfig { modules = [ ({ config, lib, pkgs, ... }: { " + module + " }) ]; };\n"
}

// unindented is a message of Nix without the indentation of its lines.
func unindented(message string) string {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}

func TestIndexIsReadable(t *testing.T) {
	var index Index
	decode(t, evaluate(t, `builtins.fromJSON (builtins.readFile ./testdata/index.json)`), &index)
	if _, err := json.Marshal(index); err != nil || index.Packages["bash"].Version == "" {
		t.Errorf("the recorded index is not one that Ensure writes: %v", err)
	}
}
