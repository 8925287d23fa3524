package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// waiting is a call under way whose provider owes an answer. Who waits for it
// is told so, and a provider that stays silent for too long is not waited for
// any more. Operations have deadlines of their own (see watch), and what a user
// runs on a node lasts as long as he likes.
type waiting struct {
	c     *Client
	verb  string // as the provider's author knows it, "Read"
	doing string // as the user does, "reading"

	mu    sync.Mutex
	open  map[string]int // the addresses that have no answer yet, and how many each has to get
	heard time.Time
	late  bool

	cancel context.CancelFunc
	ended  chan struct{}
	over   chan struct{} // nobody looks after it any more
}

// await begins to look after a call about some addresses, which may be empty.
// The call must use the context that it returns, and pass its diagnostics
// through end.
func (c *Client) await(ctx context.Context, verb, doing string, addresses ...string) (context.Context, *waiting) {
	ctx, cancel := context.WithCancel(ctx)
	w := &waiting{c: c, verb: verb, doing: doing, open: map[string]int{}, heard: time.Now(), cancel: cancel, ended: make(chan struct{}), over: make(chan struct{})}
	for _, a := range addresses {
		w.open[a]++
	}
	go w.look()
	return ctx, w
}

// look tells of the wait from time to time, and ends it at last.
func (w *waiting) look() {
	defer close(w.over)
	began, told := time.Now(), time.Now()
	ticker := time.NewTicker(min(w.c.options.Notice, w.c.options.CallTimeout) / 10)
	defer ticker.Stop()
	for {
		select {
		case <-w.ended:
			return
		case now := <-ticker.C:
			silent := now.Sub(w.lastHeard())
			if silent >= w.c.options.CallTimeout {
				w.giveUp()
				return
			}
			if min(silent, now.Sub(told)) >= w.c.options.Notice {
				told = now
				w.c.tell(fmt.Sprintf("Provider %s: still %s%s [%s]", w.c.options.Name, w.doing, spaced(w.what()), now.Sub(began).Round(time.Second)))
			}
		}
	}
}

// lastHeard is when the provider last said something, in this call or to
// everybody.
func (w *waiting) lastHeard() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last := time.Unix(0, w.c.lastTold.Load()); last.After(w.heard) {
		return last
	}
	return w.heard
}

func (w *waiting) giveUp() {
	w.mu.Lock()
	w.late = true
	w.mu.Unlock()
	w.cancel()
}

// answered notes a sign of life, and that an address waits no more.
func (w *waiting) answered(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = time.Now()
	if w.open[address]--; w.open[address] <= 0 {
		delete(w.open, address)
	}
}

// what names what there is no answer for.
func (w *waiting) what() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		return ""
	}
	first := slices.Min(slices.Collect(maps.Keys(w.open)))
	if len(w.open) == 1 {
		return first
	}
	return fmt.Sprintf("%s and %d more", first, len(w.open)-1)
}

// end ends the watch. What a call that was given up says of itself is replaced
// by why that was.
func (w *waiting) end(d plugins.Diagnostics) plugins.Diagnostics {
	close(w.ended)
	<-w.over
	w.cancel()
	if !w.late || !d.HasErrors() || w.c.gone(0) {
		return d
	}
	of := w.what()
	if of != "" {
		of = " of " + of
	}
	return plugins.NewError(fmt.Sprintf("Provider %s does not answer", w.c.options.Name),
		fmt.Sprintf("It was asked for %s%s and said nothing for %s.%sRun the command again. If the provider only needs longer, set NXC_PLUGIN_TIMEOUT=%s. %s",
			w.verb, of, shortTime(w.c.options.CallTimeout), w.c.lastWords(), shortTime(2*w.c.options.CallTimeout), w.c.remedy()))
}

// shortTime is a duration as people write it: 20m, not 20m0s.
func shortTime(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// Watch tells what the plugin waits for, and what is waited for that the
// plugin says nothing about.
func (c *Client) Watch(ctx context.Context, tell func(string)) {
	c.listening.Lock()
	key := new(func(string))
	*key = tell
	c.listeners = append(c.listeners, key)
	c.listening.Unlock()
	c.Client.Watch(ctx, func(text string) {
		c.lastTold.Store(time.Now().UnixNano())
		tell(text)
	})
	select {
	case <-ctx.Done():
	case <-c.process.exited:
	}
	c.listening.Lock()
	defer c.listening.Unlock()
	c.listeners = slices.DeleteFunc(c.listeners, func(l *func(string)) bool { return l == key })
}

// tell says something to those that watch.
func (c *Client) tell(text string) {
	c.listening.Lock()
	list := slices.Clone(c.listeners)
	c.listening.Unlock()
	for _, l := range list {
		(*l)(text)
	}
}
