package view

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// writeDiagnostic shows one diagnostic: what is wrong, where, the source line
// with the place marked, and what to do.
func writeDiagnostic(w io.Writer, s style, d *hcl.Diagnostic, files map[string]*hcl.File, width int) {
	if width <= 0 || width > 100 {
		width = 100
	}
	label := s.bold(s.red("Error: "))
	if d.Severity == hcl.DiagWarning {
		label = s.bold(s.yellow("Warning: "))
	}
	fmt.Fprintf(w, "%s%s\n", label, s.bold(d.Summary))
	if d.Subject != nil {
		writeSource(w, s, d, files)
	}
	if d.Detail != "" {
		fmt.Fprintln(w)
		for _, paragraph := range strings.Split(d.Detail, "\n") {
			for _, line := range wrap(paragraph, width-2) {
				fmt.Fprintf(w, "  %s\n", line)
			}
		}
	}
	fmt.Fprintln(w)
}

func writeSource(w io.Writer, s style, d *hcl.Diagnostic, files map[string]*hcl.File) {
	r := *d.Subject
	fmt.Fprintf(w, "\n  %s\n", s.dim(fmt.Sprintf("on %s line %d:", filepath.Base(r.Filename), r.Start.Line)))
	f := files[r.Filename]
	if f == nil {
		return
	}
	line := sourceLine(f.Bytes, r.Start.Line)
	if line == "" {
		return
	}
	start, end := r.Start.Column-1, len([]rune(line))
	if r.End.Line == r.Start.Line {
		end = r.End.Column - 1
	}
	runes := []rune(line)
	start, end = clamp(start, len(runes)), clamp(end, len(runes))
	shown := string(runes)
	if s.color && end > start {
		shown = string(runes[:start]) + "\x1b[4m" + string(runes[start:end]) + "\x1b[24m" + string(runes[end:])
	}
	fmt.Fprintf(w, "  %4d: %s\n", r.Start.Line, strings.ReplaceAll(shown, "\t", " "))
	if !s.color && end > start {
		fmt.Fprintf(w, "  %4s  %s%s\n", "", strings.Repeat(" ", cells(string(runes[:start]))), strings.Repeat("^", cells(string(runes[start:end]))))
	}
}

func clamp(n, most int) int { return max(0, min(n, most)) }

func sourceLine(src []byte, number int) string {
	for n := 1; ; n++ {
		line, rest, more := bytes.Cut(src, []byte("\n"))
		if n == number {
			return strings.TrimRight(string(line), "\r")
		}
		if !more {
			return ""
		}
		src = rest
	}
}

// wrap breaks text into lines of at most width characters. Lines that are
// indented are shown as they are.
func wrap(text string, width int) []string {
	if strings.HasPrefix(text, " ") || cells(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case cells(line)+1+cells(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
