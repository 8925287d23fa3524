package sdk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

func shell(script string) *exec.Cmd { return exec.Command("/bin/sh", "-c", script) }

func TestRunCommand(t *testing.T) {
	silent, writer := io.Pipe()
	defer writer.Close()
	for script, test := range map[string]struct {
		stdin  io.Reader
		exit   int
		stdout string
	}{
		"exit 3":                     {nil, 3, ""},
		"cat":                        {strings.NewReader("in"), 0, "in"},
		"echo out; exit 1":           {silent, 1, "out\n"},
		"kill -KILL $$":              {nil, 137, ""},
		"sleep 60 & echo left alone": {nil, 0, "left alone\n"},
	} {
		t.Run(script, func(t *testing.T) {
			var out bytes.Buffer
			started := time.Now()
			exit, err := RunCommand(t.Context(), shell(script), plugins.Process{Stdin: test.stdin, Stdout: &out})
			if exit != test.exit || err != nil || out.String() != test.stdout {
				t.Errorf("exit %d, %v, stdout %q; want %d and %q", exit, err, out.String(), test.exit, test.stdout)
			}
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestRunCommandSignalsAndEnd(t *testing.T) {
	signals := make(chan string, 1)
	started := writerFunc(func(b []byte) (int, error) { signals <- "TERM"; return len(b), nil })
	exit, err := RunCommand(t.Context(), shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"), plugins.Process{Stdout: started, Signals: signals})
	if exit != 7 || err != nil {
		t.Errorf("exit %d, %v; want the trap's 7", exit, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := RunCommand(ctx, shell("sleep 60"), plugins.Process{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := RunCommand(t.Context(), exec.Command("/nonexistent"), plugins.Process{}); err == nil {
		t.Error("a program that does not exist ran")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestDetach(t *testing.T) {
	pipe := shell("true")
	pipe.Stdout = &bytes.Buffer{}
	own := shell("true")
	own.Stderr = os.Stderr
	for want, cmd := range map[string]*exec.Cmd{"Stdout must be a file": pipe, "the plugin's own": own, "no such file": exec.Command("/nonexistent")} {
		if err := Detach(cmd); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	out, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	t.Setenv("NXC_PLUGIN", "secret")
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `echo "session $$ [$NXC_PLUGIN]"; exec sleep 60`)
	cmd.Stdout = out
	if err := Detach(cmd); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
	cancel() // the operation's end is not the program's
	var text []byte
	for range 200 {
		if text, _ = os.ReadFile(out.Name()); len(text) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if !strings.HasSuffix(strings.TrimSpace(string(text)), "[]") {
		t.Errorf("it said %q", text)
	}
	if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	if pgid, _ := syscall.Getpgid(cmd.Process.Pid); pgid != cmd.Process.Pid {
		t.Errorf("it is in process group %d", pgid)
	}
}
