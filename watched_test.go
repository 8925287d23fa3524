package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nixos-compose/nxc/command"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state/statetest"
)

// violations is where an nxc of a script writes that a kill would have lost
// something.
const violations = ".violations"

// watched is nxc as tests run it: its disk fails where the environment says
// so, and a kill at every record of its journal is played when it ends.
func watched() int {
	disk := &statetest.Failing{Kill: func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}}
	if text := os.Getenv(statetest.Variable); text != "" {
		fault, err := statetest.ParseFault(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		disk.Fault = fault
	}
	objects := filepath.Join(".nxc", "fake")
	if wd, err := os.Getwd(); err == nil {
		objects = filepath.Join(wd, objects)
	}
	prefixes := &statetest.Prefixes{
		Under: disk, World: func() map[string]string { return fake.Attempts(objects) },
		Strange: forgets(os.Args[1:]),
	}
	sys := command.System()
	sys.Disk = prefixes
	status := command.Main(sys, os.Args[1:])
	if err := prefixes.Check(); err != nil {
		text := fmt.Sprintf("nxc %q: %v\n", os.Args[1:], err)
		fmt.Fprint(os.Stderr, text)
		_ = os.WriteFile(filepath.Join(os.Getenv("HOME"), violations), []byte(text), 0o600)
		return 99
	}
	return status
}

// forgets reports whether a command may take objects out of the record that go
// on to exist, because the user says so.
func forgets(args []string) bool {
	if len(args) > 0 && args[0] == "state" { // rm, push
		return true
	}
	files, _ := filepath.Glob("*.nxc.hcl")
	return slices.ContainsFunc(files, func(file string) bool {
		text, _ := os.ReadFile(file)
		return strings.Contains("\n"+string(text), "\nremoved {")
	})
}

// failOnViolation ends a script badly when one of its commands could have lost
// something, whatever status the script wanted of it.
func failOnViolation(e *testscript.Env) {
	if text, err := os.ReadFile(filepath.Join(e.WorkDir, violations)); err == nil {
		e.T().Fatal(string(text))
	}
}
