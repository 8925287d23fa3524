package deploy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxRange bounds what one pattern may name.
const maxRange = 100_000

// isPattern reports whether a node's name on the command line may mean several
// nodes.
func isPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// matching returns the nodes that a pattern means, out of names: "client*" and
// "client?" those that it fits, "client[1-3,7]" exactly those that it spells
// out, there or not.
func matching(pattern string, names []string) ([]string, error) {
	spelled, err := spellOut(pattern)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, s := range spelled {
		if !strings.ContainsAny(s, "*?") {
			list = append(list, s)
			continue
		}
		for _, n := range names {
			fits, err := path.Match(s, n)
			if err != nil {
				return nil, err
			}
			if fits && !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	return list, nil
}

// spellOut replaces the brackets of a pattern by what they hold.
func spellOut(pattern string) ([]string, error) {
	before, rest, ok := strings.Cut(pattern, "[")
	if !ok {
		return []string{pattern}, nil
	}
	inside, after, ok := strings.Cut(rest, "]")
	if !ok {
		return nil, fmt.Errorf("%q has a [ without its ]", pattern)
	}
	tails, err := spellOut(after)
	if err != nil {
		return nil, err
	}
	var list []string
	for part := range strings.SplitSeq(inside, ",") {
		numbers, err := numbersOf(part)
		if err != nil {
			return nil, fmt.Errorf("%q has [%s], which is not a list of numbers and ranges, such as [1-3,7]", pattern, inside)
		}
		if len(list)+len(numbers)*len(tails) > maxRange {
			return nil, fmt.Errorf("%q names more than %d nodes", pattern, maxRange)
		}
		for _, n := range numbers {
			for _, tail := range tails {
				list = append(list, before+n+tail)
			}
		}
	}
	return list, nil
}

// numbersOf returns the numbers of "7" or "1-3", as wide as the first is
// written.
func numbersOf(part string) ([]string, error) {
	from, to, isRange := strings.Cut(part, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 31)
	if err != nil {
		return nil, err
	}
	last, err := strconv.ParseUint(to, 10, 31)
	if err != nil {
		return nil, err
	}
	if last < first || last-first >= maxRange {
		return nil, fmt.Errorf("%s is not a range", part)
	}
	var list []string
	for n := first; n <= last; n++ {
		list = append(list, fmt.Sprintf("%0*d", len(from), n))
	}
	return list, nil
}
