package docker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// yamlWriter writes the YAML of a Compose file in the order in which it is
// told, so that people can read it and two of them can be compared.
type yamlWriter struct{ b bytes.Buffer }

// comment writes lines for people, and an empty one.
func (w *yamlWriter) comment(text string) {
	for line := range strings.Lines(text) {
		w.b.WriteString(strings.TrimRight("# "+strings.TrimRight(line, "\n"), " ") + "\n")
	}
	w.b.WriteByte('\n')
}

func (w *yamlWriter) line(depth int, text string) {
	fmt.Fprintf(&w.b, "%s%s\n", strings.Repeat("  ", depth), text)
}

// pair writes a key and a text.
func (w *yamlWriter) pair(depth int, key, value string) {
	w.line(depth, key+": "+quoted(value))
}

// list writes a key and texts, or nothing when there are none.
func (w *yamlWriter) list(depth int, key string, values []string) {
	if len(values) == 0 {
		return
	}
	w.line(depth, key+":")
	for _, v := range values {
		w.line(depth+1, "- "+quoted(v))
	}
}

// text writes a key and a text of several lines, as it stands.
func (w *yamlWriter) text(depth int, key, value string) {
	if value == "" {
		w.line(depth, key+` ""`)
		return
	}
	w.line(depth, key+" |")
	for line := range strings.Lines(strings.ReplaceAll(value, "$", "$$")) {
		w.line(depth+1, strings.TrimRight(line, "\n"))
	}
}

// plainText matches what YAML takes for a text without quotes.
var plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./+@-]*(:[A-Za-z0-9_./+@=,-]+)*$`)

// quoted is a text as YAML takes it. A dollar would be a variable of Compose's.
func quoted(text string) string {
	text = strings.ReplaceAll(text, "$", "$$")
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
	default:
		if plainText.MatchString(text) {
			return text
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}
