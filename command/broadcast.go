package command

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"
)

// broadcast passes the first signal that nxc gets on to all programs that run,
// and lets no further one start.
type broadcast struct {
	env *Env

	mu        sync.Mutex
	said      bool
	listeners []chan string
}

// pass waits for the signal.
func (b *broadcast) pass(ctx context.Context, signals <-chan string) {
	select {
	case <-ctx.Done():
	case name := <-signals:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.said = true
		fmt.Fprintf(b.env.Stderr, "Interrupted: the programs were told so, and nxc waits until they end. Again to leave them.\n")
		for _, l := range b.listeners {
			l <- name
		}
	}
}

// listen returns where one program hears of the signal; false when it came.
func (b *broadcast) listen() (<-chan string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.said {
		return nil, false
	}
	l := make(chan string, 1)
	b.listeners = append(b.listeners, l)
	return l, true
}

func (b *broadcast) interrupted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said
}

// inOneLine says what went wrong without the form of a diagnostic.
func inOneLine(diags hcl.Diagnostics) string {
	text := ""
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += d.Summary
		if d.Detail != "" {
			text += ": " + d.Detail
		}
	}
	return text
}
