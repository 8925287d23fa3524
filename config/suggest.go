package config

import (
	"fmt"
	"strings"
)

// DidYouMean returns " Did you mean \"NAME\"?" with the candidate that given
// was probably meant to be, or "". It begins with a space, so that it can
// follow a sentence.
func DidYouMean(given string, candidates []string) string {
	if best := Nearest(given, candidates); best != "" {
		return fmt.Sprintf(" Did you mean %q?", best)
	}
	return ""
}

// Nearest returns the candidate that given was probably meant to be, or "".
// One slip is allowed for every three letters. Among equals the first wins.
func Nearest(given string, candidates []string) string {
	best, least := "", min(len(given)/3, 3)+1
	for _, candidate := range candidates {
		if d := slips(strings.ToLower(given), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// slips counts what went wrong in typing b as a: letters that are missing, too
// many, wrong, or in the wrong order with their neighbour.
func slips(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		last[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			wrong := last[j]
			if s[i] != t[j] {
				wrong++
			}
			row[j+1] = min(wrong, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
