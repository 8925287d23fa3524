package simulator

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is a request that the API was asked, for who wants to know how
// politely.
type Request struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // with its query
	Status int       `json:"status"`
}

// Exchange is a request of the API with its answer.
type Exchange struct {
	Method, Path string
	Status       int
	Header       http.Header
	Body         []byte
}

// record keeps the latest requests.
type record struct {
	mu  sync.Mutex
	all []Request
}

// kept is how many are kept at least.
const kept = 10_000

func (r *record) add(one Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) > 2*kept {
		r.all = slices.Clone(r.all[kept:])
	}
	r.all = append(r.all, one)
}

// Requests returns the requests that the API was asked, oldest first.
func (s *Simulator) Requests() []Request {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	return append([]Request{}, s.record.all...)
}
