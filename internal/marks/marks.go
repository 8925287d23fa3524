// Package marks holds the marks that values carry through nxc.
//
// A mark travels with a cty value through every expression that uses it. The
// configuration language sets marks, plan and view obey them; the package only
// gives both the same one.
package marks

import "github.com/zclconf/go-cty/cty"

type mark string

// GoString makes a mark readable in a test's failure.
func (m mark) GoString() string { return "marks." + string(m) }

// Sensitive marks a value that is never shown and never stored in clear.
const Sensitive = mark("Sensitive")

// IsSensitive reports whether v, or anything inside it, is sensitive.
func IsSensitive(v cty.Value) bool {
	if !v.ContainsMarked() {
		return false
	}
	_, all := v.UnmarkDeep()
	_, has := all[Sensitive]
	return has
}
