package plugins

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Severity tells an error from a warning.
type Severity uint8

const (
	Error Severity = iota
	Warning
)

// Diagnostic is something to tell the user. Path, when set, points into the
// value that the call was about; the core maps it to a file and line.
type Diagnostic struct {
	Severity Severity
	Summary  string // terse, no full stop
	Detail   string // sentences; says the remedy
	Path     cty.Path

	// Ended says that the provider's process is gone, which every call to it
	// hears in the same words. It is the host's to say and does not travel.
	Ended bool
}

// Diagnostics is what a call has to tell. Nil is success.
type Diagnostics []Diagnostic

// HasErrors reports whether any is an error.
func (d Diagnostics) HasErrors() bool {
	for i := range d {
		if d[i].Severity == Error {
			return true
		}
	}
	return false
}

// Error joins the errors' summaries and details, for logs and %w.
func (d Diagnostics) Error() string {
	var parts []string
	for i := range d {
		if d[i].Severity != Error {
			continue
		}
		text := d[i].Summary
		if d[i].Detail != "" {
			text += ": " + d[i].Detail
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// Err returns d as an error when it has errors, else nil.
func (d Diagnostics) Err() error {
	if !d.HasErrors() {
		return nil
	}
	return d
}

// NewError returns one error.
func NewError(summary, detail string) Diagnostics {
	return Diagnostics{{Severity: Error, Summary: summary, Detail: detail}}
}

// AtPath returns one error about the attribute at path.
func AtPath(path cty.Path, summary, detail string) Diagnostics {
	return Diagnostics{{Severity: Error, Summary: summary, Detail: detail, Path: path}}
}
