package host_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
)

// heard collects what a plugin's watchers are told.
type heard struct {
	mu    sync.Mutex
	texts []string
}

func listen(t *testing.T, c *host.Client) *heard {
	h := &heard{}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go c.Watch(ctx, func(text string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.texts = append(h.texts, text)
	})
	return h
}

func (h *heard) has(part string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.texts, func(s string) bool { return strings.Contains(s, part) })
}

func reads(names ...string) []plugins.ReadRequest {
	var rs []plugins.ReadRequest
	for _, name := range names {
		rs = append(rs, plugins.ReadRequest{Type: "test_thing", Object: thing(name), Operation: plugins.Operation{Address: "test_thing." + name}})
	}
	return rs
}

// A provider that owes an answer is spoken of, and not waited for without end.
// What it answered counts, and so does that it goes on.
func TestSilentCall(t *testing.T) {
	o := options("plugin")
	o.CallTimeout, o.Notice = 2*time.Second, 300*time.Millisecond
	c := launch(t, o)
	configure(t, c, "")
	h := listen(t, c)
	answered := 0
	d := c.Read(t.Context(), reads("a", "stuck", "b"), func(int, plugins.ReadResult) { answered++ })
	wantSaid(t, d, "Provider test does not answer", "asked for Read of test_thing.stuck", "nothing for 2s", "does not say what it has", "NXC_PLUGIN_TIMEOUT=4s")
	if answered != 2 {
		t.Errorf("%d answers, want those of the other two", answered)
	}
	if !h.has("Provider test: still reading test_thing.stuck [") {
		t.Errorf("told %q, want what is waited for", h.texts)
	}
	if r := create(t.Context(), c, "c", nil); r.Diagnostics.HasErrors() {
		t.Errorf("the next operation: %v", r.Diagnostics)
	}
}

// A provider that says what it waits for is waited for.
func TestPatientCall(t *testing.T) {
	o := options("plugin")
	o.CallTimeout = 600 * time.Millisecond
	c := launch(t, o)
	configure(t, c, "")
	h := listen(t, c)
	for range 100 { // the stream of what it tells has to stand
		if d := c.Read(t.Context(), reads("a"), func(int, plugins.ReadResult) {}); d.HasErrors() {
			t.Fatal(d)
		}
	}
	if d := c.Read(t.Context(), reads("patient"), func(int, plugins.ReadResult) {}); d.HasErrors() {
		t.Errorf("%v, after it said %q", d, h.texts)
	}
	if !h.has("waiting for the engine's turn") {
		t.Error("what it waits for was not told")
	}
}
