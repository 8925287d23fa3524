package view

import (
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
)

// diagnosticJSON is a diagnostic for programs, in Terraform's form.
type diagnosticJSON struct {
	Severity string       `json:"severity"`
	Summary  string       `json:"summary"`
	Detail   string       `json:"detail"`
	Range    *rangeJSON   `json:"range,omitempty"`
	Snippet  *snippetJSON `json:"snippet,omitempty"`
}

type rangeJSON struct {
	Filename string  `json:"filename"`
	Start    posJSON `json:"start"`
	End      posJSON `json:"end"`
}

type posJSON struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

type snippetJSON struct {
	Code      string `json:"code"`
	StartLine int    `json:"start_line"`
}

// DiagnosticsJSON returns diagnostics for a JSON document.
func DiagnosticsJSON(diags hcl.Diagnostics, files map[string]*hcl.File) []any {
	out := make([]any, 0, len(diags))
	for _, d := range diags {
		out = append(out, diagnosticOf(d, files))
	}
	return out
}

func diagnosticOf(d *hcl.Diagnostic, files map[string]*hcl.File) *diagnosticJSON {
	out := &diagnosticJSON{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if d.Subject == nil {
		return out
	}
	out.Range = &rangeJSON{
		Filename: filepath.Base(d.Subject.Filename),
		Start:    posJSON{d.Subject.Start.Line, d.Subject.Start.Column, d.Subject.Start.Byte},
		End:      posJSON{d.Subject.End.Line, d.Subject.End.Column, d.Subject.End.Byte},
	}
	if f := files[d.Subject.Filename]; f != nil {
		out.Snippet = &snippetJSON{Code: sourceLine(f.Bytes, d.Subject.Start.Line), StartLine: d.Subject.Start.Line}
	}
	return out
}
