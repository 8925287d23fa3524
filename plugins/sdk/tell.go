package sdk

import (
	"context"
	"sync"
)

// tellKey is the key of what a verb tells in its context.
type tellKey struct{}

// Tell says in a few words what a verb waits for, where it has no Operation
// that could: in Configure, Expand, Plan, Read or a data source. It costs nothing where
// nobody listens.
func Tell(ctx context.Context, text string) {
	if tell, ok := ctx.Value(tellKey{}).(func(string)); ok {
		tell(text)
	}
}

// listeners are those who want to hear it.
type listeners struct {
	mu   sync.Mutex
	next int
	all  map[int]func(string)
}

func (l *listeners) tell(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tell := range l.all {
		tell(text)
	}
}

// Watch calls tell until ctx or the provider ends.
func (i *instance) Watch(ctx context.Context, tell func(string)) {
	l := &i.listeners
	l.mu.Lock()
	if l.all == nil {
		l.all = map[int]func(string){}
	}
	l.next++
	id := l.next
	l.all[id] = tell
	l.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-i.stopping.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, id)
}
