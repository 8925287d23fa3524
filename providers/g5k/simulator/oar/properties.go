package oar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// condition is an expression of SQL over a resource's properties, the part of
// it that people write in requests: comparisons, IN, LIKE, IS NULL, AND, OR,
// NOT and parentheses.
type condition func(properties map[string]string) bool

func always(map[string]string) bool { return true }

// parseCondition reads an expression; the empty one is always true.
func parseCondition(text string) (condition, error) {
	tokens, err := sqlTokens(text)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return always, nil
	}
	p := &sqlParser{tokens: tokens}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.tokens) {
		return nil, fmt.Errorf("syntax error at or near %q", p.tokens[p.at].text)
	}
	return c, nil
}

// sqlError is what the database has against something.
type sqlError struct{ error }

func noColumn(name string) error { return sqlError{fmt.Errorf("column %q does not exist", name)} }

type sqlToken struct {
	kind byte // 'n'ame, 's'tring, 'd'igits, 'o'perator
	text string
}

func sqlTokens(text string) ([]sqlToken, error) {
	var tokens []sqlToken
	for i := 0; i < len(text); {
		c := text[i]
		start := i
		switch {
		case unicode.IsSpace(rune(c)):
			i++
		case c == '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("unterminated quoted string at or near %q", text[i:])
			}
			tokens = append(tokens, sqlToken{'s', text[i+1 : i+1+end]})
			i += end + 2
		case c == '_' || c == '"' || unicode.IsLetter(rune(c)):
			for i < len(text) && (text[i] == '_' || text[i] == '"' || text[i] == '.' || unicode.IsLetter(rune(text[i])) || unicode.IsDigit(rune(text[i]))) {
				i++
			}
			tokens = append(tokens, sqlToken{'n', strings.Trim(text[start:i], `"`)})
		case unicode.IsDigit(rune(c)):
			for i < len(text) && (text[i] == '.' || unicode.IsDigit(rune(text[i]))) {
				i++
			}
			tokens = append(tokens, sqlToken{'d', text[start:i]})
		default:
			op := text[i : i+1]
			if i+1 < len(text) && strings.Contains("!= <> <= >=", text[i:i+2]) && text[i+1] != ' ' {
				op = text[i : i+2]
			}
			if !strings.Contains("( ) , = < > != <> <= >=", op) {
				return nil, fmt.Errorf("syntax error at or near %q", op)
			}
			tokens = append(tokens, sqlToken{'o', op})
			i += len(op)
		}
	}
	return tokens, nil
}

type sqlParser struct {
	tokens []sqlToken
	at     int
}

func (p *sqlParser) peek() sqlToken {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return sqlToken{kind: 'o', text: "end of input"}
}

// word takes a keyword or an operator, when it comes next.
func (p *sqlParser) word(words ...string) bool {
	for i, w := range words {
		if p.at+i >= len(p.tokens) || p.tokens[p.at+i].kind == 's' || !strings.EqualFold(p.tokens[p.at+i].text, w) {
			return false
		}
	}
	p.at += len(words)
	return true
}

func (p *sqlParser) expect(word string) error {
	if !p.word(word) {
		return fmt.Errorf("syntax error at or near %q", p.peek().text)
	}
	return nil
}

func (p *sqlParser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.word("or") {
		var right condition
		a := left
		if right, err = p.and(); err == nil {
			left = func(m map[string]string) bool { return a(m) || right(m) }
		}
	}
	return left, err
}

func (p *sqlParser) and() (condition, error) {
	left, err := p.not()
	for err == nil && p.word("and") {
		var right condition
		a := left
		if right, err = p.not(); err == nil {
			left = func(m map[string]string) bool { return a(m) && right(m) }
		}
	}
	return left, err
}

func (p *sqlParser) not() (condition, error) {
	if p.word("not") {
		inner, err := p.not()
		return negate(inner), err
	}
	if p.word("(") {
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	return p.comparison()
}

func negate(c condition) condition {
	return func(m map[string]string) bool { return !c(m) }
}

func (p *sqlParser) comparison() (condition, error) {
	name := p.peek()
	if name.kind != 'n' {
		return nil, fmt.Errorf("syntax error at or near %q", name.text)
	}
	p.at++
	property := strings.ToLower(name.text)
	if !isProperty(property) {
		return nil, noColumn(property)
	}
	switch {
	case p.word("is", "not", "null"):
		return func(m map[string]string) bool { return m[property] != "" }, nil
	case p.word("is", "null"):
		return func(m map[string]string) bool { return m[property] == "" }, nil
	case p.word("not", "in"):
		c, err := p.in(property)
		return negate(c), err
	case p.word("in"):
		return p.in(property)
	case p.word("not", "like"):
		c, err := p.like(property)
		return negate(c), err
	case p.word("like"):
		return p.like(property)
	}
	op := p.peek()
	if op.kind != 'o' || !strings.Contains("= != <> < <= > >=", op.text) {
		return nil, fmt.Errorf("syntax error at or near %q", op.text)
	}
	p.at++
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	return func(m map[string]string) bool { return holds(op.text, compare(m[property], value)) }, nil
}

func (p *sqlParser) value() (string, error) {
	v := p.peek()
	if v.kind != 's' && v.kind != 'd' {
		return "", fmt.Errorf("syntax error at or near %q", v.text)
	}
	p.at++
	return v.text, nil
}

func (p *sqlParser) in(property string) (condition, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	values := map[string]bool{}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		values[v] = true
		if !p.word(",") {
			break
		}
	}
	return func(m map[string]string) bool { return values[m[property]] }, p.expect(")")
}

func (p *sqlParser) like(property string) (condition, error) {
	pattern, err := p.value()
	return func(m map[string]string) bool { return like(m[property], pattern) }, err
}

// like matches with % for any text and _ for one character.
func like(s, pattern string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '%' {
		return like(s, pattern[1:]) || s != "" && like(s[1:], pattern)
	}
	return s != "" && (pattern[0] == '_' || pattern[0] == s[0]) && like(s[1:], pattern[1:])
}

// compare orders two values: as numbers where both are.
func compare(a, b string) int {
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func holds(op string, order int) bool {
	switch op {
	case "=":
		return order == 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	}
	return order != 0 // != and <>
}
