// Package realoar runs a real OAR on this machine, from Debian's packages, in
// namespaces of its own, and serves the part of Grid'5000's interface that
// concerns jobs in front of it. What is checked against the simulator is so
// checked against what the simulator imitates.
//
// It is for tests only, and needs root and a folder that .ci/oar.sh makes. The
// folder is only read; everything else ends with this process.
package realoar

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed outer.sh
var outer string

//go:embed inside.sh
var inside string

// OAR is one that runs. It has the three nodes dahu-1 to dahu-3 of Grenoble.
type OAR struct {
	cmd   *exec.Cmd
	log   *tail
	own   *os.File // this process's network namespace
	their *os.File // OAR's

	mu     sync.Mutex // held by who asks
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// Start starts one over the files in a folder.
func Start(ctx context.Context, dir string) (*OAR, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	answers, theirEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &OAR{log: &tail{}, stdout: bufio.NewReader(answers)}
	o.cmd = exec.Command("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=KILL", "/bin/sh", "-c", outer, "outer", dir, inside)
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	o.cmd.Stdout, o.cmd.Stderr, o.cmd.ExtraFiles = o.log, o.log, []*os.File{theirEnd}
	// When this process ends, however it does, so does their input.
	if o.stdin, err = o.cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, answers.Close(), theirEnd.Close())
	}
	err = o.cmd.Start()
	_ = theirEnd.Close()
	if err != nil {
		return nil, errors.Join(err, answers.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = o.cmd.Process.Kill() })
	defer stop()
	if line, err := o.stdout.ReadString('\n'); err != nil || line != "ready\n" {
		_ = o.Close()
		return nil, fmt.Errorf("OAR does not start: %s", o.log)
	}
	return o, o.enter()
}

// enter finds the network namespace.
func (o *OAR) enter() (err error) {
	if o.own, err = os.Open("/proc/self/ns/net"); err != nil {
		return errors.Join(err, o.Close())
	}
	if o.their, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", o.cmd.Process.Pid)); err != nil {
		return errors.Join(err, o.Close())
	}
	return nil
}

// Close ends it, and all that belongs to it.
func (o *OAR) Close() error {
	_ = o.stdin.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = o.cmd.Wait() // psql says how it ended, which is nobody's matter
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = o.cmd.Process.Kill() // and the kernel the others
		<-ended
	}
	var errs []error
	for _, f := range []*os.File{o.own, o.their} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// answered is what psql prints behind each answer.
const answered = "-- answered --"

// Ask asks the database, and returns the lines of its answer.
func (o *OAR) Ask(sql string) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sql = strings.Join(strings.Fields(sql), " ")
	if _, err := fmt.Fprintf(o.stdin, "%s;\n\\echo %s\n", sql, answered); err != nil {
		return "", fmt.Errorf("ask OAR's database: %w: %s", err, o.log)
	}
	var text strings.Builder
	for {
		line, err := o.stdout.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("ask OAR's database: %w: %s", err, o.log)
		}
		if strings.TrimSpace(line) == answered {
			return strings.TrimSuffix(text.String(), "\n"), nil
		}
		text.WriteString(line)
	}
}

// Log returns the end of what OAR wrote to its log.
func (o *OAR) Log() string {
	text, err := o.Ask(`\! tail -n 80 /var/log/oar.log #`)
	return fmt.Sprint(text, err)
}

// Dial opens a connection to a port inside.
func (o *OAR) Dial(ctx context.Context, _, address string) (c net.Conn, err error) {
	runtime.LockOSThread()
	if err := unix.Setns(int(o.their.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("enter OAR's network: %w", err)
	}
	// A name would be looked up by another thread.
	c, err = (&net.Dialer{}).DialContext(ctx, "tcp4", address)
	if back := unix.Setns(int(o.own.Fd()), unix.CLONE_NEWNET); back != nil {
		return c, errors.Join(err, back) // and the thread is never used for anything else
	}
	runtime.UnlockOSThread()
	return c, err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-16<<10):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
