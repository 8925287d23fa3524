package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/driver"
	"github.com/nixos-compose/nxc/internal/addr"
)

// findPython finds what runs scripts, or says what to install.
func findPython(env *Env) (driver.Python, hcl.Diagnostics) {
	python, err := driver.FindPython(xdg(env, "XDG_CACHE_HOME", ".cache"))
	switch {
	case errors.Is(err, driver.ErrNoPython):
		return python, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Python is not here",
			Detail: "Tests are Python, and there is no python3 on PATH. Install Python 3.8 or newer, such as with apt-get install python3, dnf install python3, or nix-shell -p python3; nothing else is needed.",
		}}
	case err != nil:
		return python, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The test driver cannot be unpacked", Detail: err.Error() + "."}}
	}
	return python, nil
}

// problemsOf shows what is wrong with a script before it runs.
func problemsOf(s driver.Script, list []driver.Problem, err error) hcl.Diagnostics {
	var old *driver.TooOldError
	switch {
	case errors.As(err, &old):
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Python is too old", Detail: old.Error() + ". Put a newer python3 first in PATH."}}
	case errors.Is(err, context.Canceled):
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Interrupted"}}
	case err != nil:
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The test script cannot be checked", Detail: err.Error()}}
	}
	var diags hcl.Diagnostics
	for _, p := range list {
		d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: p.Summary, Detail: p.Detail}
		if p.Line > 0 {
			column := p.Column
			if s.Lines != nil {
				column = 0 // indentation was taken away
			}
			d.Subject = lineOf(s.File, p.Line, column)
		}
		diags = append(diags, d)
	}
	return diags
}

// lineOf is a line of a file, from a column on, or all of it.
func lineOf(file string, line, column int) *hcl.Range {
	start := hcl.Pos{Line: line, Column: max(column, 1)}
	return &hcl.Range{Filename: file, Start: start, End: hcl.Pos{Line: line + 1, Column: 1}}
}

// failureOf shows why a script did not pass, in the line where it did not.
func failureOf(d addr.Deployment, result *driver.Result, results string) hcl.Diagnostics {
	f := result.Failure
	summary, rest, _ := strings.Cut(f.Message, "\n")
	if f.Kind == driver.Broken {
		summary = f.Type + ": " + summary
	}
	var detail []string
	if rest != "" {
		detail = append(detail, rest)
	}
	out := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary}
	if n := len(f.Frames); n > 0 {
		at := f.Frames[n-1]
		out.Subject = lineOf(at.File, at.Line, 0)
		if n > 1 {
			var calls []string
			for _, frame := range f.Frames[:n-1] {
				calls = append(calls, fmt.Sprintf("%s line %d", filepath.Base(frame.File), frame.Line))
			}
			detail = append(detail, "called from "+strings.Join(calls, ", "))
		}
	}
	if len(f.Steps) > 0 {
		var steps []string
		for _, step := range f.Steps {
			first, _, _ := strings.Cut(step, "\n")
			steps = append(steps, first)
		}
		detail = append(detail, "in "+strings.Join(steps, " > "))
	}
	detail = append(detail, fmt.Sprintf("%s, after %.1f s. %s", d, result.Elapsed.Seconds(), keptText(result, results)))
	out.Detail = strings.Join(detail, "\n")
	return hcl.Diagnostics{out}
}

// keptText says where to look further.
func keptText(result *driver.Result, folder string) string {
	if len(result.Kept) == 0 {
		return "Logs are in " + folder + "."
	}
	names := make([]string, len(result.Kept))
	for i, file := range result.Kept {
		names[i] = filepath.Base(file)
	}
	if len(names) > 9 {
		names = append(names[:9], fmt.Sprintf("and %d more", len(names)-9))
	}
	return fmt.Sprintf("What the nodes said is in %s: %s.", folder, strings.Join(names, ", "))
}
