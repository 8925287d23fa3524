package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

const (
	tailLines  = 10
	panicLines = 12
	lineLength = 400
)

// tail takes what a plugin writes to its stderr: it hands it to the logger,
// line by line, and keeps the last lines for the explanation of a crash.
type tail struct {
	logger *slog.Logger

	mu      sync.Mutex
	partial []byte
	last    []string
	panic   []string // from the first line of a Go panic on
}

// Write implements io.Writer; go-plugin hands over pieces of lines.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial = append(t.partial, b...)
	for {
		line, rest, ok := bytes.Cut(t.partial, []byte{'\n'})
		if !ok && len(t.partial) < 64<<10 {
			return len(b), nil
		}
		t.line(strings.TrimRight(strings.ToValidUTF8(string(line), "\uFFFD"), "\r"))
		t.partial = append(t.partial[:0], rest...)
	}
}

func (t *tail) line(line string) {
	shown := line
	if r, ok := parseRecord(line); ok {
		t.logger.Log(context.Background(), r.level, r.message, r.attrs...)
		if r.level < slog.LevelInfo {
			return
		}
		shown = r.String()
	} else if line != "" {
		t.logger.Debug("plugin says", "text", line)
	}
	if len(shown) > lineLength {
		shown = shown[:lineLength] + "…"
	}
	if t.panic == nil && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
		t.panic = []string{}
	}
	if t.panic != nil && len(t.panic) < panicLines {
		t.panic = append(t.panic, shown)
	}
	if strings.TrimSpace(shown) == "" {
		return
	}
	t.last = append(t.last, shown)
	if len(t.last) > tailLines {
		t.last = t.last[1:]
	}
}

// lines returns what is worth showing: the beginning of a panic, otherwise the
// last lines.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.partial) > 0 {
		t.line(strings.ToValidUTF8(string(t.partial), "\uFFFD"))
		t.partial = t.partial[:0]
	}
	if t.panic != nil {
		return slices.Clone(t.panic)
	}
	return slices.Clone(t.last)
}

// record is one line of structured log.
type record struct {
	level   slog.Level
	message string
	attrs   []any
}

// parseRecord reads a line as slog's JSON handler, or hclog's, writes it.
func parseRecord(line string) (record, bool) {
	if !strings.HasPrefix(line, "{") {
		return record{}, false
	}
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return record{}, false
	}
	take := func(names ...string) string {
		for _, name := range names {
			if s, ok := fields[name].(string); ok {
				delete(fields, name)
				return s
			}
		}
		return ""
	}
	level, message := take("level", "@level"), take("msg", "@message")
	if message == "" {
		return record{}, false
	}
	take("time", "@timestamp")
	r := record{message: message}
	if r.level.UnmarshalText([]byte(level)) != nil {
		r.level = slog.LevelDebug
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		r.attrs = append(r.attrs, name, fields[name])
	}
	return r, true
}

func (r record) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", strings.ToLower(r.level.String()), r.message)
	for i := 0; i+1 < len(r.attrs); i += 2 {
		fmt.Fprintf(&b, " %v=%v", r.attrs[i], r.attrs[i+1])
	}
	return b.String()
}
