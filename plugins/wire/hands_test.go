package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

func node() plugins.Node { return plugins.Node{Type: "stub_a", Object: object("n")} }

func TestApplyOverTheWire(t *testing.T) {
	c := connect(t, &stub{apply: func(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
		if r.Action != plugins.Create || !r.Prior.IsNull() || r.Planned.GetAttr("id").IsKnown() || r.Operation.Timeout != time.Minute || r.Operation.Attempt != "f" {
			t.Errorf("got %+v", r)
		}
		if f := r.Context.Files[0]; f.Path != "/p" || f.Mode != 0o600 || !f.Private || string(f.Content) != "\xff" || r.Context.Digest != "d" {
			t.Errorf("context %+v", r.Context)
		}
		for i := range 50 {
			progress(plugins.Progress{Phase: "p", Done: int64(i), Expected: 50, Unit: "bytes"})
		}
		return plugins.ApplyResult{Object: object("made"), Diagnostics: plugins.Diagnostics{{Severity: plugins.Warning, Summary: "w"}}}
	}})
	planned := object("x").AsValueMap()
	planned["id"] = cty.UnknownVal(cty.String)
	var seen []int64
	r := c.Apply(t.Context(), plugins.ApplyRequest{
		Type: "stub_a", Action: plugins.Create, Planned: cty.ObjectVal(planned),
		Operation: plugins.Operation{Timeout: time.Minute, Attempt: "f"},
		Context:   &plugins.Context{Digest: "d", Files: []plugins.ContextFile{{Path: "/p", Mode: 0o600, Private: true, Content: []byte("\xff")}}},
	}, func(p plugins.Progress) { seen = append(seen, p.Done) })
	if len(seen) != 50 || seen[49] != 49 {
		t.Errorf("progress %v", seen)
	}
	if r.Lost || !r.Object.RawEquals(object("made")) || len(r.Diagnostics) != 1 {
		t.Errorf("got %+v", r)
	}
}

// A signal must reach a program that does not read its input.
func TestSignalOvertakesStdin(t *testing.T) {
	c := connect(t, &stub{exec: func(ctx context.Context, p plugins.Process) (int, plugins.Diagnostics) {
		select {
		case s := <-p.Signals:
			if s != "INT" {
				t.Errorf("signal %q", s)
			}
			return 130, nil
		case <-time.After(5 * time.Second):
			return 0, plugins.NewError("no signal came", "")
		}
	}})
	signals := make(chan string, 1)
	endless := &endlessReader{after: func() { signals <- "INT" }}
	exit, d := c.Exec(t.Context(), node(), plugins.Process{Stdin: endless, Signals: signals})
	if exit != 130 || d.HasErrors() {
		t.Errorf("exit %d, %v", exit, d)
	}
	if sent := endless.total(); sent > stdinWindow+2*chunkSize {
		t.Errorf("%d bytes were read ahead of the program", sent)
	}
}

type endlessReader struct {
	mu    sync.Mutex
	n     int
	after func()
}

func (r *endlessReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n += len(b); r.n > stdinWindow/2 && r.after != nil {
		r.after()
		r.after = nil
	}
	return len(b), nil
}

func (r *endlessReader) total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func TestExecStreams(t *testing.T) {
	c := connect(t, &stub{exec: func(ctx context.Context, p plugins.Process) (int, plugins.Diagnostics) {
		if len(p.Command) != 2 || p.Dir != "/d" || p.Env[0] != "A=b" || p.TTY.Rows != 24 {
			t.Errorf("got %+v", p)
		}
		w := <-p.Resize
		if w.Columns != 100 {
			t.Errorf("resize %+v", w)
		}
		io.WriteString(p.Stderr, "e")
		n, err := io.Copy(p.Stdout, p.Stdin)
		if n == 0 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		return 3, nil
	}})
	sent := make([]byte, 10<<20+1)
	rand.Read(sent)
	resize := make(chan plugins.WindowSize, 1)
	resize <- plugins.WindowSize{Columns: 100, Rows: 30}
	var stdout, stderr bytes.Buffer
	exit, d := c.Exec(t.Context(), node(), plugins.Process{
		Command: []string{"a", "b"}, Dir: "/d", Env: []string{"A=b"}, TTY: &plugins.WindowSize{Columns: 80, Rows: 24},
		Stdin: bytes.NewReader(sent), Stdout: &stdout, Stderr: &stderr, Resize: resize,
	})
	if exit != 3 || d.HasErrors() || stderr.String() != "e" || !bytes.Equal(stdout.Bytes(), sent) {
		t.Errorf("exit %d, %v, stderr %q, %d bytes back", exit, d, stderr.String(), stdout.Len())
	}
}

// A slow reader slows the program; it does not fill memory.
func TestOutputBackpressure(t *testing.T) {
	var mu sync.Mutex
	written := 0
	c := connect(t, &stub{exec: func(ctx context.Context, p plugins.Process) (int, plugins.Diagnostics) {
		for ctx.Err() == nil {
			n, err := p.Stdout.Write(make([]byte, chunkSize))
			if err != nil {
				break
			}
			mu.Lock()
			written += n
			mu.Unlock()
		}
		return 0, nil
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c.Exec(ctx, node(), plugins.Process{Stdout: writerFunc(func(b []byte) (int, error) {
		<-ctx.Done()
		return len(b), nil
	})})
	mu.Lock()
	defer mu.Unlock()
	if written > 4*flowWindow {
		t.Errorf("%d bytes were written while nobody read", written)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestExecOutputFails(t *testing.T) {
	ended := make(chan struct{})
	c := connect(t, &stub{exec: func(ctx context.Context, p plugins.Process) (int, plugins.Diagnostics) {
		defer close(ended)
		for {
			if _, err := p.Stdout.Write(make([]byte, 100)); err != nil {
				return 0, nil
			}
		}
	}})
	_, d := c.Exec(t.Context(), node(), plugins.Process{Stdout: writerFunc(func([]byte) (int, error) { return 0, errors.New("pipe closed") })})
	if !strings.Contains(d.Error(), "pipe closed") {
		t.Errorf("got %v", d)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the program goes on")
	}
}

func TestCopyStreams(t *testing.T) {
	content := make([]byte, 5<<20+3)
	rand.Read(content)
	var received []byte
	var readErr error
	c := connect(t, &stub{copy: func(_ context.Context, c plugins.Copy) plugins.Diagnostics {
		if c.In != nil {
			received, readErr = io.ReadAll(c.In)
			return nil
		}
		c.Out.Write(content)
		return plugins.Diagnostics{{Severity: plugins.Warning, Summary: "copied " + c.Path}}
	}})
	if d := c.Copy(t.Context(), node(), plugins.Copy{Path: "/p", In: bytes.NewReader(content)}); d.HasErrors() {
		t.Error(d)
	}
	if !bytes.Equal(received, content) || readErr != nil {
		t.Errorf("%d bytes arrived, %v", len(received), readErr)
	}
	var back bytes.Buffer
	if d := c.Copy(t.Context(), node(), plugins.Copy{Path: "/p", Out: &back}); len(d) != 1 || d[0].Summary != "copied /p" {
		t.Error(d)
	}
	if !bytes.Equal(back.Bytes(), content) {
		t.Errorf("%d bytes came back", back.Len())
	}
	broken := io.MultiReader(bytes.NewReader(content[:1000]), iotestErr{})
	if d := c.Copy(t.Context(), node(), plugins.Copy{Path: "/p", In: broken}); !strings.Contains(d.Error(), "the disk is gone") {
		t.Errorf("a source that fails: %v", d)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestConsole(t *testing.T) {
	c := connect(t, &stub{console: func(ctx context.Context, c plugins.Console) plugins.Diagnostics {
		if c.Tail != -1 {
			t.Errorf("tail %d", c.Tail)
		}
		if c.Input == nil {
			io.WriteString(c.Output, "log")
			if c.Follow {
				<-ctx.Done()
			}
			return nil
		}
		io.Copy(c.Output, c.Input)
		return nil
	}})
	var out bytes.Buffer
	if d := c.Console(t.Context(), node(), plugins.Console{Tail: -1, Output: &out}); d.HasErrors() || out.String() != "log" {
		t.Errorf("%q, %v", out.String(), d)
	}
	out.Reset()
	if d := c.Console(t.Context(), node(), plugins.Console{Tail: -1, Output: &out, Input: strings.NewReader("keys")}); d.HasErrors() || out.String() != "keys" {
		t.Errorf("%q, %v", out.String(), d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	following := writerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })
	if d := c.Console(ctx, node(), plugins.Console{Tail: -1, Follow: true, Output: following}); d.HasErrors() {
		t.Error(d)
	}
}

func TestLink(t *testing.T) {
	want := plugins.Link{Block: true, Delay: 1500 * time.Microsecond, Loss: 0.25, Rate: 1e9}
	c := connect(t, &stub{link: func(l plugins.Link) plugins.Diagnostics {
		if l != want {
			t.Errorf("got %+v, want %+v", l, want)
		}
		return nil
	}})
	if d := c.Link(t.Context(), node(), want); d.HasErrors() {
		t.Error(d)
	}
}

func TestMonitor(t *testing.T) {
	c := connect(t, &stub{monitor: func(command string) (string, plugins.Diagnostics) {
		if command == "quit" {
			return "", plugins.NewError("Not that", "")
		}
		return "said " + command, nil
	}})
	answer, d := c.Monitor(t.Context(), node(), "info status")
	if d.HasErrors() || answer != "said info status" {
		t.Errorf("got %q, %v", answer, d)
	}
	if _, d = c.Monitor(t.Context(), node(), "quit"); !strings.Contains(d.Error(), "Not that") {
		t.Errorf("got %v, want the refusal", d)
	}
}
