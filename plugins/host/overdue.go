package host

import (
	"context"
	"fmt"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// overdue is an operation that did not end when its time was over.
type overdue struct {
	action  plugins.Action
	address string
	timeout time.Duration
}

// watch sees to it that an operation ends. The plugin counts the time itself;
// when it does not, the operation is cancelled, then the whole plugin is asked
// to stop, so that what else it has under way can still tell how far it came,
// and at last its process is ended. The function that watch returns ends it.
func (c *Client) watch(r *plugins.ApplyRequest, cancel context.CancelFunc) (end func()) {
	ended := make(chan struct{})
	late := overdue{r.Action, r.Operation.Address, r.Operation.Timeout}
	go func() {
		// The plugin's own word for what took too long is the better one.
		if endsWithin(ended, late.timeout+c.options.Grace/2) {
			return
		}
		cancel()
		if endsWithin(ended, c.options.Grace/2) {
			return
		}
		c.options.Logger.Warn("operation overdue, stopping the plugin", "address", late.address, "timeout", late.timeout)
		stop, done := context.WithTimeout(context.Background(), c.options.Grace)
		defer done()
		go c.Stop(stop)
		if endsWithin(ended, c.options.Grace) {
			return
		}
		c.overdue.CompareAndSwap(nil, &late)
		c.process.Kill(context.Background())
	}()
	return func() { close(ended) }
}

func endsWithin(ended <-chan struct{}, d time.Duration) bool {
	select {
	case <-ended:
		return true
	case <-time.After(d):
		return false
	}
}

// explainOverdue says why we ended the plugin.
func (c *Client) explainOverdue(o *overdue) plugins.Diagnostics {
	return plugins.NewError(fmt.Sprintf("Provider %s did not keep to a deadline and was ended", c.options.Name),
		fmt.Sprintf("The %s of %s may take %s and did not end then, nor %s after it was asked to, so the plugin was ended.%s"+
			"Run the command again: what was under way is found again. If it only needs longer, write %s = \"%s\" into the timeouts block of its resource. %s",
			o.action, o.address, shortTime(o.timeout), shortTime(2*c.options.Grace), c.lastWords(), o.action, shortTime(2*o.timeout), c.remedy()))
}
