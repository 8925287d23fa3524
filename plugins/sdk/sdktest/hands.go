package sdktest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// hands tries what the node says it can do.
func (r *run) hands(t *testing.T) {
	offered := func(h plugins.Hand) bool { return slices.Contains(r.rt.Hands, h) }
	if offered(plugins.HandExec) {
		t.Run("exec", r.exec)
	}
	if offered(plugins.HandExec) && offered(plugins.HandCopy) && r.CopyTo != "" {
		t.Run("copy", r.copyBothWays)
	}
	if offered(plugins.HandContext) {
		t.Run("context", r.setContext)
	}
	if offered(plugins.HandConsole) {
		t.Run("console", r.console)
	}
}

func (r *run) node() plugins.Node {
	return plugins.Node{Type: r.Type, Operation: r.operation(r.attempt), Object: r.object}
}

// seen returns a path on the node as programs there see it.
func (r *run) seen(path string) string {
	if r.Root == nil {
		return path
	}
	return r.Root(r.object) + path
}

// ran is how a program ended.
type ran struct {
	exit           int
	stdout, stderr bytes.Buffer
	diagnostics    plugins.Diagnostics
}

// shell runs a script on the node.
func (r *run) shell(t *testing.T, script string, stdin io.Reader) *ran {
	t.Helper()
	shell := r.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	var out ran
	out.exit, out.diagnostics = r.p.Exec(r.context(t), r.node(), plugins.Process{
		Command: append(slices.Clone(shell), script), Stdin: stdin, Stdout: &out.stdout, Stderr: &out.stderr,
		Env: []string{"NXC_SDKTEST=a b"},
	})
	return &out
}

func (r *run) exec(t *testing.T) {
	if out := r.shell(t, "exit 37", nil); out.exit != 37 || out.diagnostics.HasErrors() {
		t.Errorf("exit 37: status %d, %v; a program's own failure is a status and no error", out.exit, out.diagnostics)
	}
	out := r.shell(t, `echo out; echo err >&2; printf %s "$NXC_SDKTEST"`, nil)
	if got := out.stdout.String(); got != "out\na b" {
		t.Errorf("stdout %q, want out and the environment's value; stderr %q, %v", got, out.stderr.String(), out.diagnostics)
	}
	if got := out.stderr.String(); got != "err\n" {
		t.Errorf("stderr %q, want it apart from stdout", got)
	}
	r.execBinary(t)
	r.execWithoutStdin(t)
	r.execMissing(t)
	r.execCancelled(t)
}

// execBinary sends more than any buffer holds, of every byte, there and back.
func (r *run) execBinary(t *testing.T) {
	sent := make([]byte, 3<<20+17)
	rand.Read(sent)
	out := r.shell(t, "exec cat", bytes.NewReader(sent))
	if out.exit != 0 || out.diagnostics.HasErrors() {
		t.Errorf("cat: status %d, %v, stderr %q", out.exit, out.diagnostics, out.stderr.String())
	}
	if !bytes.Equal(out.stdout.Bytes(), sent) {
		t.Errorf("cat: %d random bytes came back as %d other ones", len(sent), out.stdout.Len())
	}
}

// execWithoutStdin must not wait for input that nobody gives.
func (r *run) execWithoutStdin(t *testing.T) {
	if out := r.shell(t, "cat; echo end", nil); out.stdout.String() != "end\n" {
		t.Errorf("without stdin: stdout %q, %v; want end of file at once", out.stdout.String(), out.diagnostics)
	}
	// A program that ends before it has read its input.
	reader, writer := io.Pipe()
	defer writer.Close()
	if out := r.shell(t, "exit 5", reader); out.exit != 5 {
		t.Errorf("a program that leaves its input: status %d, %v; want 5", out.exit, out.diagnostics)
	}
}

func (r *run) execMissing(t *testing.T) {
	var stderr bytes.Buffer
	exit, d := r.p.Exec(r.context(t), r.node(), plugins.Process{Command: []string{"/nonexistent/program"}, Stderr: &stderr})
	if exit == 0 && !d.HasErrors() {
		t.Errorf("a program that does not exist: status 0 and no error")
	}
}

func (r *run) execCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(r.context(t), 300*time.Millisecond)
	defer cancel()
	shell := append(slices.Clone(r.Shell), "sleep 60")
	if len(r.Shell) == 0 {
		shell = []string{"/bin/sh", "-c", "sleep 60"}
	}
	started := time.Now()
	_, d := r.p.Exec(ctx, r.node(), plugins.Process{Command: shell})
	if took := time.Since(started); took > 10*time.Second || !d.HasErrors() {
		t.Errorf("cancelling sleep 60 took %s, %v; want an error at once", took, d)
	}
}

func (r *run) copyBothWays(t *testing.T) {
	content := make([]byte, 1<<20+3)
	rand.Read(content)
	archive := tarOf(t, map[string][]byte{"sdktest/a": []byte("hello\n"), "sdktest/b": content})
	if d := r.p.Copy(r.context(t), r.node(), plugins.Copy{Path: r.CopyTo, In: bytes.NewReader(archive)}); d.HasErrors() {
		t.Fatalf("copy to the node: %v", d)
	}
	path := strings.TrimSuffix(r.CopyTo, "/") + "/sdktest"
	if out := r.shell(t, "cat "+r.seen(path+"/a"), nil); out.stdout.String() != "hello\n" {
		t.Errorf("what was copied is %q on the node, stderr %q, %v", out.stdout.String(), out.stderr.String(), out.diagnostics)
	}
	var back bytes.Buffer
	if d := r.p.Copy(r.context(t), r.node(), plugins.Copy{Path: path, Out: &back}); d.HasErrors() {
		t.Fatalf("copy from the node: %v", d)
	}
	files := untar(t, &back)
	if !bytes.Equal(files["b"], content) || string(files["a"]) != "hello\n" {
		t.Errorf("copied back: %d files, b has %d bytes, want the %d that were sent", len(files), len(files["b"]), len(content))
	}
	broken := io.MultiReader(bytes.NewReader(archive[:len(archive)/2]), failingReader{})
	if d := r.p.Copy(r.context(t), r.node(), plugins.Copy{Path: r.CopyTo, In: broken}); !d.HasErrors() {
		t.Errorf("copying half an archive succeeded")
	}
	if d := r.p.Copy(r.context(t), r.node(), plugins.Copy{Path: r.CopyTo + "/nonexistent/file", Out: io.Discard}); !d.HasErrors() {
		t.Errorf("copying a file that does not exist succeeded")
	}
	r.shell(t, "rm -r "+r.seen(path), nil)
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func tarOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "sdktest/", Typeflag: tar.TypeDir, Mode: 0o755})
	for _, name := range []string{"sdktest/a", "sdktest/b"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// untar returns the regular files of an archive by their last name.
func untar(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatalf("what came from the node is not an archive: %v", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name[strings.LastIndex(h.Name, "/")+1:]] = content
	}
}

// setContext delivers a context twice, and reads it on the node.
func (r *run) setContext(t *testing.T) {
	c := plugins.Context{Digest: "1", Files: []plugins.ContextFile{
		{Path: "/etc/nxc/sdktest", Mode: 0o644, Content: []byte("one\n")},
		{Path: "/etc/nxc/sdktest-private", Mode: 0o600, Private: true, Content: []byte("two\n")},
	}}
	for range 2 {
		if d := r.p.SetContext(r.context(t), r.node(), c); d.HasErrors() {
			t.Fatalf("SetContext: %v", d)
		}
	}
	if !slices.Contains(r.rt.Hands, plugins.HandExec) {
		return
	}
	out := r.shell(t, "cat "+r.seen("/etc/nxc/sdktest")+" "+r.seen("/etc/nxc/sdktest-private"), nil)
	if out.stdout.String() != "one\ntwo\n" {
		t.Errorf("the context's files say %q on the node, stderr %q, %v", out.stdout.String(), out.stderr.String(), out.diagnostics)
	}
}

// console without Follow ends by itself; with it, when it is cancelled.
func (r *run) console(t *testing.T) {
	if d := r.p.Console(r.context(t), r.node(), plugins.Console{Tail: -1, Output: io.Discard}); d.HasErrors() {
		t.Errorf("Console: %v", d)
	}
	ctx, cancel := context.WithTimeout(r.context(t), 200*time.Millisecond)
	defer cancel()
	if d := r.p.Console(ctx, r.node(), plugins.Console{Follow: true, Output: io.Discard}); d.HasErrors() {
		t.Errorf("Console until it is cancelled: %v", d)
	}
}
