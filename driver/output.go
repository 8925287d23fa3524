package driver

import (
	"context"
	"sync"
)

// output keeps what a program prints, up to the limit. It may be read while a
// program that was given up still writes.
type output struct {
	full context.CancelCauseFunc

	mu   sync.Mutex
	text []byte
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.text)+len(b) > outputLimit {
		if o.full != nil {
			o.full(errTooMuch)
		}
		return 0, errTooMuch
	}
	o.text = append(o.text, b...)
	return len(b), nil
}

func (o *output) taken() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]byte(nil), o.text...)
}
