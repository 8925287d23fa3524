package nix

import (
	"bufio"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// missingPattern finds the path that an error says is missing.
var missingPattern = regexp.MustCompile("(?:getting status of|opening file|path|module) [`‘']([^'’]*)['’](?:: No such file| does not exist)")

// guessPlace finds where an error comes from that Nix gives no place, such as
// an early throw, or a path that does not exist: the one line of the user's
// files that holds the missing file's name, or the message's first line, or
// defines the option that was being evaluated.
func (e *evaluator) guessPlace(entry logEntry) Frame {
	message := entry.errorText()
	text, rest, _ := strings.Cut(message, "\n")
	if match := missingPattern.FindStringSubmatch(message); match != nil {
		text = filepath.Base(match[1])
	} else if match := abortPattern.FindStringSubmatch(message); match != nil {
		text, _, _ = strings.Cut(match[1], "\n")
	} else if first, isList := strings.CutPrefix(rest, "- "); isList && text == "Failed assertions:" {
		text, _, _ = strings.Cut(first, "\n")
	}
	if place := e.onlyPlace(func(path string) (int, int, int) { return findText(path, text) }); place.File != "" {
		return place
	}
	for _, step := range entry.Trace {
		if optionPattern.MatchString(step.Text) {
			return e.onlyPlace(func(path string) (int, int, int) {
				line, column := placeOfOption(step.Text, path)
				return line, column, min(line, 1)
			})
		}
	}
	return Frame{}
}

// onlyPlace applies a search, which also counts what it finds, to the user's
// files that were evaluated, and returns the place if there is but one.
func (e *evaluator) onlyPlace(search func(path string) (line, column, matches int)) Frame {
	var found Frame
	total := 0
	for _, r := range e.reads.reads() {
		if r.Kind != readImport || !e.isUserFile(r.Path) || !strings.HasSuffix(r.Path, ".nix") {
			continue
		}
		if line, column, matches := search(r.Path); matches > 0 {
			found = Frame{File: r.Path, Line: line, Column: column}
			total += matches
		}
	}
	if total != 1 {
		return Frame{}
	}
	return found
}

// findText searches a file for a text and counts the lines that have it.
func findText(path, text string) (line, column, matches int) {
	if text == "" {
		return 0, 0, 0
	}
	for n, source := range numberedLines(path) {
		if at := strings.Index(source, text); at >= 0 {
			line, column = n, at+1
			matches++
		}
	}
	return line, column, matches
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
