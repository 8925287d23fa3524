package sdk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

func (i *instance) Apply(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
	t := i.resources[r.Type]
	if t == nil {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: i.noSuch("resource", r.Type)}
	}
	ctx, done := i.begin(ctx)
	defer done()
	if r.Operation.Timeout == 0 {
		r.Operation.Timeout = defaultTimeout(i.schema.Resources[r.Type].Timeouts, r.Action)
	}
	if r.Operation.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Operation.Timeout)
		defer cancel()
	}
	var last lastPhase
	op := Operation{Operation: r.Operation, Context: r.Context, progress: last.watch(progress)}
	result := t.apply(ctx, op, r)
	if result.Diagnostics.HasErrors() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		result.Diagnostics = append(result.Diagnostics, last.timedOut(r.Operation.Timeout)...)
	}
	return result
}

// defaultTimeout returns the type's own bound of an action, or that of all types.
func defaultTimeout(t plugins.Timeouts, a plugins.Action) time.Duration {
	switch a {
	case plugins.Create:
		return cmp.Or(t.Create, plugins.DefaultTimeout)
	case plugins.Update:
		return cmp.Or(t.Update, plugins.DefaultTimeout)
	default:
		return cmp.Or(t.Delete, plugins.DefaultTimeout)
	}
}

// lastPhase remembers what an operation was doing, to say so when it timed out.
type lastPhase struct {
	mu   sync.Mutex
	text string
}

func (l *lastPhase) watch(progress func(plugins.Progress)) func(plugins.Progress) {
	return func(p plugins.Progress) {
		if p.Phase != "" {
			l.mu.Lock()
			l.text = p.Phase
			l.mu.Unlock()
		}
		if progress != nil {
			progress(p)
		}
	}
}

func (l *lastPhase) timedOut(after time.Duration) plugins.Diagnostics {
	l.mu.Lock()
	defer l.mu.Unlock()
	summary := fmt.Sprintf("Not finished within %s", after)
	if l.text != "" {
		summary += ", while " + l.text
	}
	return plugins.NewError(summary, "What it waited for did not come in time. Look at that first, then run the command again.")
}
