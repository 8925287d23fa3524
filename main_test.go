package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nixos-compose/nxc/command"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata/script/*.txtar")

// TestMain lets the test binary be nxc, and the provider of the tests, when a
// script calls them.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nxc":               func() { os.Exit(command.Main(command.System(), os.Args[1:])) },
		"nxc-provider-fake": fake.Main,
	})
}

// TestScripts specifies the command line: each script is a user's session.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
	})
}

// setup gives every script a home of its own. The stand-in's files and Nix's
// evaluations are shared with the user's cache, which they are made for.
func setup(e *testscript.Env) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "nxc-test-cache")
	}
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("XDG_CACHE_HOME", cache)
	e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, ".state"))
	e.Setenv("NO_COLOR", "1")
	e.Setenv("USER", "tester")
	for _, name := range []string{"DOCKER_HOST", "NIX_PATH", "NIX_REMOTE"} {
		if v, ok := os.LookupEnv(name); ok {
			e.Setenv(name, v)
		}
	}
	e.Setenv("PATH", e.Getenv("PATH")+":"+strings.Join([]string{"/usr/local/sbin", "/usr/sbin", "/sbin"}, ":"))
	return nil
}

// condition offers [docker] and [nix] to scripts that need the real thing.
func condition(name string) (bool, error) {
	switch name {
	case "docker":
		return exec.Command("docker", "info").Run() == nil, nil
	case "nix":
		_, err := exec.LookPath("nix-instantiate")
		return err == nil, nil
	}
	return false, nil
}
