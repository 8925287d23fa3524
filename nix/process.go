package nix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// How long an interrupted command may take to end before it is killed: Nix
// ends its builders first, but never looks up from an evaluation.
const (
	buildGrace = 10 * time.Second
	queryGrace = time.Second
)

// command is one run of a Nix command.
type command struct {
	path     string // n.instantiate or n.store
	args     []string
	settings []setting
	onLog    func(logEntry) // hears each line of the log; may be nil
	grace    time.Duration  // until an interrupted command is killed; the default is queryGrace

	elsewhere bool // it speaks to another machine, by ssh
}

// CommandError is a Nix command that failed without an error that nxc
// understands.
type CommandError struct {
	Command string   // the command's name
	Err     error    // how it ended
	Stderr  []string // the last lines that it wrote
}

func (e *CommandError) Error() string {
	if len(e.Stderr) == 0 {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s: %v:\n  %s", e.Command, e.Err, strings.Join(e.Stderr, "\n  "))
}

// Unwrap returns how the command ended.
func (e *CommandError) Unwrap() error { return e.Err }

// run runs a command and returns its standard output. The command has its own
// process group: when ctx ends, the whole group is interrupted, and killed
// when it does not end within the grace period.
func (n *Nix) run(ctx context.Context, c command) ([]byte, error) {
	name := filepath.Base(c.path)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s was not started: %w", name, context.Cause(ctx))
	}
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env = withSettings(n.environ, slices.Concat(n.settings.base(os.Geteuid() == 0, groupFile()), n.project, c.settings))
	if c.elsewhere {
		cmd.Env = append(cmd.Env, "NIX_SSHOPTS="+sshOptions(n.environ))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	log := &logReader{onLog: c.onLog}
	cmd.Stderr = log
	grace := cmp.Or(c.grace, queryGrace)
	var kill *time.Timer
	ended := make(chan struct{})
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		kill = time.AfterFunc(grace, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		go interruptAgain(group, ended)
		if err := syscall.Kill(group, syscall.SIGINT); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
	cmd.WaitDelay = grace + time.Second
	n.logger.Debug("run", "command", name, "args", c.args)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	err := cmd.Wait()
	close(ended)
	if kill != nil {
		kill.Stop()
	}
	log.end()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s was interrupted: %w", name, context.Cause(ctx))
	case err != nil:
		if trouble := storeError(log.tail); trouble != nil && !c.elsewhere {
			return nil, trouble
		}
		return stdout.Bytes(), &CommandError{Command: name, Err: err, Stderr: log.tail}
	}
	return stdout.Bytes(), nil
}

// interruptAgain interrupts a process group every second until it has ended:
// newer versions of Nix now and then miss the first one while they wait for a
// builder.
func interruptAgain(group int, ended <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			_ = syscall.Kill(group, syscall.SIGINT)
		}
	}
}

// tailLines is how many lines of a log an error shows.
const tailLines = 15

// logReader splits what a command writes into log entries, hands them on, and
// keeps the last errors and plain lines.
type logReader struct {
	onLog   func(logEntry)
	partial []byte
	tail    []string
}

func (r *logReader) Write(p []byte) (int, error) {
	size := len(p)
	for {
		line, rest, complete := bytes.Cut(p, []byte{'\n'})
		r.partial = append(r.partial, line...)
		if !complete {
			return size, nil
		}
		r.line()
		p = rest
	}
}

// end hands on a last line that has no end.
func (r *logReader) end() {
	if len(r.partial) > 0 {
		r.line()
	}
}

func (r *logReader) line() {
	entry := parseLogLine(r.partial)
	r.partial = r.partial[:0]
	if r.onLog != nil {
		r.onLog(entry)
	}
	switch {
	case entry.isError():
		r.tail = appendTail(r.tail, "error: "+entry.errorText())
	case entry.Action == "":
		r.tail = appendTail(r.tail, entry.Message)
	}
}

// appendTail appends to a list that keeps only its last lines.
func appendTail(tail []string, line string) []string {
	if len(tail) == tailLines {
		copy(tail, tail[1:])
		tail = tail[:tailLines-1]
	}
	return append(tail, line)
}

// output runs a command that only asks, and turns its failure into one error.
func (n *Nix) output(ctx context.Context, c command) ([]byte, error) {
	var failure, fatal string
	onLog := c.onLog
	c.onLog = func(e logEntry) {
		if e.isError() {
			failure = e.errorText()
		}
		if e.Action == "" && strings.HasPrefix(e.Message, "fatal: ") {
			fatal = "; it said: " + e.Message // git, which Nix starts
		}
		if onLog != nil {
			onLog(e)
		}
	}
	c.args = append([]string{"--log-format", "internal-json"}, c.args...)
	out, err := n.run(ctx, c)
	var failed *CommandError
	if errors.As(err, &failed) && failure != "" {
		return nil, fmt.Errorf("%s: %s%s", failed.Command, failure, fatal)
	}
	return out, err
}

// groupFile returns the text of the machine's group file.
func groupFile() string {
	text, _ := os.ReadFile("/etc/group")
	return string(text)
}
