package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// fetcher takes items from other relays.
type fetcher struct {
	shelf  *shelf
	client *http.Client
	stall  time.Duration // so long a source may say nothing
	log    func(string)
	wrong  func(string)

	mu      sync.Mutex
	sources []string
	fresh   chan struct{} // closed when there are other sources
}

// errSources says that there are other sources now.
var errSources = errors.New("there are other sources")

// setSources says where to take from, the best first.
func (f *fetcher) setSources(sources []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sources = sources
	close(f.fresh)
	f.fresh = make(chan struct{})
}

func (f *fetcher) current() ([]string, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sources, f.fresh
}

// run brings every item, and returns when all are right. Bytes may also come
// from elsewhere meanwhile: then there are no sources, and it only waits.
func (f *fetcher) run(ctx context.Context) error {
	for _, name := range f.shelf.names {
		h := f.shelf.items[name]
		for wrong := 0; ; {
			if err := f.complete(ctx, h); err != nil {
				return err
			}
			err := f.shelf.verify(h)
			if err == nil {
				break
			}
			if wrong++; !errors.Is(err, errWrong) || wrong == 3 {
				return fmt.Errorf("%s: %w", name, err)
			}
			f.wrong(name)
		}
	}
	return nil
}

// complete brings the rest of an item, from one source after the other.
func (f *fetcher) complete(ctx context.Context, h *held) error {
	for ctx.Err() == nil {
		have, _, changed := f.shelf.state(h)
		if have == h.Size {
			return nil
		}
		sources, fresh := f.current()
		if len(sources) == 0 {
			select {
			case <-changed:
			case <-fresh:
			case <-ctx.Done():
			}
			continue
		}
		for _, source := range sources {
			err := f.take(ctx, h, source, fresh)
			if err == nil || errors.Is(err, errSources) || ctx.Err() != nil {
				break
			}
			var local *localError
			if errors.As(err, &local) {
				return local.err
			}
			f.log(fmt.Sprintf("%s from %s: %v", h.Name, source, err))
		}
		if now, _, _ := f.shelf.state(h); now == have { // nobody had anything: not too often
			select {
			case <-fresh:
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return ctx.Err()
}

// localError is a failure of the node itself, such as a full disk: no other
// source helps.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }

// take reads an item's rest from one source, until its end, until the source
// is silent for too long, or until there are others.
func (f *fetcher) take(ctx context.Context, h *held, source string, fresh <-chan struct{}) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(f.stall, func() { cancel(fmt.Errorf("nothing came for %s", f.stall)) })
	defer silent.Stop()
	go func() {
		select {
		case <-fresh:
			cancel(errSources)
		case <-ctx.Done():
		}
	}()
	have, _, _ := f.shelf.state(h)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source+"/"+h.Name, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	response, err := f.client.Do(request)
	if err != nil {
		return because(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusPartialContent {
		return errors.New(response.Status)
	}
	if have > 0 && response.StatusCode != http.StatusPartialContent {
		return errors.New("it does not go on where it was interrupted")
	}
	buffer := make([]byte, 128<<10)
	for at := have; ; {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			silent.Reset(f.stall)
			err := f.shelf.add(h, at, buffer[:n])
			if errors.Is(err, errGap) {
				return err
			} else if err != nil {
				return &localError{err}
			}
			at += int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return because(ctx, err)
		}
	}
}

// because prefers why we stopped over what that looked like.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
