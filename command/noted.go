package command

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
)

// noted remembers the first write that failed: output that did not arrive, on
// a full disk say, must not pass for success.
type noted struct {
	io.Writer
	mu  sync.Mutex
	err error
}

// Write writes, and remembers.
func (n *noted) Write(b []byte) (int, error) {
	written, err := n.Writer.Write(b)
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.err == nil {
			n.err = err
		}
	}
	return written, err
}

// checked returns the status of a command whose output was written to n.
func (n *noted) checked(env *Env, status int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		return status
	}
	if !errors.Is(n.err, syscall.EPIPE) { // else whoever read it had enough, as head(1) has
		fmt.Fprintf(env.Stderr, "nxc: the output could not be written: %v\n", n.err)
	}
	if status == exitOK {
		return exitError
	}
	return status
}
