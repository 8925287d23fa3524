package nix

import (
	"bufio"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// missingPattern finds the file that an error says is missing.
var missingPattern = regexp.MustCompile(`^(?:getting status of|opening file|path) '([^']*)'`)

// guessPlace finds where an error comes from that Nix gives no place, such as
// an early throw, or a path that does not exist: the one line of the user's
// files that holds the message's first line, or the missing file's name.
func (e *evaluator) guessPlace(message string) Frame {
	text, _, _ := strings.Cut(message, "\n")
	if match := missingPattern.FindStringSubmatch(message); match != nil {
		text = filepath.Base(match[1])
	} else if match := abortPattern.FindStringSubmatch(message); match != nil {
		text, _, _ = strings.Cut(match[1], "\n")
	}
	var found []Frame
	for _, r := range e.reads.reads() {
		if r.Kind != readImport || !e.isUserFile(r.Path) || !strings.HasSuffix(r.Path, ".nix") {
			continue
		}
		for number, line := range numberedLines(r.Path) {
			if at := strings.Index(line, text); at >= 0 && text != "" {
				found = append(found, Frame{File: r.Path, Line: number, Column: at + 1})
			}
		}
	}
	if len(found) != 1 {
		return Frame{}
	}
	return found[0]
}

// numberedLines yields a file's lines with their numbers; none if it cannot be
// read.
func numberedLines(path string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 1<<20)
		for n := 1; scanner.Scan(); n++ {
			if !yield(n, strings.TrimRight(scanner.Text(), "\r")) {
				return
			}
		}
	}
}

// optionPattern finds the option that an error of the module system is about.
// The quotes changed over the years.
var optionPattern = regexp.MustCompile("option [`‘'\"]([^`‘’'\"]+)['’\"]")

// placeOfOption finds where a file defines the option that a message names.
// The module system knows only the file, so this is a search for the longest
// end of the option's name; it answers only when exactly one line matches.
func placeOfOption(message, path string) (line, column int) {
	match := optionPattern.FindStringSubmatch(message)
	if match == nil {
		return 0, 0
	}
	parts := strings.Split(match[1], ".")
	for i := range parts {
		line, column, matches := findDefinition(path, strings.Join(parts[i:], "."))
		if matches == 1 {
			return line, column
		}
		if matches > 1 {
			return 0, 0
		}
	}
	return 0, 0
}

// findDefinition searches for "name =" or "name." and counts the lines that
// have it.
func findDefinition(path, name string) (line, column, matches int) {
	definition, err := regexp.Compile(`(?:^|[\s{;.])(` + regexp.QuoteMeta(name) + `)\s*[=.{]`)
	if err != nil {
		return 0, 0, 0
	}
	for n, text := range numberedLines(path) {
		code, _, _ := strings.Cut(text, "#")
		if at := definition.FindStringSubmatchIndex(code); at != nil {
			line, column = n, at[2]+1
			matches++
		}
	}
	return line, column, matches
}
