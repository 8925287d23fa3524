package main

import (
	"cmp"
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// buildCommand is `gobuild ARGUMENT...`: go build, in this repository and with
// the tests' environment, as a plugin's author has it. A script's own has
// neither Go's caches nor its settings.
func buildCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! gobuild")
	}
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), ".ci/go"), append([]string{"build"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	ts.Logf("%s", out)
	ts.Check(err)
}
