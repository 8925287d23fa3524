package wire

import (
	"context"
	"testing"
)

// told is a provider that tells what it waits for.
type told struct {
	*stub
	texts chan string
}

func (w told) Watch(ctx context.Context, tell func(string)) {
	for {
		select {
		case text := <-w.texts:
			tell(text)
		case <-ctx.Done():
			return
		}
	}
}

func TestWatch(t *testing.T) {
	p := told{&stub{}, make(chan string)}
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		connect(t, p).Watch(ctx, func(text string) { heard <- text })
	}()
	for _, text := range []string{"one", "the other"} {
		p.texts <- text
		if got := <-heard; got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	cancel()
	<-ended
	connect(t, &stub{}).Watch(t.Context(), func(string) { t.Error("a provider that tells nothing told something") })
}
