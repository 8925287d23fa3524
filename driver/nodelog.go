package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// logLimit is how much of a command's output a log keeps.
const logLimit = 64 << 10

// nodeLog tells what a test did to one node, and what came of it.
type nodeLog struct {
	path  string
	began time.Time
	mu    sync.Mutex
	file  *os.File // opened when there is something to write
}

func newLog(folder, name string, began time.Time) *nodeLog {
	return &nodeLog{path: filepath.Join(folder, name+".log"), began: began}
}

// write adds a line. A full disk must not fail a test; its log is short then.
func (l *nodeLog) write(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		f, err := os.Create(l.path)
		if err != nil {
			return
		}
		l.file = f
	}
	fmt.Fprintf(l.file, "%9.3f  ", time.Since(l.began).Seconds())
	fmt.Fprintf(l.file, format, args...)
}

// ran tells of a command that ended.
func (l *nodeLog) ran(argv []string, done *completed, took time.Duration) {
	var b strings.Builder
	fmt.Fprintf(&b, "$ %s\n", shown(argv))
	for _, part := range []struct {
		mark string
		text []byte
	}{{"|", done.Stdout}, {"!", done.Stderr}} {
		text, more := part.text, 0
		if len(text) > logLimit {
			text, more = text[:logLimit], len(text)-logLimit
		}
		for line := range strings.Lines(string(text)) {
			fmt.Fprintf(&b, "           %s %s\n", part.mark, strings.TrimRight(line, "\r\n"))
		}
		if more > 0 {
			fmt.Fprintf(&b, "           %s … and %d bytes more\n", part.mark, more)
		}
	}
	fmt.Fprintf(&b, "           exit %d, %.3f s\n", done.Status, took.Seconds())
	l.write("%s", b.String())
}

// failed tells of a command that could not be run.
func (l *nodeLog) failed(argv []string, err error) {
	l.write("$ %s\n           could not be run: %v\n", shown(argv), err)
}

// shown is a command without what the driver puts around it.
func shown(argv []string) string {
	last := argv[len(argv)-1]
	if _, own, found := strings.Cut(last, "set -euo pipefail; "); found {
		last = own
	}
	if len(last) > 4096 {
		last = last[:4096] + "…"
	}
	return last
}

// logEvent writes what a test says of its node.
func (n *node) logEvent(e Event) {
	switch e.Kind {
	case "begin":
		n.log.write("%s\n", e.Text)
	case "line":
		n.log.write("%s: %s\n", e.Level, e.Text)
	case "end":
		if e.Failed {
			n.log.write("failed after %.3f s: %s\n", e.Elapsed, e.Error)
		}
	}
}

func (l *nodeLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
}
