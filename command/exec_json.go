package command

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"
)

// jsonOutput prints a JSON object for each line of output and each end.
type jsonOutput struct{ out io.Writer }

// execEvent is one line of nxc exec -json. It is part of the interface.
type execEvent struct {
	Type   string `json:"type"` // output, exit, summary
	Time   string `json:"time"`
	Node   string `json:"node,omitempty"`
	Stream string `json:"stream,omitempty"` // stdout, stderr

	Text   *string `json:"text,omitempty"`   // a line without its end
	Base64 []byte  `json:"base64,omitempty"` // instead of text, where that is no UTF-8
	Open   bool    `json:"open,omitempty"`   // the line has no end: the output ended, or it goes on in the next event

	Exit    *int     `json:"exit,omitempty"` // the program's status
	Problem string   `json:"problem,omitempty"`
	Seconds *float64 `json:"seconds,omitempty"`

	Nodes  int  `json:"nodes,omitempty"`
	Failed *int `json:"failed,omitempty"`
	Status *int `json:"status,omitempty"` // nxc's own
}

func (j *jsonOutput) write(events ...execEvent) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	for _, event := range events {
		event.Time = now
		if err := e.Encode(event); err != nil {
			return err
		}
	}
	_, err := j.out.Write(b.Bytes())
	return err
}

func (j *jsonOutput) streams(node string) (stdout, stderr io.Writer, end func() error, err error) {
	lines := func(stream string) *lineWriter {
		return &lineWriter{lines: func(piece []byte) error {
			var events []execEvent
			for line := range bytes.Lines(piece) {
				e := execEvent{Type: "output", Node: node, Stream: stream}
				content, whole := bytes.CutSuffix(line, []byte("\n"))
				e.Open = !whole
				if utf8.Valid(content) {
					text := string(content)
					e.Text = &text
				} else {
					e.Base64 = content
				}
				events = append(events, e)
			}
			return j.write(events...)
		}}
	}
	out, complaints := lines("stdout"), lines("stderr")
	return out, complaints, func() error { return firstError(out.end(), complaints.end()) }, nil
}

func (j *jsonOutput) ended(o *outcome) {
	seconds := float64(o.duration.Milliseconds()) / 1000
	e := execEvent{Type: "exit", Node: o.node, Problem: o.problem, Seconds: &seconds}
	if o.problem == "" {
		e.Exit = &o.exit
	}
	_ = j.write(e) // whoever reads no more is noticed by the output itself
}

func (j *jsonOutput) summary(all []outcome, worst int) {
	failed := 0
	for i := range all {
		if all[i].status != exitOK {
			failed++
		}
		if all[i].problem == notStarted {
			j.ended(&all[i])
		}
	}
	_ = j.write(execEvent{Type: "summary", Nodes: len(all), Failed: &failed, Status: &worst})
}
