package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestPrefixed checks that many who write at one time mix no lines and lose
// no bytes.
func TestPrefixed(t *testing.T) {
	var out bytes.Buffer
	shared := &sharedOutput{out: &out}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			w := prefixed(shared, fmt.Sprintf("node%d | ", n), "")
			for line := range 500 {
				fmt.Fprintf(w, "line %d of ", line)
				fmt.Fprintf(w, "%d\r\x00\xff\n", n)
			}
			io.WriteString(w, "open")
			if err := w.end(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	next := make([]int, 8)
	for line := range strings.Lines(out.String()) {
		var node int
		if _, err := fmt.Sscanf(line, "node%d |", &node); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := fmt.Sprintf("node%d | line %d of %d\r\x00\xff\n", node, next[node], node)
		if next[node] == 500 {
			want = fmt.Sprintf("node%d | open\n", node)
		}
		if line != want {
			t.Fatalf("got %q, want %q", line, want)
		}
		next[node]++
	}
	if fmt.Sprint(next) != fmt.Sprint([]int{501, 501, 501, 501, 501, 501, 501, 501}) {
		t.Errorf("lines of each: %v", next)
	}
}

// TestLongLine checks that a line without end is handed on in pieces.
func TestLongLine(t *testing.T) {
	var pieces, bytes int
	w := &lineWriter{lines: func(piece []byte) error { pieces++; bytes += len(piece); return nil }}
	chunk := make([]byte, 100_000)
	for range 50 {
		w.Write(chunk)
		if len(w.rest) > maxLine {
			t.Fatalf("it holds %d bytes", len(w.rest))
		}
	}
	w.end()
	if bytes != 5_000_000 || pieces < 4 {
		t.Errorf("%d bytes in %d pieces", bytes, pieces)
	}
}

// TestSpool checks that everybody reads all of an input, who comes late too.
func TestSpool(t *testing.T) {
	content := strings.Repeat("a line of the input\n", 50_000)
	from, into := io.Pipe()
	s, err := newSpool(from)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var all sync.WaitGroup
	read := func() {
		got, err := io.ReadAll(s.reader())
		if err != nil || string(got) != content {
			t.Errorf("read %d of %d bytes, error %v", len(got), len(content), err)
		}
	}
	for range 4 {
		all.Go(read)
	}
	io.WriteString(into, content[:1000])
	all.Go(read)
	io.WriteString(into, content[1000:])
	into.Close()
	all.Wait()
	read()
}

// TestEach checks the bound, and that nothing begins after the end of ctx.
func TestEach(t *testing.T) {
	var running, most, done atomic.Int32
	each(t.Context(), 50, 3, func(int) {
		now := running.Add(1)
		for {
			was := most.Load()
			if now <= was || most.CompareAndSwap(was, now) {
				break
			}
		}
		done.Add(1)
		running.Add(-1)
	})
	if done.Load() != 50 || most.Load() > 3 {
		t.Errorf("%d done, %d at one time", done.Load(), most.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done.Store(0)
	each(ctx, 50, 1, func(i int) {
		done.Add(1)
		if i == 4 {
			cancel()
		}
	})
	if done.Load() != 5 {
		t.Errorf("%d began although it was over after 5", done.Load())
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		args  string
		flags nodeFlags
		want  string // of the error; "" for none
	}{
		{args: "a server:/tmp"},
		{args: "client*:/a b"},
		{args: "web::docker/client[1-2]:/a b"},
		{args: "a b:/x c:/y"},
		{args: "a :/tmp", flags: nodeFlags{all: true}},
		{args: ":/a b", flags: nodeFlags{roles: stringList{"client"}}},
		{args: "a", want: "name what to copy"},
		{args: "a b", want: "none of these is on a node"},
		{args: "./a:b c", want: "none of these is on a node"},
		{args: "a server:tmp", want: "names no absolute path"},
		{args: "a :/tmp", want: "names no node"},
		{args: "a server:/tmp", flags: nodeFlags{all: true}, want: "choose the nodes of :/PATH"},
		{args: "client*:/a client*:/b", want: "not both"},
		{args: ":/a client*:/b", flags: nodeFlags{all: true}, want: "not both"},
	} {
		f := cpFlags{nodes: c.flags}
		_, err := f.places(strings.Fields(c.args))
		if got := fmt.Sprint(err); (err != nil) != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %v, want %q", c.args, err, c.want)
		}
	}
}
