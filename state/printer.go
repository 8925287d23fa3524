package state

import (
	"encoding/json"
	"strconv"
)

// printer writes JSON the way the state file has it, a member a line, or, when
// compact, without any white space, as journals and hashes have it.
type printer struct {
	buf     []byte
	depth   int
	compact bool
	spaced  bool // a blank after commas and colons, although compact
	fresh   bool // nothing written yet inside the innermost bracket
	err     error
}

func (p *printer) newline() {
	if p.compact {
		return
	}
	p.buf = append(p.buf, '\n')
	for range p.depth {
		p.buf = append(p.buf, ' ', ' ')
	}
}

func (p *printer) open(c byte) {
	p.buf = append(p.buf, c)
	p.depth++
	p.fresh = true
}

func (p *printer) close(c byte) {
	p.depth--
	if !p.fresh {
		p.newline()
	}
	p.buf = append(p.buf, c)
	p.fresh = false
}

// next begins an element or member.
func (p *printer) next() {
	if !p.fresh {
		p.buf = append(p.buf, ',')
		if p.spaced {
			p.buf = append(p.buf, ' ')
		}
	}
	p.fresh = false
	p.newline()
}

// nextBlock begins a member of a map whose members two people may change at
// one time. The comma stands on a line of its own: so a member that is added
// or removed changes no line of its neighbours, and git merges both.
func (p *printer) nextBlock(name string) {
	if !p.fresh && !p.compact {
		p.newline()
	}
	p.next()
	p.name(name)
}

func (p *printer) name(name string) {
	p.buf = append(appendString(p.buf, name), ':')
	if !p.compact || p.spaced {
		p.buf = append(p.buf, ' ')
	}
}

func (p *printer) key(name string) {
	p.next()
	p.name(name)
}

func (p *printer) string(s string) { p.buf = appendString(p.buf, s) }

func (p *printer) text(name, value string) {
	p.key(name)
	p.string(value)
}

// optional is text, left out when empty.
func (p *printer) optional(name, value string) {
	if value != "" {
		p.text(name, value)
	}
}

func (p *printer) number(name string, n int64) {
	p.key(name)
	p.buf = strconv.AppendInt(p.buf, n, 10)
}

// raw writes a JSON value, in canonical form whatever form it has. Nothing is
// written as an empty object.
func (p *printer) raw(v json.RawMessage) {
	if len(v) == 0 {
		v = json.RawMessage("{}")
	}
	c, err := canonical(v)
	if err != nil && p.err == nil {
		p.err = err
	}
	if p.compact {
		p.buf = append(p.buf, c...)
		return
	}
	p.spread(c)
}

// spread writes canonical JSON with a member a line.
func (p *printer) spread(c []byte) {
	for i := 0; i < len(c); i++ {
		switch c[i] {
		case '"':
			end := i + 1
			for c[end] != '"' {
				if c[end] == '\\' {
					end++
				}
				end++
			}
			p.buf = append(p.buf, c[i:end+1]...)
			i = end
		case '{', '[':
			if c[i+1] == c[i]+2 { // empty: in ASCII the brackets' partners follow after one
				p.buf = append(p.buf, c[i], c[i+1])
				i++
				continue
			}
			p.buf = append(p.buf, c[i])
			p.depth++
			p.newline()
		case '}', ']':
			p.depth--
			p.newline()
			p.buf = append(p.buf, c[i])
		case ',':
			p.buf = append(p.buf, ',')
			p.newline()
		case ':':
			p.buf = append(p.buf, ':', ' ')
		default:
			p.buf = append(p.buf, c[i])
		}
	}
}

// line writes what f writes without line breaks.
func (p *printer) line(f func(p *printer)) {
	q := printer{buf: p.buf, compact: true, spaced: !p.compact || p.spaced, err: p.err}
	f(&q)
	p.buf, p.err = q.buf, q.err
}
