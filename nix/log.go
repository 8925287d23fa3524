package nix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Activities and results of Nix's internal-json log that nxc understands. The
// numbers are the same in every version; unknown ones are ignored.
const (
	activityCopyPath     = 100
	activityFileTransfer = 101
	activityCopyPaths    = 103
	activityBuilds       = 104
	activityBuild        = 105
	activitySubstitute   = 108
	activityBuildWaiting = 111

	resultBuildLogLine = 101
	resultPhase        = 104
	resultProgress     = 105
)

// Verbosity levels of messages.
const (
	levelError = 0
	levelWarn  = 1
)

// logEntry is one line of Nix's log.
type logEntry struct {
	Action string // "start", "stop", "result" or "msg"; "" for a line that is no JSON
	ID     uint64
	Type   int
	Text   string
	Level  int
	Fields []any // strings and float64s

	Message string      // what Nix shows, without colours
	Raw     string      // the message without position and trace; "" if Nix gave none
	Pos     position    // where an error is
	Trace   []traceStep // how Nix came there, innermost first
}

// position is a place in a Nix file; the zero value is nowhere.
type position struct {
	File         string
	Line, Column int
}

// traceStep is one "while …" of an error.
type traceStep struct {
	Text string
	Pos  position
}

// jsonPosition is a position as Nix writes it: null, or missing, is nowhere.
// Versions differ in what they put into file for what is no file, and newer
// ones write line and column behind its name once more.
type jsonPosition struct {
	File   any  `json:"file"`
	Line   *int `json:"line"`
	Column *int `json:"column"`
}

func (p jsonPosition) position() position {
	file, _ := p.File.(string)
	if file == "" || !strings.HasPrefix(file, "/") || p.Line == nil {
		return position{}
	}
	out := position{Line: *p.Line}
	if p.Column != nil {
		out.Column = *p.Column
	}
	out.File = strings.TrimSuffix(file, fmt.Sprintf(":%d:%d", out.Line, out.Column))
	out.File = strings.TrimSuffix(out.File, fmt.Sprintf(":%d", out.Line))
	return out
}

var logPrefix = []byte("@nix ")

// parseLogLine understands one line of a Nix command's standard error. A line
// that is not JSON becomes a message: Nix's last words, when it crashes, are
// plain text.
func parseLogLine(line []byte) logEntry {
	line = bytes.TrimRight(line, "\r\n")
	text, isLog := bytes.CutPrefix(line, logPrefix)
	if !isLog {
		return plainEntry(string(line))
	}
	var raw struct {
		Action string `json:"action"`
		ID     uint64 `json:"id"`
		Type   int    `json:"type"`
		Text   string `json:"text"`
		Level  int    `json:"level"`
		Fields []any  `json:"fields"`
		Msg    string `json:"msg"`
		RawMsg string `json:"raw_msg"`
		jsonPosition
		Trace []struct {
			RawMsg string `json:"raw_msg"`
			jsonPosition
		} `json:"trace"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return plainEntry(string(text))
	}
	entry := logEntry{
		Action:  raw.Action,
		ID:      raw.ID,
		Type:    raw.Type,
		Text:    stripColour(raw.Text),
		Level:   raw.Level,
		Fields:  raw.Fields,
		Message: stripColour(raw.Msg),
		Raw:     stripColour(raw.RawMsg),
		Pos:     raw.position(),
	}
	for _, step := range raw.Trace {
		entry.Trace = append(entry.Trace, traceStep{Text: stripColour(step.RawMsg), Pos: step.position()})
	}
	return entry
}

// plainEntry is a line that did not come through Nix's logger.
func plainEntry(line string) logEntry {
	line = stripColour(line)
	level := levelWarn
	if strings.HasPrefix(line, "error:") {
		level = levelError
	}
	return logEntry{Level: level, Message: line}
}

// isError reports whether the entry is an error of Nix's, as against a trace,
// which Nix writes at the same level.
func (e logEntry) isError() bool {
	return e.Level == levelError && (e.Action == "msg" || e.Action == "") && strings.HasPrefix(e.Message, "error:")
}

// error text without the leading word and without position and trace.
func (e logEntry) errorText() string {
	if e.Raw != "" {
		return strings.TrimSpace(e.Raw)
	}
	return strings.TrimSpace(strings.TrimPrefix(e.Message, "error:"))
}

// str returns the i-th field if it is a string.
func (e logEntry) str(i int) string {
	if i >= len(e.Fields) {
		return ""
	}
	s, _ := e.Fields[i].(string)
	return s
}

// num returns the i-th field if it is a number.
func (e logEntry) num(i int) int64 {
	if i >= len(e.Fields) {
		return 0
	}
	f, _ := e.Fields[i].(float64)
	return int64(f)
}

var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)?")

// stripColour removes terminal control sequences, which Nix writes into its
// messages, and builders into their logs.
func stripColour(s string) string {
	if !strings.ContainsRune(s, '\x1b') {
		return s
	}
	return colour.ReplaceAllString(s, "")
}
