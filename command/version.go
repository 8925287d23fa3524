package command

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// release is the version that this source is, or is on the way to.
const release = "0.1.0-dev"

// commit names the source that was built; make build sets it.
var commit = ""

// Version returns nxc's version, as required_version compares it.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") && !strings.HasPrefix(info.Main.Version, "v0.0.0-") {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return release
}

func versionCommand(env *Env) *command {
	var asJSON bool
	return &command{
		synopsis: "Print the version",
		usage:    "[-json]",
		help:     "Prints nxc's version, and the platform it was built for.",
		flags:    func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print JSON for programs") },
		run: func(_ context.Context, args []string) int {
			if status, bad := noArguments(env, "version", args); bad {
				return status
			}
			if asJSON {
				return printJSON(env, struct {
					FormatVersion string `json:"format_version"`
					Version       string `json:"version"`
					Platform      string `json:"platform"`
					Commit        string `json:"commit,omitempty"`
					Go            string `json:"go"`
				}{"1.0", Version(), runtime.GOOS + "_" + runtime.GOARCH, commit, runtime.Version()})
			}
			text := "nxc " + Version()
			if commit != "" {
				text += " (" + commit + ")"
			}
			fmt.Fprintf(env.Stdout, "%s on %s_%s\n", text, runtime.GOOS, runtime.GOARCH)
			return exitOK
		},
	}
}

// printJSON writes one JSON document.
func printJSON(env *Env, v any) int {
	e := json.NewEncoder(env.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		fmt.Fprintln(env.Stderr, "nxc:", err)
		return exitError
	}
	return exitOK
}
