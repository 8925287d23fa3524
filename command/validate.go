package command

import (
	"context"
	"flag"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
)

func validateCommand(env *Env) *command {
	var f projectFlags
	return &command{
		synopsis: "Check the configuration",
		usage:    "[flags]",
		help: `
Checks the files of this folder: syntax, blocks, references, arguments, and
the nodes that roles are given. It reads no state, asks no provider about
anything that exists, and builds nothing. Variables may lack values.

Examples:
  nxc validate
  nxc validate -json`,
		flags: func(fs *flag.FlagSet) { f.register(fs) },
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "validate", args); bad {
				return status
			}
			quiet := view.Quiet{}
			var files map[string]*hcl.File
			diags := deploy.Validate(ctx, f.options(env, "validate", quiet), func(m map[string]*hcl.File) { files = m })
			if f.json {
				return validateJSON(env, diags, files)
			}
			v := f.view(env, func() map[string]*hcl.File { return files })
			defer v.Flush()
			v.Diagnostics(diags)
			if diags.HasErrors() {
				return exitError
			}
			v.Note("The configuration is valid.")
			return exitOK
		},
	}
}

func validateJSON(env *Env, diags hcl.Diagnostics, files map[string]*hcl.File) int {
	errors := 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			errors++
		}
	}
	status := printJSON(env, struct {
		FormatVersion string `json:"format_version"`
		Valid         bool   `json:"valid"`
		ErrorCount    int    `json:"error_count"`
		WarningCount  int    `json:"warning_count"`
		Diagnostics   []any  `json:"diagnostics"`
	}{"1.0", errors == 0, errors, len(diags) - errors, view.DiagnosticsJSON(diags, files)})
	if errors > 0 {
		return exitError
	}
	return status
}

// printError says what went wrong where no view is open.
func printError(env *Env, name string, err error) int {
	fmt.Fprintf(env.Stderr, "nxc %s: %v\n", name, err)
	lastResort(env, err)
	return exitError
}
