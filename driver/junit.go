package driver

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Recorder gathers a run for a JUnit file: a test case for each subtest, and
// one for the script itself, with the time outside of subtests.
type Recorder struct {
	Suite  string // name of the suite, such as "webserver::docker"
	Script string // name of the script's own case

	began  time.Time
	open   []recorded
	cases  []junitCase
	inside float64 // seconds in outermost subtests
	output strings.Builder
}

type recorded struct {
	id, parent int
	name       string
	subtest    bool
	output     strings.Builder
}

// Add takes an event of the run. One at a time.
func (r *Recorder) Add(e Event) {
	if r.began.IsZero() {
		r.began = time.Now()
	}
	switch e.Kind {
	case "begin":
		r.open = append(r.open, recorded{id: e.ID, parent: e.Parent, name: e.Text, subtest: e.What == "subtest"})
	case "end":
		r.end(e)
	case "line", "output":
		text := e.Text
		if e.Node != "" {
			text = e.Node + ": " + text
		}
		r.say(e.Parent, text)
	}
}

func (r *Recorder) end(e Event) {
	for i := range r.open {
		o := &r.open[i]
		if o.id != e.ID {
			continue
		}
		if !o.subtest {
			text := e.Text
			if e.Node != "" {
				text = e.Node + ": " + text
			}
			if e.Failed {
				text += ": failed: " + e.Error
			}
			r.say(o.parent, fmt.Sprintf("%s [%.3fs]", text, e.Elapsed))
		} else {
			names := r.path(o)
			c := junitCase{Name: strings.Join(names, " / "), Class: r.Suite, Time: seconds(e.Elapsed), Out: clean(o.output.String())}
			if e.Failed {
				c.Failure = &junitFailure{Message: clean(firstLine(e.Error)), Text: clean(e.Error)}
			}
			if len(names) == 1 {
				r.inside += e.Elapsed
			}
			r.cases = append(r.cases, c)
		}
		r.open = append(r.open[:i], r.open[i+1:]...)
		return
	}
}

// path names a subtest from the outermost one on.
func (r *Recorder) path(o *recorded) []string {
	names := []string{o.name}
	for up := o.parent; up != 0; {
		above := r.find(up)
		if above == nil {
			break
		}
		if above.subtest {
			names = append([]string{above.name}, names...)
		}
		up = above.parent
	}
	return names
}

func (r *Recorder) find(id int) *recorded {
	for i := range r.open {
		if r.open[i].id == id {
			return &r.open[i]
		}
	}
	return nil
}

// say keeps a line with the subtest that it is part of.
func (r *Recorder) say(step int, text string) {
	for step != 0 {
		o := r.find(step)
		if o == nil {
			break
		}
		if o.subtest {
			o.output.WriteString(text + "\n")
			return
		}
		step = o.parent
	}
	r.output.WriteString(text + "\n")
}

// suite is the run as JUnit knows it. A run that could not be, has an error.
func (r *Recorder) suite(result *Result, err error) junitSuite {
	s := junitSuite{Name: r.Suite, Stamp: r.began.UTC().Format("2006-01-02T15:04:05"), Cases: r.cases}
	own := junitCase{Name: r.Script, Class: r.Suite, Out: clean(r.output.String())}
	switch {
	case result == nil:
		own.Error = &junitFailure{Message: "could not be run"}
		if err != nil {
			own.Error = &junitFailure{Message: clean(firstLine(err.Error())), Text: clean(err.Error())}
		}
	default:
		s.Time = seconds(result.Elapsed.Seconds())
		own.Time = seconds(max(0, result.Elapsed.Seconds()-r.inside))
		if f := result.Failure; f != nil && f.Kind == Interrupted {
			own.Error = &junitFailure{Message: "interrupted"}
		} else if f != nil {
			own.Failure = &junitFailure{Message: clean(firstLine(f.Message)), Type: f.Type, Text: clean(f.String())}
		}
	}
	s.Cases = append([]junitCase{own}, s.Cases...)
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	return s
}

// String is a failure with its place, as Python tells it.
func (f *Failure) String() string {
	var b strings.Builder
	for _, frame := range f.Frames {
		fmt.Fprintf(&b, "%s:%d: in %s\n    %s\n", frame.File, frame.Line, frame.Function, frame.Text)
	}
	if len(f.Steps) > 0 {
		fmt.Fprintf(&b, "in %s\n", strings.Join(f.Steps, " > "))
	}
	if f.Type != "" {
		b.WriteString(f.Type + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// JUnit is a file of several runs.
type JUnit struct{ suites []junitSuite }

// Add adds a run that ended, or could not be.
func (j *JUnit) Add(r *Recorder, result *Result, err error) {
	j.suites = append(j.suites, r.suite(result, err))
}

// Marshal returns the file.
func (j *JUnit) Marshal() ([]byte, error) {
	all := struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}{Suites: j.suites}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Error   *junitFailure `xml:"error,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func firstLine(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return first
}

// clean takes out what XML cannot hold.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r != 0xfffe && r != 0xffff {
			return r
		}
		return '\ufffd'
	}, text)
}
