package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Source is an item with the file that it comes from.
type Source struct {
	Item
	Path string
}

// ReadSource describes a file as an item.
func ReadSource(name, path string) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return Source{}, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	return Source{Item{name, hex.EncodeToString(sum.Sum(nil)), size}, path}, err
}

// Node is a node that is to have the items.
type Node struct {
	Name string
	// Open starts a relay there. from are URLs below which the items are on
	// nodes above that have a relay already, the best first.
	Open func(ctx context.Context, from []string) (Session, error)
}

// Session is the standard input and output of a relay. Closing it ends the relay.
type Session interface {
	io.Reader
	io.Writer
	io.Closer
}

// Spread brings items to nodes.
type Spread struct {
	Nodes   []Node
	Items   []Source
	Arity   int                                // of the tree; 2 by default
	URL     func(node string, port int) string // of a relay, as other nodes reach it
	Report  func(Progress)                     // may be nil
	Log     func(line string)                  // may be nil
	Retries int                                // how often a relay that was lost is started again; 3 by default
	Pause   time.Duration                      // before that; 2 seconds by default
	Opening int                                // how many relays are started at one time; 32 by default
}

// Progress is how far it is.
type Progress struct {
	Done, Expected int64 // bytes, of all nodes
	Ready, Nodes   int
}

// Result is what it came to.
type Result struct {
	Failed map[string]error // by node
	Fed    int64            // bytes that were sent from here
	Taken  int64            // bytes that nodes took, from here and from each other
	Depth  int              // of the tree
	Token  string
}

// spread is one Run.
type spread struct {
	Spread
	token string

	mu      sync.Mutex
	peers   []*peer
	fed     int64
	feeding int // the node that is fed, -1 for none
}

// peer is what is known of a node.
type peer struct {
	opened  chan struct{} // closed when its relay listens, or never will
	out     *lines        // nil when there is none
	session Session
	url     string
	told    []string // where it was told to take from
	have    map[string]int64
	sum     int64 // of have
	before  int64 // bytes that earlier relays took
	taken   int64
	done    bool
	gone    bool // it is done, and its relay is lost for good
	err     error
	// Of its present relay: until when, and items to feed again.
	ctx    context.Context
	refeed chan string
}

// Run returns when each node has all items or has failed. Its error is about
// what concerns them all.
func (o Spread) Run(ctx context.Context) (Result, error) {
	if o.Arity == 0 {
		o.Arity = 2
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.Pause == 0 {
		o.Pause = 2 * time.Second
	}
	if o.Opening == 0 {
		o.Opening = 32
	}
	s := &spread{Spread: o, token: rand.Text(), feeding: -1}
	for range o.Nodes {
		s.peers = append(s.peers, &peer{opened: make(chan struct{})})
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all, feeders sync.WaitGroup
	places := make(chan struct{}, o.Opening)
	for i := range s.peers {
		all.Go(func() { s.keep(ctx, i, places, &feeders, cancel) })
	}
	all.Wait()
	cause := context.Cause(ctx)
	cancel(nil)
	feeders.Wait()
	r := Result{Failed: map[string]error{}, Fed: s.fed, Token: s.token, Depth: s.tree().depth()}
	for i, p := range s.peers {
		r.Taken += p.taken
		if p.err != nil {
			r.Failed[o.Nodes[i].Name] = p.err
		}
	}
	return r, cause
}

func (s *spread) tree() tree {
	return tree{arity: s.Arity, size: len(s.peers), lives: func(i int) bool { return s.peers[i].err == nil && !s.peers[i].gone }}
}

// keep has a relay run on a node until all nodes are done, and starts it again
// when it was lost.
func (s *spread) keep(ctx context.Context, i int, places chan struct{}, feeders *sync.WaitGroup, cancel context.CancelCauseFunc) {
	p := s.peers[i]
	for try := 0; ; try++ {
		err := s.attempt(ctx, i, places, feeders, cancel)
		if err == nil {
			return
		}
		var final *Final
		if try >= s.Retries || ctx.Err() != nil || errors.As(err, &final) {
			s.mu.Lock()
			switch {
			case p.done:
				p.gone = true
			case ctx.Err() != nil:
				p.err = context.Cause(ctx)
			default:
				p.err = err
			}
			select {
			case <-p.opened:
			default:
				close(p.opened)
			}
			s.mu.Unlock()
			s.direct(ctx, feeders, cancel)
			return
		}
		s.log(fmt.Sprintf("%s: %v; once more", s.Nodes[i].Name, err))
		select {
		case <-ctx.Done():
		case <-time.After(s.Pause):
		}
	}
}

// Final marks a failure of a node that no other try would change.
type Final struct{ Err error }

func (e *Final) Error() string { return e.Err.Error() }
func (e *Final) Unwrap() error { return e.Err }

// attempt runs a relay until all nodes are done.
func (s *spread) attempt(ctx context.Context, i int, places chan struct{}, feeders *sync.WaitGroup, cancel context.CancelCauseFunc) error {
	p := s.peers[i]
	from, err := s.await(ctx, i)
	if err != nil {
		return err
	}
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	session, err := s.Nodes[i].Open(ctx, from)
	<-places
	if err != nil {
		return err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	relay, end := context.WithCancel(ctx)
	defer end()
	s.mu.Lock()
	p.ctx, p.refeed = relay, make(chan string, 8)
	s.mu.Unlock()
	out := &lines{w: session}
	items := make([]Item, len(s.Items))
	for n, item := range s.Items {
		items[n] = item.Item
	}
	if err := out.write(order{Items: items, Token: s.token}); err != nil {
		return err
	}
	err = s.listen(ctx, i, session, out, feeders, cancel)
	s.mu.Lock()
	p.out, p.told, p.before = nil, nil, p.taken
	if s.feeding == i {
		s.feeding = -1
	}
	done := s.allDone()
	s.mu.Unlock()
	if done {
		return nil
	}
	return err
}

// await returns when those above a node have relays, so that the node can take
// the relay's program from them. It does not wait for one that is started anew.
func (s *spread) await(ctx context.Context, i int) ([]string, error) {
	if i > 0 {
		select {
		case <-s.peers[(i-1)/s.Arity].opened:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.urls(i), nil
}

// urls are where a node takes from. The lock is held.
func (s *spread) urls(i int) []string {
	list := []string{}
	for _, above := range s.tree().above(i) {
		if url := s.peers[above].url; url != "" {
			list = append(list, url+"/"+s.token)
		}
	}
	return list
}

// allDone reports whether no living node lacks anything. The lock is held.
func (s *spread) allDone() bool {
	return !slices.ContainsFunc(s.peers, func(p *peer) bool { return p.err == nil && !p.done })
}

func (s *spread) log(line string) {
	if s.Log != nil {
		s.Log(line)
	}
}

// tell reports how far everything is.
func (s *spread) tell() {
	if s.Report == nil {
		return
	}
	s.mu.Lock()
	var p Progress
	var size int64
	for _, item := range s.Items {
		size += item.Size
	}
	for _, peer := range s.peers {
		if peer.err != nil {
			continue
		}
		p.Nodes++
		p.Expected += size
		if peer.done {
			p.Ready++
		}
		p.Done += peer.sum
	}
	s.mu.Unlock()
	s.Report(p)
}
