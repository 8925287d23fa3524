package nix

import (
	"fmt"
	"strings"
)

// BuildError is a derivation that failed to build.
type BuildError struct {
	Drv     string   // the derivation that failed
	Name    string   // its name, as a person calls it
	Reason  string   // such as "failed with exit code 3"
	LogTail []string // the last lines that its builder wrote
	Outputs []Output // what was asked for and cannot be built because of it
	Host    string   // where it was built; "" is this machine
}

func (e *BuildError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "building %s", e.Name)
	if e.Host != "" {
		b.WriteString(" on " + e.Host)
	}
	b.WriteString(": " + e.Reason)
	if len(e.LogTail) > 0 {
		b.WriteString("; the last lines of its log:")
		for _, line := range e.LogTail {
			b.WriteString("\n  " + line)
		}
		b.WriteString("\nThe whole log: ")
		if e.Host != "" {
			b.WriteString("ssh " + e.Host + " ")
		}
		b.WriteString("nix-store --read-log " + e.Drv)
	}
	return b.String()
}

// BuildErrors are several derivations that failed in one run. errors.As with
// a *BuildError finds the first.
type BuildErrors []*BuildError

func (e BuildErrors) Error() string {
	texts := make([]string, 0, len(e)+1)
	texts = append(texts, fmt.Sprintf("%d builds failed", len(e)))
	for _, one := range e {
		texts = append(texts, one.Error())
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives errors.Is and errors.As each failure.
func (e BuildErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}
