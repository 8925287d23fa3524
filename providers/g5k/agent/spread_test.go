package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// site is nodes in this process. Their relays speak HTTP over loopback.
type site struct {
	dir   string
	limit func(node int) func(net.Listener) net.Listener

	mu      sync.Mutex
	running map[int]*pipes
	opened  map[int]int
	// before is called when a relay is to be opened: it may refuse.
	before func(node, try int) error
}

// pipes are a relay's standard input and output, seen from outside.
type pipes struct {
	in     *io.PipeWriter
	out    *io.PipeReader
	cancel context.CancelFunc
}

func (p *pipes) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close ends a relay, as the end of an ssh session does.
func (p *pipes) Close() error { return errors.Join(p.in.Close(), p.out.Close()) }

// kill ends a relay as a machine that dies does.
func (p *pipes) kill() {
	p.cancel()
	p.in.CloseWithError(io.ErrClosedPipe)
	p.out.CloseWithError(io.ErrClosedPipe)
}

func newSite(dir string) *site {
	return &site{dir: dir, running: map[int]*pipes{}, opened: map[int]int{}}
}

func (s *site) folder(node int) string { return filepath.Join(s.dir, fmt.Sprintf("node-%d", node)) }

func (s *site) nodes(count int) []Node {
	var nodes []Node
	for i := range count {
		nodes = append(nodes, Node{Name: fmt.Sprintf("node-%d", i), Open: func(context.Context, []string) (Session, error) { return s.open(i) }})
	}
	return nodes
}

func (s *site) open(i int) (Session, error) {
	s.mu.Lock()
	try := s.opened[i]
	s.opened[i]++
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(i, try); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	inside, in := io.Pipe()
	out, outside := io.Pipe()
	p := &pipes{in, out, cancel}
	s.mu.Lock()
	s.running[i] = p
	s.mu.Unlock()
	relay := Relay{Dir: s.folder(i), Listen: "127.0.0.1:0", Pace: 5 * time.Millisecond, Stall: 5 * time.Second}
	if s.limit != nil {
		relay.Limit = s.limit(i)
	}
	go func() {
		err := relay.Run(ctx, inside, outside)
		outside.CloseWithError(err)
		cancel()
	}()
	go func() { // a process that is killed closes what it had
		<-ctx.Done()
		inside.CloseWithError(io.ErrClosedPipe)
	}()
	return p, nil
}

func local(_ string, port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// source makes a file with random content.
func source(t testing.TB, name string, size int) Source {
	t.Helper()
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1, byte(size)})
	_, _ = r.Read(content)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSource(name, path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check compares what a node has with what it should have.
func (s *site) check(t *testing.T, node int, items []Source) {
	t.Helper()
	for _, item := range items {
		got, err := ReadSource(item.Name, filepath.Join(s.folder(node), item.Name))
		if err != nil || got.SHA256 != item.SHA256 {
			t.Errorf("node %d has another %s: %v, %d bytes", node, item.Name, err, got.Size)
		}
	}
}

func TestSpread(t *testing.T) {
	const count = 50
	s := newSite(t.TempDir())
	items := []Source{source(t, "kernel", 100_001), source(t, "initrd", 3_000_003), source(t, "empty", 0)}
	var last Progress
	var mu sync.Mutex
	r, err := Spread{Nodes: s.nodes(count), Items: items, URL: local, Report: func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		last = p
	}}.Run(t.Context())
	if err != nil || len(r.Failed) > 0 {
		t.Fatal(err, r.Failed)
	}
	for i := range count {
		s.check(t, i, items)
	}
	size := items[0].Size + items[1].Size
	if r.Fed != size || r.Taken != count*size {
		t.Errorf("fed %d bytes, taken %d; want %d and %d: nothing twice", r.Fed, r.Taken, size, count*size)
	}
	if last.Done != last.Expected || last.Ready != count || r.Depth != 5 {
		t.Errorf("the last report is %+v, the depth %d", last, r.Depth)
	}
}

// TestSpreadGoesOn loses nodes at every stage: some never answer, some die and
// come back, the first of all dies for good, and one has a disk of its own mind.
func TestSpreadGoesOn(t *testing.T) {
	const count = 50
	s := newSite(t.TempDir())
	items := []Source{source(t, "kernel", 50_000), source(t, "initrd", 8_000_000)}
	never := map[int]bool{1: true, 13: true}
	s.before = func(node, try int) error {
		switch {
		case never[node]:
			return errors.New("no answer in 5s")
		case node == 0 && try > 0:
			return errors.New("it is dead")
		}
		return nil
	}
	// What a node was left with by an earlier attempt: part of the file, or
	// something else in its place.
	content, err := os.ReadFile(items[1].Path)
	if err != nil {
		t.Fatal(err)
	}
	leave := func(node int, text []byte) {
		if err := os.MkdirAll(s.folder(node), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.folder(node), "initrd"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leave(4, content[:5_000_000])
	leave(9, make([]byte, 2_000_000))
	leave(11, append(append([]byte{}, content...), "a context behind it"...))
	var once sync.Map
	killAt := map[int]int64{0: 2_000_000, 3: 1_000_000, 6: 4_000_000}
	r, err := Spread{
		Nodes: s.nodes(count), Items: items, URL: local, Pause: 10 * time.Millisecond, Retries: 2,
		Report: func(p Progress) {
			for node, at := range killAt {
				info, err := os.Stat(filepath.Join(s.folder(node), "initrd"))
				if err != nil || info.Size() < at {
					continue
				}
				if _, done := once.LoadOrStore(node, true); !done {
					s.mu.Lock()
					victim := s.running[node]
					s.mu.Unlock()
					go victim.kill()
				}
			}
		},
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for node := range count {
		failed := r.Failed[fmt.Sprintf("node-%d", node)]
		switch {
		case never[node]:
			if failed == nil {
				t.Errorf("node %d never answered, and did not fail", node)
			}
		case node == 0: // whole or not when it died
		case failed != nil:
			t.Errorf("node %d: %v", node, failed)
		default:
			s.check(t, node, items)
		}
	}
	if size := items[0].Size + items[1].Size; r.Fed > 3*size {
		t.Errorf("fed %d bytes, which is %d times all of it: nodes did not go on where they were", r.Fed, r.Fed/size)
	}
}

func TestSpreadSaysWhatIsWrong(t *testing.T) {
	s := newSite(t.TempDir())
	wrong := source(t, "initrd", 1000)
	wrong.SHA256 = source(t, "initrd", 1001).SHA256
	r, err := Spread{Nodes: s.nodes(1), Items: []Source{wrong}, URL: local, Pause: time.Millisecond, Retries: 1}.Run(t.Context())
	if err != nil || r.Failed["node-0"] == nil || !errors.Is(r.Failed["node-0"], errors.Unwrap(r.Failed["node-0"])) && r.Failed["node-0"].Error() != "initrd: it has another SHA-256 than it should" {
		t.Errorf("got %v, %v", err, r.Failed)
	}
	missing := source(t, "kernel", 10)
	missing.Path += "-gone"
	if _, err := (Spread{Nodes: s.nodes(1), Items: []Source{missing}, URL: local}).Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func(int, int) error { cancel(); return errors.New("late") }
	if _, err := (Spread{Nodes: s.nodes(3), Items: []Source{source(t, "kernel", 10)}, URL: local}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
