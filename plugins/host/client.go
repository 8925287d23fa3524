package host

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/wire"
)

// Client is a running plugin. It is a plugins.Provider; failures of its
// process come back as diagnostics of the calls that they hit.
type Client struct {
	*wire.Client
	options Options
	plugin  *plugin.Client
	process *process
	tail    *tail
	sockets string // the folder that was made for its socket

	ending   atomic.Bool             // we asked for the end
	overdue  atomic.Pointer[overdue] // why we ended it by force
	applying sync.RWMutex            // held for reading by every Apply

	listening sync.Mutex
	listeners []*func(string) // those in Watch
	lastTold  atomic.Int64    // when the plugin said what it waits for, in nanoseconds

	told  sync.Once           // death
	death plugins.Diagnostics // the same for every call that it hits
}

var _ plugins.Provider = (*Client)(nil)

// Name returns the provider's name.
func (c *Client) Name() string { return c.options.Name }

// PID returns the plugin's process id, which is also its process group's.
func (c *Client) PID() int { return c.process.id() }

// Done is closed when the plugin's process has ended.
func (c *Client) Done() <-chan struct{} { return c.process.exited }

// Schema asks the plugin, unless the answer is known or cached.
func (c *Client) Schema(ctx context.Context) (*plugins.Schema, plugins.Diagnostics) {
	ctx, cancel := context.WithTimeout(ctx, c.options.SchemaTimeout)
	defer cancel()
	s, d := c.Client.Schema(ctx)
	if d.HasErrors() {
		return nil, c.ifSilent(ctx, "Schema", c.options.SchemaTimeout, d)
	}
	if s.Provider != c.options.Name {
		return nil, plugins.NewError(fmt.Sprintf("%s is the plugin of another provider", c.options.Path),
			fmt.Sprintf("It was expected to be provider %s and says that it is %q. A plugin's program is called nxc-provider-NAME.", c.options.Name, s.Provider))
	}
	if c.options.Cache != "" && c.options.Schema == nil {
		// A cache that cannot be written costs time and nothing else.
		if err := storeSchema(c.options.Cache, c.options, s); err != nil {
			c.options.Logger.Debug("schema not cached", "error", err)
		}
	}
	return s, d
}

// Configure connects the plugin to what its configuration points at.
func (c *Client) Configure(ctx context.Context, r plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics) {
	if _, d := c.Schema(ctx); d.HasErrors() {
		return plugins.Location{}, d
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.ConfigureTimeout)
	defer cancel()
	asked, w := c.await(ctx, "Configure", "being configured")
	l, d := c.Client.Configure(asked, r)
	d = w.end(d)
	if d.HasErrors() {
		d = c.ifSilent(ctx, "Configure", c.options.ConfigureTimeout, d)
	}
	return l, d
}

// ifSilent replaces d when the call ran into its deadline; the plugin is then
// of no more use.
func (c *Client) ifSilent(ctx context.Context, verb string, after time.Duration, d plugins.Diagnostics) plugins.Diagnostics {
	// The other end may notice the deadline an instant before us.
	if deadline, _ := ctx.Deadline(); time.Until(deadline) > 50*time.Millisecond {
		return d
	}
	c.process.Kill(ctx)
	d = c.explainSilence(verb, after)
	c.Kill()
	return d
}

// Apply creates, updates or deletes one object. It does not wait for ever: a
// plugin that does not keep to the operation's timeout is ended, and the result
// is lost, with those of all that it had under way.
func (c *Client) Apply(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
	c.applying.RLock()
	defer c.applying.RUnlock()
	if c.gone(0) { // nothing was begun, nothing is lost
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: c.explainEnd("Apply")}
	}
	if r.Operation.Timeout > 0 {
		bounded, cancel := context.WithCancel(ctx)
		defer cancel()
		defer c.watch(&r, cancel)()
		ctx = bounded
	}
	return c.Client.Apply(ctx, r, progress)
}

// Close ends the plugin: it asks what runs to stop, waits for it, and then
// ends the process; when ctx ends first, by force. It returns when the process
// is gone.
func (c *Client) Close(ctx context.Context) error {
	c.ending.Store(true)
	done := make(chan struct{})
	var unheard bool // it did not answer in time; read after done
	go func() {
		defer close(done)
		if !c.gone(0) {
			unheard = c.Stop(ctx) != nil && ctx.Err() != nil
			c.applying.Lock() // all have ended; nothing begins any more
			defer c.applying.Unlock()
		}
		c.plugin.Kill()
		c.process.release()
		c.leaveSockets()
	}()
	select {
	case <-done:
		if unheard {
			return ctx.Err()
		}
		return nil
	case <-ctx.Done():
		c.process.Kill(ctx)
		<-done
		return ctx.Err()
	}
}

// Kill ends the plugin at once. Calls under way fail.
func (c *Client) Kill() {
	c.ending.Store(true)
	c.process.Kill(context.Background())
	c.plugin.Kill()
	c.process.release()
	c.leaveSockets()
}
