package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// failure returns one error that has no place in a file.
func failure(summary, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}

// errorAt returns one error about a place in a file.
func errorAt(subject hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   fmt.Sprintf(format, args...),
		Subject:  subject.Ptr(),
	}
}

// place spells where a range begins, as an editor understands it.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}

// DidYouMean returns " Did you mean \"NAME\"?" with the candidate that given
// was probably meant to be, or "". It begins with a space, so that it can end
// a sentence's paragraph.
func DidYouMean(given string, candidates []string) string {
	if best := Nearest(given, candidates); best != "" {
		return fmt.Sprintf(" Did you mean %q?", best)
	}
	return ""
}

// Nearest returns the candidate that given was probably meant to be, or "".
// Among equals the first wins.
func Nearest(given string, candidates []string) string {
	best, distance := "", 1+max(1, min(3, len(given)/3))
	for _, candidate := range candidates {
		if d := levenshtein.Distance(strings.ToLower(given), strings.ToLower(candidate), nil); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// listed joins names for a sentence, sorted: `"a", "b" and "c"`.
func listed(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	slices.Sort(quoted)
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " and " + quoted[last]
}
