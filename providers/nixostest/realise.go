package nixostest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// errTooLong ends a test whose time is over.
var errTooLong = errors.New("its time is over")

// noted is a line that everybody sees.
func noted(line string) plugins.Progress { return plugins.Progress{Note: line} }

// realise has Nix build a test. What the build says is written to the run's
// log, and shown as it comes.
func (h *host) realise(ctx context.Context, op sdk.Operation, run *Run, dir string) error {
	cmd, err := h.nixStore(ctx, "--realise", run.Derivation, "--add-root", filepath.Join(dir, linkOut), "--indirect")
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Env = nixEnvironment(ctx, os.Environ(), run.Local)
	// Nix ends its builders when it is asked to end itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	said, writer := io.Pipe()
	cmd.Stderr = writer
	op.Phase("running the test")
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		follow(said, log, op)
	}()
	err = cmd.Run()
	writer.Close()
	<-followed
	if err != nil {
		return err
	}
	if info, statErr := log.Stat(); statErr == nil && info.Size() == 0 {
		// It was built before; Nix may have kept what it said then.
		if read, err := h.nixStore(ctx, "--read-log", run.Derivation); err == nil {
			text, _ := read.Output()
			_, _ = log.Write(text)
		}
	}
	return nil
}

// subtest is the beginning of a part of a test, in NixOS's driver and in ours.
var subtest = regexp.MustCompile(`^(?:subtest: )(.*)$`)

// follow writes a build's lines to the log, and tells what the test is at.
func follow(from io.Reader, log io.Writer, op sdk.Operation) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			_, _ = io.WriteString(log, strings.TrimRight(line, "\n")+"\n")
			line = strings.TrimRight(plain(line), "\r\n ")
			if m := subtest.FindStringSubmatch(line); m != nil {
				op.Phase("running the test: " + m[1])
			}
			op.Log(line)
		}
		if err != nil {
			return
		}
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

func plain(line string) string { return escapes.ReplaceAllString(line, "") }

// explain says why a test did not pass: the failing line of the script, and how
// the log ended. The log is kept where the next run replaces it.
func (h *host) explain(ctx context.Context, err error, run Run, op sdk.Operation) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) && !errors.Is(context.Cause(ctx), errTooLong) {
		return fmt.Errorf("run the test: %w", err)
	}
	text, _ := os.ReadFile(filepath.Join(h.folderOf(kindRun, run.ID), logFile)) // without it, less is said
	failure := readFailure(string(text))
	kept := filepath.Join(h.folders.Cache, "failed-"+op.UUID+".log")
	where := ""
	if os.MkdirAll(h.folders.Cache, 0o700) == nil && os.WriteFile(kept, text, 0o600) == nil {
		where = "\nThe whole log: " + kept
	}
	summary := "The test failed"
	switch {
	case errors.Is(context.Cause(ctx), errTooLong):
		summary = fmt.Sprintf("The test was not over within %s", run.Timeout)
	case ctx.Err() != nil:
		return fmt.Errorf("the test was interrupted: %w", ctx.Err())
	case failure.builder:
		summary = "The test cannot be run"
	}
	return sdk.Error(summary, failure.text+where)
}
