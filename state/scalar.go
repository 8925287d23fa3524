package state

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string.
func (s *scanner) str() (string, error) {
	start := s.pos
	if err := s.expect('"', "a string"); err != nil {
		return "", err
	}
	if s.data[start] != '"' {
		start = s.pos - 1
	}
	for i := s.pos; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			text := string(s.data[s.pos:i])
			if !utf8.ValidString(text) {
				return "", s.failf(start, "a string is not valid UTF-8")
			}
			s.pos = i + 1
			return text, nil
		case c == '\\':
			return s.escapedString(start)
		case c < 0x20:
			return "", s.failf(i, "a string has a raw control character")
		}
	}
	return "", s.ended("a string")
}

func (s *scanner) escapedString(start int) (string, error) {
	var b strings.Builder
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			if !utf8.ValidString(b.String()) {
				return "", s.failf(start, "a string is not valid UTF-8")
			}
			return b.String(), nil
		case c < 0x20:
			return "", s.failf(s.pos, "a string has a raw control character")
		case c != '\\':
			b.WriteByte(c)
			s.pos++
		default:
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
	}
	return "", s.ended("a string")
}

// escape reads one escape sequence, a pair of surrogates included.
func (s *scanner) escape() (rune, error) {
	at := s.pos
	if s.pos+1 >= len(s.data) {
		return 0, s.ended("a string")
	}
	c := s.data[s.pos+1]
	s.pos += 2
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, s.failf(at, "a string has an escape that JSON does not know")
	}
	r, err := s.hex4(at)
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if s.pos+1 < len(s.data) && s.data[s.pos] == '\\' && s.data[s.pos+1] == 'u' {
		s.pos += 2
		low, err := s.hex4(at)
		if err != nil {
			return 0, err
		}
		if r := utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, s.failf(at, "a string has half a surrogate pair")
}

func (s *scanner) hex4(at int) (rune, error) {
	if s.pos+4 > len(s.data) {
		return 0, s.ended("a string")
	}
	n, err := strconv.ParseUint(string(s.data[s.pos:s.pos+4]), 16, 16)
	if err != nil {
		return 0, s.failf(at, "a string has an escape that JSON does not know")
	}
	s.pos += 4
	return rune(n), nil
}

// number reads a number as it is spelled.
func (s *scanner) number() (string, error) {
	start, i := s.pos, s.pos
	digits := func() bool {
		from := i
		for i < len(s.data) && '0' <= s.data[i] && s.data[i] <= '9' {
			i++
		}
		return i > from
	}
	at := func(set string) bool { return i < len(s.data) && strings.IndexByte(set, s.data[i]) >= 0 }
	if at("-") {
		i++
	}
	first := i
	if !digits() {
		if i >= len(s.data) {
			return "", s.ended("a value")
		}
		return "", s.failf(start, "expected a value, found %q", rune(s.data[start]))
	}
	if s.data[first] == '0' && i > first+1 {
		return "", s.failf(start, "a number begins with 0")
	}
	if at(".") {
		if i++; !digits() {
			return "", s.failf(start, "a number ends in a point")
		}
	}
	if at("eE") {
		if i++; at("+-") {
			i++
		}
		if !digits() {
			return "", s.failf(start, "a number's exponent has no digits")
		}
	}
	s.pos = i
	return string(s.data[start:i]), nil
}

// int64 reads a whole number.
func (s *scanner) int64() (int64, error) {
	s.space()
	pos := s.pos
	text, err := s.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, s.failf(pos, "%s is not a whole number", text)
	}
	return n, nil
}

// int reads a whole number that counts something.
func (s *scanner) int() (int, error) {
	s.space()
	pos := s.pos
	n, err := s.int64()
	if err == nil && (n < 0 || n > math.MaxInt32) {
		return 0, s.failf(pos, "%d is out of range", n)
	}
	return int(n), err
}

func (s *scanner) bool() (bool, error) {
	s.space()
	pos := s.pos
	raw, err := s.literal()
	if err == nil && raw == "null" {
		return false, s.failf(pos, "expected true or false")
	}
	return raw == "true", err
}

func (s *scanner) literal() (string, error) {
	for _, word := range []string{"true", "false", "null"} {
		if rest := s.data[s.pos:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			s.pos += len(word)
			return word, nil
		}
	}
	if s.pos >= len(s.data) {
		return "", s.ended("a value")
	}
	if rest := string(s.data[s.pos:]); len(rest) < 5 && (strings.HasPrefix("true", rest) || strings.HasPrefix("false", rest) || strings.HasPrefix("null", rest)) {
		return "", s.ended("a value")
	}
	return "", s.failf(s.pos, "expected a value, found %q", rune(s.data[s.pos]))
}

const hexDigits = "0123456789abcdef"

// appendString writes a string with as few escapes as JSON allows.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
