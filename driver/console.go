package driver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// console follows what a node's console says, into a file.
type console struct {
	node Node
	path string
	said func(line string) // of what is new; not of what was said before

	mu    sync.Mutex
	file  *os.File // opened when there is something to keep
	size  int64
	rest  []byte // of a line that has no end yet
	ready chan struct{}
	ended chan struct{}
}

// follow begins to follow a node's console, until ctx ends.
func follow(ctx context.Context, n Node, folder string, said func(line string)) *console {
	c := &console{
		node: n, path: consoleFile(folder, n.Name()), said: said,
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
	go c.run(ctx)
	return c
}

func consoleFile(folder, name string) string { return filepath.Join(folder, name+".console.log") }

// run reads the history, and goes on with what is new. A node that stops ends
// the stream; when it is back, so is its console, which may have begun anew.
func (c *console) run(ctx context.Context) {
	defer close(c.ended)
	var known int64 // how much of the history is in the file
	for first := true; ctx.Err() == nil; first = false {
		var past bytes.Buffer
		err := c.node.Console(ctx, plugins.Console{Tail: -1, Output: &past})
		if err == nil {
			have := int64(past.Len())
			if have < known {
				known = 0 // another log
			}
			c.add(past.Bytes()[known:], !first)
			known = have
		}
		if first {
			close(c.ready)
		}
		if err == nil {
			skip := &skipping{n: known, to: func(b []byte) { known += int64(len(b)); c.add(b, true) }}
			_ = c.node.Console(ctx, plugins.Console{Follow: true, Tail: -1, Output: skip})
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// skipping passes on what comes after the first n bytes.
type skipping struct {
	n  int64
	to func([]byte)
}

func (s *skipping) Write(b []byte) (int, error) {
	all := len(b)
	skip := min(s.n, int64(all))
	s.n -= skip
	if b = b[skip:]; len(b) > 0 {
		s.to(b)
	}
	return all, nil
}

// add keeps what was said, and tells new lines.
func (c *console) add(b []byte, fresh bool) {
	if len(b) == 0 {
		return
	}
	c.mu.Lock()
	err := c.open()
	if err == nil {
		var n int
		n, err = c.file.WriteAt(b, c.size)
		c.size += int64(n)
	}
	var lines []string
	if fresh && err == nil {
		c.rest = append(c.rest, b...)
		for {
			line, rest, found := bytes.Cut(c.rest, []byte("\n"))
			if !found {
				break
			}
			lines = append(lines, string(bytes.TrimRight(line, "\r")))
			c.rest = rest
		}
	}
	c.mu.Unlock()
	for _, line := range lines {
		c.said(line)
	}
}

func (c *console) open() (err error) {
	if c.file == nil {
		c.file, err = os.OpenFile(c.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	}
	return err
}

// since returns what was said from an offset on.
func (c *console) since(ctx context.Context, offset int64) ([]byte, error) {
	select {
	case <-c.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	size, file := c.size, c.file
	c.mu.Unlock()
	if size == 0 && offset == 0 {
		return nil, nil
	}
	if offset < 0 || offset > size {
		return nil, fmt.Errorf("the console of %s has %d bytes, and %d are skipped", c.node.Name(), size, offset)
	}
	return io.ReadAll(io.NewSectionReader(file, offset, min(size-offset, outputLimit)))
}

// close waits until nothing more is written.
func (c *console) close() {
	<-c.ended
	if c.file != nil {
		c.file.Close()
	}
}
