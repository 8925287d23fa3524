package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// fmtFlags say what becomes of files that are not in the usual form.
type fmtFlags struct {
	check, diff, recursive bool
}

func fmtCommand(env *Env) *command {
	var f fmtFlags
	return &command{
		synopsis: "Bring configuration files into the usual form",
		usage:    "[-check] [-diff] [-recursive] [FILE|FOLDER|-]...",
		help: `
Aligns and indents the configuration files of a folder, the current one by
default, and prints the names of those that it changed. What they mean stays.
"-" formats the standard input to the standard output.

Of a folder it takes *.nxc.hcl and nxc.vars.hcl; any other file in HCL's own
syntax, such as one for -var-file, is named.

Examples:
  nxc fmt
  nxc fmt -check -recursive         for CI: exit with 1 when a file would change
  nxc fmt -check -diff lab.nxc.hcl`,
		flags: func(fs *flag.FlagSet) {
			fs.BoolVar(&f.check, "check", false, "change nothing, and exit with 1 when a file would change")
			fs.BoolVar(&f.diff, "diff", false, "show what is different")
			fs.BoolVar(&f.recursive, "recursive", false, "also the folders below")
		},
		run: func(_ context.Context, args []string) int {
			if len(args) == 0 {
				args = []string{"."}
			}
			return f.run(env, args)
		},
	}
}

// run formats what the arguments name, all of it, also when something is wrong
// with a part.
func (f *fmtFlags) run(env *Env, args []string) int {
	status, seen := exitOK, map[string]bool{}
	worse := func(s int) { status = max(status, s) }
	for _, arg := range args {
		if arg == "-" {
			worse(f.standardInput(env))
			continue
		}
		paths, err := f.filesAt(arg)
		if err != nil {
			worse(printError(env, "fmt", err))
		}
		for _, path := range paths {
			if !seen[path] {
				seen[path] = true
				worse(f.file(env, path))
			}
		}
	}
	return status
}

// filesAt lists the files that an argument means.
func (f *fmtFlags) filesAt(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file and no folder %s", arg)
	case err != nil:
		return nil, err
	case info.IsDir():
		return f.filesBelow(arg)
	case !strings.HasSuffix(arg, ".hcl"):
		return nil, fmt.Errorf("%s is not in HCL's own syntax: its name does not end in .hcl", arg)
	}
	return []string{filepath.Clean(arg)}, nil
}

func (f *fmtFlags) filesBelow(folder string) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(e.Name(), ".") && path != folder
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != folder && (hidden || !f.recursive):
			return filepath.SkipDir
		case !e.IsDir() && !hidden && isFormatted(e.Name()):
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}

// isFormatted reports whether a folder's file of this name is one of people's.
func isFormatted(name string) bool {
	return strings.HasSuffix(name, ".nxc.hcl") || name == "nxc.vars.hcl"
}

// file formats one file in its place.
func (f *fmtFlags) file(env *Env, path string) int {
	source, err := os.ReadFile(path)
	if err != nil {
		return printError(env, "fmt", err)
	}
	formatted, ok := formatSource(env, path, source)
	if !ok {
		return exitError
	}
	if bytes.Equal(source, formatted) {
		return exitOK
	}
	if !f.check {
		if err := atomicfile.Write(path, formatted, 0o644); err != nil {
			return printError(env, "fmt", err)
		}
	}
	fmt.Fprintln(env.Stdout, path)
	return f.differs(env, path, source, formatted)
}

func (f *fmtFlags) standardInput(env *Env) int {
	source, err := io.ReadAll(env.Stdin)
	if err != nil {
		return printError(env, "fmt", err)
	}
	formatted, ok := formatSource(env, "standard input", source)
	if !ok {
		return exitError
	}
	if !f.check && !f.diff {
		if _, err := env.Stdout.Write(formatted); err != nil {
			return printError(env, "fmt", err)
		}
	}
	if bytes.Equal(source, formatted) {
		return exitOK
	}
	return f.differs(env, "standard input", source, formatted)
}

// differs shows what is different where that was asked for, and returns the
// status of a file that was not in the usual form.
func (f *fmtFlags) differs(env *Env, name string, old, formatted []byte) int {
	if f.diff {
		if _, err := env.Stdout.Write(diff.Diff(name, old, name+" (formatted)", formatted)); err != nil {
			return printError(env, "fmt", err)
		}
	}
	if f.check {
		return exitError
	}
	return exitOK
}

// formatSource returns a file in the usual form. What is no HCL is shown, and
// stays as it is: half a file would be aligned into something else.
func formatSource(env *Env, name string, source []byte) ([]byte, bool) {
	file, diags := hclsyntax.ParseConfig(source, name, hcl.InitialPos)
	if !diags.HasErrors() {
		return hclwrite.Format(source), true
	}
	v := view.NewHuman(view.Options{
		Out: env.Stdout, Err: env.Stderr, Color: !env.NoColor, Terminal: env.Terminal, Width: env.Width,
		Files: func() map[string]*hcl.File { return map[string]*hcl.File{name: file} },
	})
	defer v.Flush()
	v.Diagnostics(diags)
	return nil, false
}
