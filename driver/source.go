package driver

import (
	"regexp"
	"strings"
)

// antiquotation is where Nix puts a value into a text.
var antiquotation = regexp.MustCompile(`\$\{[^{}]*\}`)

// Locate finds the lines of a script that stands inside a file of Nix, in a
// string that begins at or after a line (counted from 1). It returns for each
// line of the script the file's line, or nil when the script is not there: it
// was read from another file, or made.
//
// Nix takes indentation away and puts values in, so lines are compared
// without their surrounding space, and a value may be anything.
func Locate(script, file string, from int) []int {
	want := strings.Split(strings.TrimRight(script, "\n"), "\n")
	have := strings.Split(file, "\n")
	lines := make([]int, len(want))
	at, found := from-1, 0
	for i, line := range want {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		for j := at; j < len(have); j++ {
			if found > 0 && j > at+50 {
				break // lines that values brought are not far from what is around them
			}
			if same(line, have[j], found == 0) {
				lines[i], at = j+1, j+1
				found++
				break
			}
		}
		if i == 0 && found == 0 {
			return nil
		}
	}
	return filled(lines, from)
}

// same reports whether a line of a file became a line of a script. The first
// one may stand behind the opening quotes.
func same(line, of string, first bool) bool {
	of = strings.TrimSpace(of)
	if first {
		if _, after, found := strings.Cut(of, "''"); found && strings.TrimSpace(after) != "" {
			of = strings.TrimSpace(after)
		}
	}
	of = strings.TrimSuffix(of, "'';")
	of = strings.TrimSuffix(of, "''")
	of = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(of, "''$", "$"), "'''", "''"))
	if of == line {
		return true
	}
	if !strings.Contains(of, "${") {
		return false
	}
	parts := antiquotation.Split(of, -1)
	literal := strings.Join(parts, "")
	if len(strings.TrimSpace(literal)) < 4 {
		return false // hardly anything is left to recognize it by
	}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	pattern, err := regexp.Compile("^" + strings.Join(parts, ".*") + "$")
	return err == nil && pattern.MatchString(line)
}

// filled gives lines that were not found the line before them.
func filled(lines []int, from int) []int {
	last := from
	for i, n := range lines {
		if n == 0 {
			lines[i] = last
			continue
		}
		last = n
	}
	return lines
}
