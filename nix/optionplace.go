package nix

import (
	"bufio"
	"os"
	"regexp"
	"strings"
)

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
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, 0
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for n := 1; scanner.Scan(); n++ {
		code, _, _ := strings.Cut(scanner.Text(), "#")
		if at := definition.FindStringSubmatchIndex(code); at != nil {
			line, column = n, at[2]+1
			matches++
		}
	}
	return line, column, matches
}
