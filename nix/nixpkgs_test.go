package nix

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testLock = `{
  "version": 7,
  "root": "root",
  "nodes": {
    "root": { "inputs": {
      "nixpkgs": "nixpkgs_2", "stable": "gitlab", "utils": "utils", "shared": ["utils", "nixpkgs"],
      "repository": "git", "archive": "tarball", "local": "path", "loose": "loose", "unlocked": "unlocked",
      "circle": ["circle"], "strange": "strange", "unhashed": "unhashed", "gone": "gone"
    } },
    "nixpkgs_2": { "locked": { "type": "github", "owner": "NixOS", "repo": "nixpkgs", "rev": "a1b2c3d4e5f6", "narHash": "sha256-AAAA=" } },
    "gitlab": { "locked": { "type": "gitlab", "owner": "team", "repo": "pkgs", "host": "git.example.org", "rev": "abc", "narHash": "sha256-BBBB=" } },
    "utils": { "inputs": { "nixpkgs": ["nixpkgs"] }, "locked": { "type": "github" } },
    "git": { "locked": { "type": "git", "url": "https://example.org/r.git", "rev": "def", "narHash": "sha256-CCCC=" } },
    "tarball": { "locked": { "type": "tarball", "url": "https://example.org/x.tar.xz", "narHash": "sha256-DDDD=" } },
    "path": { "locked": { "type": "path", "path": "./nixpkgs", "narHash": "sha256-EEEE=" } },
    "loose": { "locked": { "type": "path", "path": "./nixpkgs" } },
    "unlocked": { "original": { "type": "github" } },
    "strange": { "locked": { "type": "hg", "rev": "1" } },
    "unhashed": { "locked": { "type": "github", "owner": "a", "repo": "b", "rev": "c" } }
  }
}`

var testSources = map[string]string{
	"npins.json": `{
  "version": 5,
  "pins": {
    "nixpkgs": {"type": "Channel", "name": "nixos-25.11", "url": "https://releases.nixos.org/nixos/x/nixexprs.tar.xz", "hash": "0abc"},
    "library": {"type": "Git", "repository": {"type": "Git", "url": "https://example.org/l.git"}, "url": null, "revision": "fed", "hash": "0def"},
    "unhashed": {"type": "Git", "url": "https://example.org/u.tar.gz"}
  }
}`,
	"niv.json": `{
  "nixpkgs": {
    "owner": "NixOS", "repo": "nixpkgs", "rev": "a1b2", "sha256": "1xyz", "type": "tarball",
    "url": "https://github.com/NixOS/nixpkgs/archive/a1b2.tar.gz"
  }
}`,
	"package.json": `{"name": "x"}`,
}

// The configuration's folder may be ".", and Nix takes whole paths only.
func TestResolveNixpkgsBesideHere(t *testing.T) {
	dir := project(t, map[string]string{"nixpkgs/nixos/default.nix": ""})
	t.Chdir(dir)
	got, err := ResolveNixpkgs("./nixpkgs", ".")
	if err != nil || got.Path != filepath.Join(dir, "nixpkgs") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestResolveNixpkgs(t *testing.T) {
	dir := project(t, map[string]string{
		"flake.lock":                testLock,
		"nixpkgs/nixos/default.nix": "",
		"empty/default.nix":         "",
		"old/flake.lock":            `{"version": 4}`,
		"broken/flake.lock":         `{`,
		"none/flake.lock":           `{"version": 7, "root": "root", "nodes": {"root": {}}}`,
	})
	nixpkgs := filepath.Join(dir, "nixpkgs")
	for name, text := range testSources {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		spec string
		want Nixpkgs
		err  string
	}{
		"embedded":      {spec: "embedded", want: Nixpkgs{Embedded: true}},
		"folder":        {spec: "./nixpkgs", want: Nixpkgs{Path: nixpkgs}},
		"absolute":      {spec: nixpkgs, want: Nixpkgs{Path: nixpkgs}},
		"lock":          {spec: "./flake.lock", want: Nixpkgs{Revision: "a1b2c3d4e5f6", Hash: "sha256-AAAA=", URL: "https://github.com/NixOS/nixpkgs/archive/a1b2c3d4e5f6.tar.gz"}},
		"other input":   {spec: "./flake.lock#stable", want: Nixpkgs{Revision: "abc", Hash: "sha256-BBBB=", URL: "https://git.example.org/api/v4/projects/team%2Fpkgs/repository/archive.tar.gz?sha=abc"}},
		"follows":       {spec: "flake.lock#shared", want: Nixpkgs{Revision: "a1b2c3d4e5f6", Hash: "sha256-AAAA=", URL: "https://github.com/NixOS/nixpkgs/archive/a1b2c3d4e5f6.tar.gz"}},
		"git":           {spec: "flake.lock#repository", want: Nixpkgs{Revision: "def", Hash: "sha256-CCCC=", URL: "git+https://example.org/r.git"}},
		"tarball":       {spec: "flake.lock#archive", want: Nixpkgs{Hash: "sha256-DDDD=", URL: "https://example.org/x.tar.xz"}},
		"path":          {spec: "flake.lock#local", want: Nixpkgs{Hash: "sha256-EEEE=", URL: "path:" + nixpkgs}},
		"unhashed path": {spec: "flake.lock#loose", want: Nixpkgs{Path: nixpkgs}},
		"circle":        {spec: "flake.lock#circle", err: "in a circle"},
		"gone":          {spec: "flake.lock#gone", err: "input gone is node gone, which does not exist"},
		"unlocked":      {spec: "flake.lock#unlocked", err: "input unlocked: it is not locked"},
		"strange type":  {spec: "flake.lock#strange", err: `cannot fetch a source of type "hg"`},
		"no hash":       {spec: "flake.lock#unhashed", err: "names no narHash"},
		"no input":      {spec: "flake.lock#nixos", err: "it has no input nixos; its inputs are"},
		"no inputs":     {spec: "none/flake.lock", err: "it has no input nixpkgs, nor any other"},
		"old lock":      {spec: "old/flake.lock", err: "has version 4"},
		"broken lock":   {spec: "broken/flake.lock", err: "is not a flake.lock"},
		"lock's dir":    {spec: "./old", err: "holds no nixpkgs, but a lock file: say"},
		"no nixpkgs":    {spec: "./empty", err: "it has no folder nixos"},
		"nothing":       {spec: "./missing", err: "missing is not there: name a folder"},
		"no lock file":  {spec: "./other.lock", err: "`nxc lock -file other.lock github:"},
		"npins":         {spec: "./npins.json", want: Nixpkgs{Revision: "", Hash: "0abc", URL: "https://releases.nixos.org/nixos/x/nixexprs.tar.xz"}},
		"npins git":     {spec: "./npins.json#library", want: Nixpkgs{Revision: "fed", Hash: "0def", URL: "git+https://example.org/l.git"}},
		"npins none":    {spec: "./npins.json#other", err: "has no source other; it has library, nixpkgs, unhashed"},
		"npins hash":    {spec: "./npins.json#unhashed", err: "source unhashed names no hash"},
		"niv":           {spec: "./niv.json", want: Nixpkgs{Revision: "a1b2", Hash: "1xyz", URL: "https://github.com/NixOS/nixpkgs/archive/a1b2.tar.gz"}},
		"niv none":      {spec: "./niv.json#stable", err: "has no source stable; it has nixpkgs"},
		"other JSON":    {spec: "./package.json", err: "is not a flake.lock, nor the sources.json of npins or niv"},
		"flake's name":  {spec: "github:NixOS/nixpkgs/nixos-25.11", err: "run `nxc lock github:NixOS/nixpkgs/nixos-25.11'"},
		"empty":         {spec: "", err: "nixpkgs is empty"},
		"url":           {spec: "https://example.org/x.tar.gz", err: "is not pinned"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ResolveNixpkgs(c.spec, dir)
			switch {
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("got error %v, want %q", err, c.err)
			case c.err == "" && (err != nil || got != c.want):
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestNixpkgsFromSearchPath(t *testing.T) {
	dir := project(t, map[string]string{"nixpkgs/nixos/default.nix": ""})
	nixpkgs := filepath.Join(dir, "nixpkgs")
	cases := map[string]struct{ path, want, err string }{
		"named":      {"other=/x:nixpkgs=" + nixpkgs, nixpkgs, ""},
		"in a root":  {"/does/not/exist:" + dir, nixpkgs, ""},
		"url":        {"nixpkgs=https://example.org/nixpkgs.tar.gz", "", "not pinned"},
		"flake":      {"nixpkgs=flake:nixpkgs:" + dir, "", "not pinned"},
		"not at all": {"other=" + nixpkgs, "", "was not found in NIX_PATH"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := nixpkgsFromSearchPath("<nixpkgs>", []string{"NIX_PATH=" + c.path})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || got.Path != c.want || !strings.Contains(got.Warning, "Pin it") {
				t.Errorf("got %+v, %v; want %s and a warning", got, err, c.want)
			}
		})
	}
}

// TestFetchUnreachable asks for a nixpkgs from where nobody answers.
func TestFetchUnreachable(t *testing.T) {
	n := newTestNix(t, func(o *Options) {
		o.Environ = append(testEnviron(t), "NIX_CONFIG=download-attempts = 1\nconnect-timeout = 1")
	})
	dir := webProject(t)
	r := webRequest(dir)
	r.Nixpkgs = Nixpkgs{URL: "http://127.0.0.1:9/nixpkgs.tar.gz", Hash: "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", Revision: "a1b2c3d4e5f6"}
	_, err := n.Evaluate(t.Context(), r, nil)
	var fetch *FetchError
	if !errors.As(err, &fetch) || !strings.Contains(err.Error(), "nixpkgs a1b2c3d is not in the Nix store and could not be fetched from http://127.0.0.1:9") {
		t.Fatalf("got %v, want a FetchError", err)
	}
}
