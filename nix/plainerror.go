package nix

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxPlainLines bounds what is kept of a log that is not JSON.
const maxPlainLines = 500

// atPattern is the line below a step that says where it is.
var atPattern = regexp.MustCompile(`^\s*at (/.*?):([0-9]+)(?::([0-9]+))?:?$`)

// parsePlainError reads an error that Nix wrote as text, which it does when it
// crashes, and before it knows which log format it was asked for. Up to 2.18
// the message came first and the steps after it, innermost first; since then
// the steps come first, outermost first, and the message is last:
//
//	error: oops                                error:
//	                                                  … while evaluating the attribute 'a'
//	       … while evaluating the attribute 'a'         at /dir/file.nix:1:3:
//	       at /dir/file.nix:1:3:
//	                                                  error: oops
func parsePlainError(lines []string) (logEntry, bool) {
	entry := logEntry{Message: strings.Join(lines, "\n")}
	found, stepsFirst := false, false
	text, pos := "", position{}
	inError := false
	flush := func() {
		switch {
		case inError && text != "":
			entry.Raw, entry.Pos, found = text, pos, true
		case inError:
			stepsFirst = true
		case text != "":
			entry.Trace = append(entry.Trace, traceStep{Text: text, Pos: pos})
		}
		text, pos = "", position{}
	}
	ended := true // the text of the current block is complete
	for _, line := range lines {
		trimmed := strings.TrimSpace(line)
		rest, isError := strings.CutPrefix(trimmed, "error:")
		step, isStep := strings.CutPrefix(trimmed, "… ")
		at := atPattern.FindStringSubmatch(line)
		switch {
		case isError || isStep:
			flush()
			inError, ended = isError, false
			text = strings.TrimSpace(rest)
			if isStep {
				text = step
			}
		case at != nil:
			pos = position{File: at[1]}
			pos.Line, _ = strconv.Atoi(at[2])
			pos.Column, _ = strconv.Atoi(at[3])
			ended = true
		case trimmed == "":
			ended = ended || text != ""
		case !ended && (inError || text == ""):
			text = strings.TrimSpace(text + "\n" + trimmed)
		}
	}
	flush()
	if stepsFirst {
		slices.Reverse(entry.Trace)
	}
	return entry, found
}
