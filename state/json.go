package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// maxDepth bounds how deep values nest, so that a hostile file costs no stack.
const maxDepth = 500

// syntaxError is what a scanner finds wrong, and at which byte.
type syntaxError struct {
	pos       int
	msg       string
	truncated bool // the text ends where more is needed
	duplicate bool
}

func (e *syntaxError) Error() string { return e.msg }

// scanner reads JSON in one pass. Beside what encoding/json does it refuses
// duplicate members, knows where it is, and yields values in canonical form:
// members sorted, no white space, strings in one spelling.
type scanner struct {
	data  []byte
	pos   int
	depth int

	scratch []byte // where raw values are put together
}

func (s *scanner) failf(pos int, format string, args ...any) error {
	return &syntaxError{pos: pos, msg: fmt.Sprintf(format, args...)}
}

func (s *scanner) ended(what string) error {
	return &syntaxError{pos: len(s.data), msg: "the file ends in the middle of " + what, truncated: true}
}

// space passes white space and returns the next byte, 0 at the end.
func (s *scanner) space() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) expect(c byte, what string) error {
	got := s.space()
	if got == c {
		s.pos++
		return nil
	}
	if s.pos >= len(s.data) {
		return s.ended(what)
	}
	return s.failf(s.pos, "expected %q, found %q", c, rune(got))
}

// end makes sure that nothing follows.
func (s *scanner) end() error {
	if s.space(); s.pos < len(s.data) {
		return s.failf(s.pos, "something follows after the end: %q", rune(s.data[s.pos]))
	}
	return nil
}

// members remembers an object's names, to refuse a second of the same. Sorted
// names, which is how nxc writes them, cost one comparison each.
type members struct {
	names []string
	seen  map[string]bool
}

func (m *members) add(name string) (sorted, fresh bool) {
	if m.seen == nil {
		if n := len(m.names); n == 0 || m.names[n-1] < name {
			m.names = append(m.names, name)
			return true, true
		}
		m.seen = make(map[string]bool, len(m.names)+1)
		for _, n := range m.names {
			m.seen[n] = true
		}
	}
	if m.seen[name] {
		return false, false
	}
	m.seen[name] = true
	return false, true
}

// object reads an object, and calls member with the scanner before each value.
func (s *scanner) object(member func(name string, pos int) error) error {
	if err := s.expect('{', "an object"); err != nil {
		return err
	}
	if s.depth++; s.depth > maxDepth {
		return s.failf(s.pos, "values nest too deep")
	}
	defer func() { s.depth-- }()
	if s.space() == '}' {
		s.pos++
		return nil
	}
	var all members
	for {
		s.space()
		pos := s.pos
		name, err := s.str()
		if err != nil {
			return err
		}
		if _, fresh := all.add(name); !fresh {
			return &syntaxError{pos: pos, msg: fmt.Sprintf("%q stands here a second time", name), duplicate: true}
		}
		if err := s.expect(':', "an object"); err != nil {
			return err
		}
		s.space()
		if err := member(name, pos); err != nil {
			return err
		}
		if s.space() == ',' {
			s.pos++
			continue
		}
		return s.expect('}', "an object")
	}
}

// array reads an array, and calls element with the scanner before each value.
func (s *scanner) array(element func() error) error {
	if err := s.expect('[', "a list"); err != nil {
		return err
	}
	if s.depth++; s.depth > maxDepth {
		return s.failf(s.pos, "values nest too deep")
	}
	defer func() { s.depth-- }()
	if s.space() == ']' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if err := element(); err != nil {
			return err
		}
		if s.space() == ',' {
			s.pos++
			continue
		}
		return s.expect(']', "a list")
	}
}

// raw reads any value and returns its canonical form.
func (s *scanner) raw() (json.RawMessage, error) {
	out, err := s.appendValue(s.scratch[:0])
	s.scratch = out
	return slices.Clone(out), err
}

// rawObject reads an object and returns its canonical form.
func (s *scanner) rawObject() (json.RawMessage, error) {
	if c := s.space(); c != '{' && s.pos < len(s.data) {
		return nil, s.failf(s.pos, "expected an object, found %q", rune(c))
	}
	return s.raw()
}

// skip passes any value.
func (s *scanner) skip() error {
	_, err := s.raw()
	return err
}

func (s *scanner) appendValue(dst []byte) ([]byte, error) {
	switch s.space() {
	case '{':
		return s.appendObject(dst)
	case '[':
		return s.appendArray(dst)
	case '"':
		text, err := s.str()
		return appendString(dst, text), err
	case 't', 'f', 'n':
		word, err := s.literal()
		return append(dst, word...), err
	case 0:
		if s.pos >= len(s.data) {
			return dst, s.ended("a value")
		}
	}
	number, err := s.number()
	return append(dst, number...), err
}

func (s *scanner) appendArray(dst []byte) ([]byte, error) {
	dst = append(dst, '[')
	first := true
	err := s.array(func() (err error) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst, err = s.appendValue(dst)
		return err
	})
	return append(dst, ']'), err
}

// appendObject writes members in the order it finds them, and, where that is
// not the sorted one, puts them in order afterwards.
func (s *scanner) appendObject(dst []byte) ([]byte, error) {
	type span struct {
		name       string
		start, end int
	}
	var spans []span
	sorted := true
	dst = append(dst, '{')
	begin := len(dst)
	err := s.object(func(name string, _ int) (err error) {
		if n := len(spans); n > 0 {
			sorted = sorted && spans[n-1].name < name
			dst = append(dst, ',')
		}
		start := len(dst)
		dst = append(appendString(dst, name), ':')
		dst, err = s.appendValue(dst)
		spans = append(spans, span{name, start, len(dst)})
		return err
	})
	if err != nil || sorted {
		return append(dst, '}'), err
	}
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(a.name, b.name) })
	old := slices.Clone(dst[begin:])
	dst = dst[:begin]
	for i, sp := range spans {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, old[sp.start-begin:sp.end-begin]...)
	}
	return append(dst, '}'), nil
}

// canonical returns one JSON value in canonical form.
func canonical(raw []byte) (json.RawMessage, error) {
	s := scanner{data: raw}
	out, err := s.appendValue(make([]byte, 0, len(raw)))
	if err == nil {
		err = s.end()
	}
	return out, err
}
