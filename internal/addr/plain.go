package addr

import (
	"strconv"
	"strings"
)

// parsePlain reads an address that is spelled the way nearly all are: ASCII
// names, and a key that is a number or a string without escapes. A state has
// tens of thousands, and reading them as expressions would be most of the work
// of reading it. What it does not take is left to the parser of expressions.
func parsePlain(s string) (Instance, bool) {
	var a Instance
	path := s
	if open := strings.IndexByte(s, '['); open >= 0 {
		key, ok := plainKey(s[open:])
		if !ok {
			return a, false
		}
		a.Key, path = key, s[:open]
	}
	names := strings.Split(path, ".")
	for _, n := range names {
		if !plainName(n) {
			return a, false
		}
	}
	_, text := a.Key.Text()
	switch {
	case names[0] == "composition":
		if len(names) != 4 || !text {
			return a, false
		}
		a.Deployment, a.Type = Deployment{Composition: names[1], Flavour: names[2]}, names[3]
		return a, true
	case names[0] == "data":
		a.Data, names = true, names[1:]
	}
	if len(names) != 2 {
		return a, false
	}
	a.Type, a.Name = names[0], names[1]
	return a, true
}

func plainName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || s[i] != '_' && s[i] != '-' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return s != ""
}

// plainKey reads "[3]" and `["client1"]`.
func plainKey(s string) (Key, bool) {
	inner, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return NoKey, false
	}
	if n, err := strconv.Atoi(inner); err == nil {
		return IntKey(n), n >= 0 && strconv.Itoa(n) == inner
	}
	if len(inner) < 2 || inner[0] != '"' || inner[len(inner)-1] != '"' {
		return NoKey, false
	}
	inner = inner[1 : len(inner)-1]
	for i := range len(inner) {
		if c := inner[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '$' || c == '%' {
			return NoKey, false
		}
	}
	return StringKey(inner), true
}
