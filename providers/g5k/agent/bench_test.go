package agent

import (
	"net"
	"sync"
	"testing"
	"time"
)

// throttle lets a node send only so much in a second, to all that take from it.
type throttle struct {
	rate float64 // bytes a second
	mu   sync.Mutex
	free time.Time // when what was sent so far is through
}

func (t *throttle) send(n int) {
	t.mu.Lock()
	now := time.Now()
	if t.free.Before(now) {
		t.free = now
	}
	t.free = t.free.Add(time.Duration(float64(n) / t.rate * float64(time.Second)))
	wait := t.free.Sub(now)
	t.mu.Unlock()
	time.Sleep(wait)
}

type slowListener struct {
	net.Listener
	t *throttle
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return slowConn{c, l.t}, err
}

type slowConn struct {
	net.Conn
	t *throttle
}

func (c slowConn) Write(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		piece := p[:min(len(p), 16<<10)]
		c.t.send(len(piece))
		n, err := c.Conn.Write(piece)
		done += n
		if err != nil {
			return done, err
		}
		p = p[n:]
	}
	return done, nil
}

// BenchmarkSpread500 compares a tree over 500 nodes with the ideal one, in which
// every node takes each byte once, and sends at the full speed of its line from
// the first byte on: as many times the file as it has nodes below it.
func BenchmarkSpread500(b *testing.B) {
	const count, rate, size, arity = 500, 512 << 10, 1 << 20, 2
	for b.Loop() {
		s := newSite(b.TempDir())
		s.limit = func(int) func(net.Listener) net.Listener {
			t := &throttle{rate: rate}
			return func(l net.Listener) net.Listener { return slowListener{l, t} }
		}
		item := source(b, "initrd", size)
		began := time.Now()
		r, err := Spread{Nodes: s.nodes(count), Items: []Source{item}, URL: local, Arity: arity, Opening: count}.Run(b.Context())
		took := time.Since(began)
		if err != nil || len(r.Failed) > 0 {
			b.Fatal(err, r.Failed)
		}
		ideal := time.Duration(float64(arity*size) / rate * float64(time.Second))
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric(took.Seconds()/ideal.Seconds(), "time/ideal")
		b.ReportMetric(float64(r.Taken)/float64(count*size), "bytes/ideal")
		b.ReportMetric(float64(r.Fed)/size, "copies-fed")
		b.ReportMetric(float64(r.Depth), "depth")
	}
}
