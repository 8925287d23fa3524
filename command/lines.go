package command

import (
	"bytes"
	"io"
	"sync"
)

// maxLine is how much of a line is held until its end comes. A longer one is
// handed on in pieces, so that a node that prints no line ends takes no more
// memory than another.
const maxLine = 1 << 20

// lineWriter cuts a stream into lines. lines is given pieces that end with a
// line end, and last, or when a line is very long, one that does not.
type lineWriter struct {
	lines func(piece []byte) error
	rest  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n') + 1
	if end == 0 && len(w.rest) > maxLine {
		end = len(w.rest)
	}
	if end == 0 {
		return len(p), nil
	}
	err := w.lines(w.rest[:end])
	w.rest = append(w.rest[:0], w.rest[end:]...)
	return len(p), err
}

// end hands on a last line that was not ended.
func (w *lineWriter) end() error {
	if len(w.rest) == 0 {
		return nil
	}
	defer func() { w.rest = nil }()
	return w.lines(w.rest)
}

// sharedOutput is written to by many nodes at one time, whole lines at once.
type sharedOutput struct {
	mu  sync.Mutex
	out io.Writer
}

// Write writes all of p before anyone else writes.
func (s *sharedOutput) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// prefixed returns a writer that puts a prefix before each line. trim is what
// is dropped before each line's end.
func prefixed(out io.Writer, prefix, trim string) *lineWriter {
	var b bytes.Buffer
	return &lineWriter{lines: func(piece []byte) error {
		b.Reset()
		for line := range bytes.Lines(piece) {
			b.WriteString(prefix)
			b.Write(bytes.TrimRight(bytes.TrimSuffix(line, []byte("\n")), trim))
			b.WriteByte('\n')
		}
		_, err := out.Write(b.Bytes())
		return err
	}}
}
