package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// Failure is a request that did not do what it was to do.
type Failure struct {
	Method, Path string
	Status       int    // 0: there was no answer
	Message      string // what it said, cleaned
	Passing      bool   // asking again may help
	Unsent       bool   // the request cannot have changed anything
	err          error
}

func (f *Failure) Error() string {
	if f.Status == 0 {
		return fmt.Sprintf("%s %s: %s", f.Method, f.Path, f.Message)
	}
	return fmt.Sprintf("%s %s: %d: %s", f.Method, f.Path, f.Status, f.Message)
}

func (f *Failure) Unwrap() error { return f.err }

// Refusal returns what the interface said when it refused for good.
func Refusal(err error) (message string, ok bool) {
	var f *Failure
	if errors.As(err, &f) && !f.Passing && f.Status != 0 {
		return f.Message, true
	}
	return "", false
}

// Is reports whether err is an answer with a status.
func Is(err error, status int) bool {
	var f *Failure
	return errors.As(err, &f) && f.Status == status
}

// Missing reports whether err says that something does not exist.
func Missing(err error) bool { return Is(err, http.StatusNotFound) }

// Uncertain reports whether a request that failed may have changed something.
func Uncertain(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.Passing && !f.Unsent
}

// notAnswered is the failure of a request without a whole answer.
func notAnswered(method, path string, err error) *Failure {
	message := err.Error()
	var inner interface{ Unwrap() error }
	if errors.As(err, &inner) && inner.Unwrap() != nil { // without the address that url.Error repeats
		message = inner.Unwrap().Error()
	}
	var dial *net.OpError
	unsent := errors.As(err, &dial) && dial.Op == "dial" || errors.Is(err, syscall.ECONNREFUSED)
	return &Failure{Method: method, Path: path, Message: message, Passing: true, Unsent: unsent, err: err}
}

// answered is the failure that an answer with a status of an error stands for.
// A refusal of OAR's comes as 400 and as 500, so the body decides.
func answered(method, path string, status int, body []byte) *Failure {
	text := strings.TrimSpace(string(body))
	f := &Failure{Method: method, Path: path, Status: status, Message: clean(text)}
	switch {
	case status == http.StatusTooManyRequests:
		f.Passing, f.Unsent = true, true
	case status == http.StatusRequestTimeout, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		f.Passing = true
	case status >= 500:
		f.Passing = !speaksOAR(text)
	}
	if f.Message == "" || isHTML(text) {
		f.Message = http.StatusText(status)
	}
	return f
}

// speaksOAR reports whether a text is an answer of OAR's or kadeploy's own, and
// not of a machine in between.
func speaksOAR(text string) bool {
	if text == "" || isHTML(text) {
		return false
	}
	has := func(sign string) bool { return strings.Contains(text, sign) }
	// Behind the interface, too, a machine may be away for a moment.
	if slices.ContainsFunc([]string{"failed with status 502", "failed with status 503", "failed with status 504", "Unable to contact"}, has) {
		return false
	}
	return slices.ContainsFunc([]string{"failed with status", "ADMISSION RULE", "--> KO", "oarsub", "not enough resources",
		"adeploy", "nvironment", "Cannot launch", "image description"}, has)
}

func isHTML(text string) bool {
	head := strings.ToLower(text[:min(len(text), 200)])
	return strings.Contains(head, "<html") || strings.Contains(head, "<!doctype")
}

var (
	wrapped = regexp.MustCompile(`(?s)^Request to \S+ failed with status \d+:\s*(.*)$`)
	exited  = regexp.MustCompile(`(?i)^(oar\w+) command exited with status \d+:\s*`)
	spaces  = regexp.MustCompile(`[ \t]+`)
	// Its second parenthesis is often on a line of the database's.
	badResource = regexp.MustCompile(`^Bad resource request \((?:ERROR: )?(.*?)\)?$`)
)

// chatter is how lines begin in which oarsub tells what it does, and not why it
// refuses: of them, and of the database's, the reason is always told again.
var chatter = []string{
	"[ADMISSION RULE] Modify", "[ADMISSION RULE] Set ", "Generate a job key", "OAR_JOB_ID=", "Reservation mode: waiting",
	"[ERROR] Oarsub failed, please verify", "Oarsub failed: please verify", "DBD::", "LINE ", "^",
}

// clean returns what a body says to a person: without the layers that it was
// handed through, on lines of its own.
func clean(text string) string {
	if m := wrapped.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	var oar struct{ Title, Message string }
	if json.Unmarshal([]byte(text), &oar) == nil && cmp.Or(oar.Message, oar.Title) != "" {
		text = cmp.Or(oar.Message, oar.Title)
	}
	text = exited.ReplaceAllString(strings.TrimSpace(text), "")
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(spaces.ReplaceAllString(line, " "))
		if line == "Cmd:" { // and then what was run
			break
		}
		if line == "" || line == ")" || slices.ContainsFunc(chatter, func(begin string) bool { return strings.HasPrefix(line, begin) }) {
			continue
		}
		lines = append(lines, badResource.ReplaceAllString(line, "Bad resource request: $1"))
	}
	return strings.Join(lines, "\n")
}
