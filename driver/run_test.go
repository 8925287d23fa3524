package driver

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// unpacked is one driver for all tests, so that Python compiles it once.
var unpacked string

func TestMain(m *testing.M) {
	var err error
	if unpacked, err = os.MkdirTemp("", "nxc-driver-test"); err != nil {
		panic(err)
	}
	status := m.Run()
	_ = os.RemoveAll(unpacked)
	os.Exit(status)
}

// python finds the interpreter, without which nothing here can run.
func python(t testing.TB) Python {
	t.Helper()
	p, err := FindPython(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a script on two nodes here, and returns what it told.
func run(t *testing.T, ctx context.Context, text string, change func(*Options)) (*Result, []Event) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "script.py")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var events []Event
	o := Options{
		Python: python(t), Dir: dir, Environ: os.Environ(), Flavour: "here", Results: t.TempDir(),
		Nodes:  []Node{local{name: "server"}, local{name: "client-1"}},
		Script: Script{Text: text, File: file}, Grace: time.Second, Timeout: time.Minute,
		Events: func(e Event) { events = append(events, e) },
	}
	if change != nil {
		change(&o)
	}
	result, err := Run(ctx, o)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return result, events
}

func TestPasses(t *testing.T) {
	result, events := run(t, t.Context(), `
with subtest("all"):
    assert server.succeed("echo hi") == "hi\n"
    assert client_1.execute("exit 3") == (3, "")
print("done")
server.wait_for_console_text("ready")
exit(0)
`, nil)
	if result.Failure != nil {
		t.Fatalf("failed: %v", result.Failure)
	}
	var told []string
	for _, e := range events {
		told = append(told, strings.TrimSpace(e.Kind+" "+e.Node+" "+e.Text))
	}
	for _, want := range []string{"begin  all", "begin server must succeed: echo hi", "end server must succeed: echo hi", "end  all", "output  done"} {
		if !contains(told, want) {
			t.Errorf("no event %q in %q", want, told)
		}
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		script  string
		kind    string
		line    int
		message []string
		steps   string
	}{
		"command": {"\nwith subtest('a'):\n  server.succeed('echo out; echo err >&2; exit 7')\n", Failed, 3,
			[]string{"failed (exit code 7)", "stdout: out", "stderr: err"}, "a > server: must succeed: echo out; echo err >&2; exit 7"},
		"assertion":      {"assert 1 == 2\n", Failed, 1, []string{"an assertion does not hold"}, ""},
		"unittest":       {"t.assertEqual(1, 2)\n", Failed, 1, []string{"1 != 2"}, ""},
		"Python's own":   {"x = {}\n\nx['y']\n", Broken, 3, []string{"no such key: y"}, ""},
		"ended itself":   {"import sys\nsys.exit('enough')\n", Failed, 2, []string{"enough"}, ""},
		"log.error":      {"log.error('no more')\n", Failed, 1, []string{"no more"}, ""},
		"wait":           {"server.wait_until_succeeds('echo still; false', timeout=1)\n", Failed, 1, []string{"timed out after 1.", "stdout: still"}, "server: waiting for success: echo still; false"},
		"unit of no one": {"machines['nobody']\n", Broken, 1, []string{`there is no machine 'nobody'`}, ""},
		"not possible":   {"server.screenshot('x')\n", Machine, 1, []string{"here cannot press keys, show screens or speak to a monitor"}, ""},
		"too much":       {"server.succeed('head -c 80000000 /dev/zero')\n", Machine, 1, []string{"printed more than 64 MiB"}, ""},
		"several":        {"driver.parallel(lambda m: m.succeed('exit 4'))\n", Failed, 1, []string{"2 of 2 machines failed"}, ""},
		"condition": {"@polling_condition(seconds_interval=0)\ndef good():\n  'all is well'\n  return False\nwith good:\n  server.succeed('true')\n", Failed, 6,
			[]string{"polling condition failed: all is well"}, "server: must succeed: true"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			result, _ := run(t, t.Context(), tt.script, nil)
			f := result.Failure
			if f == nil {
				t.Fatal("passed")
			}
			if f.Kind != tt.kind || len(f.Frames) == 0 || f.Frames[len(f.Frames)-1].Line != tt.line && f.Frames[0].Line != tt.line {
				t.Errorf("got kind %s at %+v, want %s at line %d", f.Kind, f.Frames, tt.kind, tt.line)
			}
			for _, want := range tt.message {
				if !strings.Contains(f.Message, want) {
					t.Errorf("message %q lacks %q", f.Message, want)
				}
			}
			if got := strings.Join(f.Steps, " > "); tt.steps != "" && got != tt.steps {
				t.Errorf("got steps %q, want %q", got, tt.steps)
			}
		})
	}
}

// TestStops ends scripts whose time is over, or whose user has had enough.
func TestStops(t *testing.T) {
	tests := map[string]struct {
		script  string
		cancel  bool
		kind    string
		message string
		output  string
	}{
		"while waiting":        {"try:\n  server.wait_until_succeeds('echo no; false')\nfinally:\n  print('cleaned')\n", false, TimedOut, "did not end within 1s\nlast try: exit code 1\nstdout: no", "cleaned"},
		"while in a command":   {"server.succeed('sleep 100')\n", false, TimedOut, "did not end within", ""},
		"while in Python":      {"while True: pass\n", false, TimedOut, "did not end within", ""},
		"in another thread":    {"driver.parallel(lambda m: m.wait_for_file('/never'))\n", false, TimedOut, "did not end within", ""},
		"except Exception":     {"while True:\n  try: server.succeed('sleep 100')\n  except Exception: pass\n", false, TimedOut, "did not end within", ""},
		"one that does not":    {"import time\nwith subtest('deaf'):\n  while True:\n    try: time.sleep(100)\n    except BaseException: pass\n", false, TimedOut, "did not stop by itself", ""},
		"Ctrl-C":               {"try:\n  server.succeed('sleep 100')\nfinally:\n  print('cleaned')\n", true, Interrupted, "interrupted", "cleaned"},
		"Ctrl-C of a deaf one": {"import time\nwith subtest('deaf'):\n  while True:\n    try: time.sleep(100)\n    except BaseException: pass\n", true, Interrupted, "interrupted", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result, events := run(t, ctx, tt.script, func(o *Options) {
				o.Timeout = time.Second
				if tt.cancel {
					o.Timeout = time.Minute
					tell := o.Events
					o.Events = func(e Event) {
						tell(e)
						if e.Kind == "begin" {
							cancel()
						}
					}
				}
			})
			f := result.Failure
			if f == nil || f.Kind != tt.kind || !strings.Contains(f.Message, tt.message) {
				t.Fatalf("got %+v, want %s with %q", f, tt.kind, tt.message)
			}
			if tt.output == "" {
				return
			}
			var told []string
			for _, e := range events {
				told = append(told, e.Text)
			}
			if !contains(told, tt.output) {
				t.Errorf("no output %q in %q", tt.output, told)
			}
		})
	}
}

// TestPythonDies ends with an error of ours: nothing is known of the test.
func TestPythonDies(t *testing.T) {
	o := Options{
		Python: python(t), Dir: t.TempDir(), Environ: os.Environ(), Flavour: "here", Results: t.TempDir(),
		Nodes: []Node{local{name: "server"}}, Script: Script{Text: "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", File: "x.py"},
	}
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got error %v, want that it was killed", err)
	}
}

// TestHangingNode is a node that takes a command and says nothing any more.
func TestHangingNode(t *testing.T) {
	hang := func(ctx context.Context, _ plugins.Process) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	result, _ := run(t, t.Context(), "server.execute('true', timeout=None)\n", func(o *Options) {
		o.Nodes, o.WaitLimit, o.Timeout = []Node{local{name: "server", exec: hang}}, 0, time.Second
	})
	if result.Failure == nil || result.Failure.Kind != TimedOut {
		t.Errorf("got %+v, want a time-out", result.Failure)
	}
}

// TestBusySystemd is a node whose systemd is too busy to answer, at first.
func TestBusySystemd(t *testing.T) {
	asked := 0
	busy := func(_ context.Context, p plugins.Process) (int, error) {
		if p.Stdout == nil || p.Stderr == nil {
			return 0, nil // what is asked for the logs
		}
		asked++
		if asked < 3 {
			_, _ = io.WriteString(p.Stderr, "Failed to get properties: Connection timed out\n")
			return 1, nil
		}
		_, err := io.WriteString(p.Stdout, "ActiveState=active\n")
		return 0, err
	}
	result, _ := run(t, t.Context(), "server.wait_for_unit('nginx.service')\n", func(o *Options) {
		o.Nodes = []Node{local{name: "server", exec: busy}}
	})
	if result.Failure != nil || asked != 3 {
		t.Errorf("got %+v after %d questions, want that it passes at the third", result.Failure, asked)
	}
	asked = 0
	result, _ = run(t, t.Context(), "server.get_unit_info('nginx.service')\n", func(o *Options) {
		o.Nodes = []Node{local{name: "server", exec: busy}}
	})
	if f := result.Failure; f == nil || f.Kind != Failed || !strings.Contains(f.Message, "Connection timed out") {
		t.Errorf("got %+v, want what systemctl said", f)
	}
}

// TestKept keeps what nodes said, and a log of what was done.
func TestKept(t *testing.T) {
	var results string
	result, _ := run(t, t.Context(), "server.succeed('echo one; echo two >&2; false')\n", func(o *Options) { results = o.Results })
	if len(result.Kept) == 0 {
		t.Error("nothing is kept")
	}
	log, err := os.ReadFile(filepath.Join(results, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"$ echo one; echo two >&2; false\n", "| one\n", "! two\n", "exit 1,", "failed after"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if _, err := os.Stat(filepath.Join(results, "client-1.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a node that nothing was done to has a log: %v", err)
	}
}

// TestLines shows a failure where the script stands.
func TestLines(t *testing.T) {
	result, _ := run(t, t.Context(), "x = 1\n\nassert x == 2\n", func(o *Options) {
		o.Script.Lines = []int{11, 12, 20}
	})
	if f := result.Failure; f == nil || f.Frames[0].Line != 20 {
		t.Errorf("got %+v, want line 20", f)
	}
}
