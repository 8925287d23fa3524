package nix

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

func TestReadSettings(t *testing.T) {
	dir := project(t, map[string]string{
		"etc/nix.conf":      "max-jobs = 1\ncores=8\ncores = 4 # four\nsubstituters = https://a https://b\n!include missing.conf\ninclude more.conf\n",
		"etc/more.conf":     "sandbox = false\ninclude more.conf\n",
		"home/nix/nix.conf": "max-jobs = 2\nextra-substituters = https://c\n",
		"own/nix.conf":      "max-jobs = 6\n",
		"xdg/nix/nix.conf":  "max-jobs = 3\nkeep-going = true\n",
	})
	environ := []string{
		"NIX_CONF_DIR=" + filepath.Join(dir, "etc"),
		"XDG_CONFIG_HOME=" + filepath.Join(dir, "home"),
		"XDG_CONFIG_DIRS=" + filepath.Join(dir, "xdg"),
		"NIX_CONFIG=cores = 5\nbuild-users-group =\n",
	}
	want := settings{
		"max-jobs":          "2",
		"cores":             "5",
		"substituters":      "https://a https://b https://c",
		"sandbox":           "false",
		"keep-going":        "true",
		"build-users-group": "",
	}
	if got := readSettings(environ); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := readSettings(append(environ, "NIX_CONFIG_HOME="+filepath.Join(dir, "own"))); got["max-jobs"] != "6" || got["keep-going"] != "true" {
		t.Errorf("with NIX_CONFIG_HOME: got %v", got)
	}
}

func TestOwnSettings(t *testing.T) {
	const builders = "root:x:0:\nnixbld:x:30000:nixbld1,nixbld2\n"
	cases := map[string]struct {
		user   settings
		root   bool
		groups string
		want   []setting
	}{
		"user":                         {root: false, groups: "root:x:0:\n"},
		"root with builders":           {root: true, groups: builders},
		"root without builders":        {root: true, groups: "root:x:0:\n", want: []setting{{"build-users-group", ""}}},
		"root with an empty group":     {root: true, groups: "nixbld:x:30000:\n", want: []setting{{"build-users-group", ""}}},
		"root who chose a group":       {user: settings{"build-users-group": "mine"}, root: true},
		"root with allocated builders": {user: settings{"auto-allocate-uids": "true"}, root: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.user.base(c.root, c.groups); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	if got := (settings{}).parallel(); !slices.Equal(got, []setting{{"max-jobs", "auto"}}) {
		t.Errorf("without a choice of the user: got %v", got)
	}
	if got := (settings{"max-jobs": "1"}).parallel(); got != nil {
		t.Errorf("the user chose a number: got %v", got)
	}
}

func TestSandboxSetting(t *testing.T) {
	const builders = "nixbld:x:30000:nixbld1\n"
	off := []setting{{"sandbox", "false"}}
	cases := map[string]struct {
		user       settings
		root       bool
		groups     string
		namespaces bool
		want       []setting
	}{
		"root without namespaces":   {root: true, want: off},
		"root with namespaces":      {root: true, namespaces: true},
		"root with builders":        {root: true, groups: builders},
		"root who chose a sandbox":  {user: settings{"sandbox": "true"}, root: true},
		"user, whose daemon builds": {root: false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := c.user.sandbox(c.root, c.groups, func() bool { return c.namespaces })
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestWithSettings(t *testing.T) {
	got := withSettings([]string{"HOME=/root", "NIX_PATH=nixpkgs=/x", "NIX_CONFIG=cores = 1"}, []setting{{"substitute", "false"}})
	want := []string{"HOME=/root", "NIX_PATH=", "NIX_CONFIG=cores = 1\nsubstitute = false\n"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMissingNix(t *testing.T) {
	_, err := findCommand("nix-instantiate", t.TempDir(), nil)
	var missing *MissingError
	if !errors.As(err, &missing) || !errors.Is(err, ErrNoNix) {
		t.Fatalf("got %v, want a MissingError", err)
	}
	cases := map[string]struct{ release, want string }{
		"debian":  {"PRETTY_NAME=\"Debian\"\nID=debian\n", "sudo apt-get install nix-bin"},
		"mint":    {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "sudo apt-get install nix-bin"},
		"fedora":  {"ID=fedora\n", "sudo dnf install nix"},
		"unknown": {"ID=haiku\n", "sh <(curl -L https://nixos.org/nix/install)"},
		"nothing": {"", "sh <(curl -L https://nixos.org/nix/install)"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := installCommand(c.release); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCheckVersion(t *testing.T) {
	for version, good := range map[string]bool{
		"nix-instantiate (Nix) 2.3.7":           false,
		"nix-instantiate (Nix) 2.8.0":           true,
		"nix-instantiate (Nix) 2.31.2":          true,
		"nix-instantiate (Lix, like Nix) 2.9.1": true,
		"nix-instantiate (Nix) 3.0":             true,
		"nix-instantiate (Nix) 1.11.2":          false,
		"something else":                        true,
	} {
		if err := checkVersion(version); (err == nil) != good {
			t.Errorf("%s: got %v, want good %v", version, err, good)
		}
	}
}

// Nix builds for a store in a folder in a sandbox, or says that it cannot.
func TestCaged(t *testing.T) {
	for name, c := range map[string]struct {
		where StoreAddress
		want  []setting
	}{
		"the usual store":                {StoreAddress{}, nil},
		"a folder":                       {StoreAddress{Root: "/s"}, []setting{{"sandbox-fallback", "false"}}},
		"another machine's decides that": {StoreAddress{Root: "/s", Remote: "ssh-ng://b"}, nil},
	} {
		if got := c.where.caged(); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
