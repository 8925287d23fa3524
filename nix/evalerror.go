package nix

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// EvalError is a mistake in the user's files, without the parts of Nix's trace
// that concern other people's.
type EvalError struct {
	Composition string // the file that was evaluated
	Message     string // what is wrong, in Nix's or the module system's words
	Hint        string // what to do, or ""

	// Frame is where the mistake is; its File is "" when Nix cannot say.
	Frame

	// Frames are the steps through the user's files that led there, innermost
	// first, without the one above.
	Frames []Frame

	// Trace is everything that Nix said, for -v.
	Trace string
}

// Frame is a place in a file, and why it matters.
type Frame struct {
	Text         string // such as "while evaluating the attribute 'roles'"; may be ""
	File         string // absolute; "" for a step that has no place
	Line, Column int    // from 1; 0 is unknown
	Source       string // the text of that line
}

// Place returns the frame's position as file:line:column, as far as it is known.
func (f Frame) Place() string {
	if f.File == "" || f.Line == 0 {
		return f.File
	}
	place := f.File + ":" + strconv.Itoa(f.Line)
	if f.Column > 0 {
		place += ":" + strconv.Itoa(f.Column)
	}
	return place
}

func (e *EvalError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", cmp.Or(e.Place(), e.Composition), e.Message)
	e.snippet(&b)
	for _, f := range e.Frames {
		b.WriteString("\n  ")
		b.WriteString(f.Text)
		if f.File != "" {
			fmt.Fprintf(&b, " at %s", f.Place())
		}
	}
	if e.Hint != "" {
		b.WriteString("\n" + e.Hint)
	}
	return b.String()
}

// snippet writes the source line with a mark under the column.
func (e *EvalError) snippet(b *strings.Builder) {
	if e.Source == "" {
		return
	}
	number := strconv.Itoa(e.Line)
	fmt.Fprintf(b, "\n  %s | %s", number, strings.ReplaceAll(e.Source, "\t", " "))
	if e.Column > 0 && e.Column <= len(e.Source)+1 {
		before := len([]rune(e.Source[:e.Column-1])) // Nix counts bytes
		fmt.Fprintf(b, "\n  %s   %s^", strings.Repeat(" ", len(number)), strings.Repeat(" ", before))
	}
}

// evalError cuts an error of Nix's down to the user's part.
func (e *evaluator) evalError(entry logEntry) *EvalError {
	out := &EvalError{
		Composition: e.request.sources()[0],
		Message:     e.reword(entry.errorText()),
		Trace:       entry.Message,
	}
	steps := e.userSteps(entry)
	if place := e.placeInMessage(entry.errorText()); place.File != "" && (len(steps) == 0 || !steps[0].isError) {
		steps = append([]userStep{{Frame: place, isError: true}}, steps...)
	}
	for i, step := range steps {
		if out.File == "" && step.File != "" {
			out.Frame = step.Frame
			steps = append(steps[:i:i], steps[i+1:]...)
			break
		}
	}
	if out.File == "" || out.Line == 0 {
		if guess := e.guessPlace(entry); guess.File != "" {
			out.Frame = guess
		}
	}
	if match := assertionPattern.FindStringSubmatch(out.Text); match != nil {
		out.Message = "assertion '" + match[1] + "' failed: " + out.Message
	}
	for _, step := range steps {
		if step.Text != "" && !containsFrame(out.Frames, step.Frame) && step.Place() != out.Place() {
			out.Frames = append(out.Frames, step.Frame)
		}
	}
	out.Source = sourceLine(out.File, out.Line)
	out.Hint = e.hint(entry, out)
	return out
}

// assertionPattern is the step behind a failed assertion whose message, since
// 2.24, only says what differs.
var assertionPattern = regexp.MustCompile(`^while evaluating the condition of the assertion '(.*)'$`)

// userStep is a frame of the error or of its trace.
type userStep struct {
	Frame
	isError bool // Nix names it as the error's own place
}

// userSteps returns the error's own place and those steps of its trace that a
// user can do something about, innermost first. "from call site" alone says
// nothing, but its place does.
func (e *evaluator) userSteps(entry logEntry) []userStep {
	var steps []userStep
	options := 0
	if e.isUserFile(entry.Pos.File) {
		steps = append(steps, userStep{Frame: frameAt(entry.Pos, ""), isError: true})
	}
	for _, step := range entry.Trace {
		text := strings.TrimSuffix(strings.TrimSpace(step.Text), ":")
		switch {
		case e.isUserFile(step.Pos.File):
			if text == "from call site" {
				text = "called"
			}
			steps = append(steps, userStep{Frame: frameAt(step.Pos, text)})
		case step.Pos.File == "" && isModuleStep(text):
			if options++; strings.Contains(text, "the role") || options <= maxOptionSteps {
				steps = append(steps, userStep{Frame: Frame{Text: text}})
			}
		}
	}
	return steps
}

// maxOptionSteps is how many of the options that led to an error are shown: the
// outer ones are those of the system as a whole.
const maxOptionSteps = 2

// isModuleStep recognises what the module system and nxc's library say on the
// way; their steps have no place.
func isModuleStep(text string) bool {
	for _, prefix := range []string{"the role", "the option", "definitions from"} {
		if strings.HasPrefix(text, "while evaluating "+prefix) {
			return true
		}
	}
	return false
}

func frameAt(pos position, text string) Frame {
	return Frame{Text: text, File: pos.File, Line: pos.Line, Column: pos.Column}
}

func containsFrame(frames []Frame, f Frame) bool {
	for _, other := range frames {
		if other.Text == f.Text && other.Place() == f.Place() {
			return true
		}
	}
	return false
}

// isUserFile reports whether a file is the user's own: not the library's, not
// a flavour's, not of nixpkgs.
func (e *evaluator) isUserFile(path string) bool {
	if path == "" || isWithin(path, storeDir) || isWithin(path, e.physical(storeDir)) || isWithin(path, e.cacheDir) {
		return false
	}
	if p := e.request.Nixpkgs.Path; p != "" && isWithin(path, p) {
		return false
	}
	for _, folder := range e.folders {
		if isWithin(path, folder) {
			return true
		}
	}
	return false
}

// placePattern finds files in a message: the module system names them in
// quotes of two kinds, Nix with line and column, "/a/b.nix:1:2".
var placePattern = regexp.MustCompile("(/[^'`\"\\s:]+)(?::([0-9]+):([0-9]+))?")

// placeInMessage returns the first of the user's Nix files that a message
// itself names.
func (e *evaluator) placeInMessage(message string) Frame {
	for _, match := range placePattern.FindAllStringSubmatch(message, -1) {
		if path := strings.TrimRight(match[1], ".,;)"); strings.HasSuffix(path, ".nix") && e.isUserFile(path) {
			if _, err := os.Stat(path); err != nil {
				continue
			}
			line, _ := strconv.Atoi(match[2])
			column, _ := strconv.Atoi(match[3])
			if line == 0 {
				line, column = placeOfOption(message, path)
			}
			return Frame{File: path, Line: line, Column: column}
		}
	}
	return Frame{}
}

// sourceLine returns one line of a file, or "".
func sourceLine(path string, line int) string {
	for number, text := range numberedLines(path) {
		if number == line {
			return text
		}
	}
	return ""
}
