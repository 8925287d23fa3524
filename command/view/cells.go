package view

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// cells counts the columns that text takes on a terminal: East Asian wide
// characters take two, marks that sit on the character before them none.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n += cellsOf(r)
	}
	return n
}

func cellsOf(r rune) int {
	if r < 0x80 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// fill pads text with spaces to a width.
func fill(text string, to int) string {
	return text + strings.Repeat(" ", max(0, to-cells(text)))
}

// cut shortens text to a width, and marks that it did.
func cut(text string, to int) string {
	if cells(text) <= to {
		return text
	}
	const mark = "..."
	n := 0
	for i, r := range text {
		if n += cellsOf(r); n > to-len(mark) {
			return text[:i] + mark
		}
	}
	return text
}
