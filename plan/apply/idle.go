package apply

import (
	"context"
	"sync/atomic"
)

// leavable returns the context of an operation: it ends with Hard, or, while the
// operation is idle, with the context of Run.
// done reports whether that was so.
func (o *Options) leavable() (ctx context.Context, idle func(bool), done func() bool) {
	ctx, leave := context.WithCancel(o.Hard)
	var now atomic.Bool
	detach := context.AfterFunc(o.soft, func() {
		if now.Load() {
			leave()
		}
	})
	idle = func(is bool) {
		now.Store(is)
		if is && o.soft.Err() != nil {
			leave()
		}
	}
	return ctx, idle, func() bool {
		detach()
		left := ctx.Err() != nil && o.Hard.Err() == nil
		leave()
		return left
	}
}
