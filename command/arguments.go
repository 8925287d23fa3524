package command

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// noArguments complains when a command that takes none was given some.
func noArguments(env *Env, name string, args []string) (status int, bad bool) {
	if len(args) == 0 {
		return exitOK, false
	}
	fmt.Fprintf(env.Stderr, "nxc %s: takes no arguments, but was given %s\nRun \"nxc %s -help\" for its flags.\n", name, strings.Join(args, " "), name)
	return exitError, true
}

// interrupted ends a command that Ctrl-C ended before it changed anything.
// What was under way then has only this to say, and is not shown.
func (p opened) interrupted() int {
	p.view.Note("Interrupted. Nothing was changed.")
	return exitInterrupted
}

// fail shows an error that no file is to blame for.
func (p opened) fail(summary string, err error) int {
	text := err.Error()
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	p.view.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: strings.ToUpper(text[:1]) + text[1:]}})
	return exitError
}
