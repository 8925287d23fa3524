package driver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long Python may take to end.
const grace = 5 * time.Second

// process is a running Python.
type process struct {
	*wire
	cmd    *exec.Cmd
	output sync.WaitGroup // of readers of what it prints
	own    bool           // it has a process group of its own
}

// start starts Python with the driver. With a terminal it shares ours;
// otherwise each line that it prints is given to told.
func start(o *Options, terminal bool, told func(text string)) (*process, error) {
	w, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(o.Python.Program, "-u", o.Python.Driver, "3")
	cmd.Dir, cmd.Env, cmd.ExtraFiles = o.Dir, append(o.Environ, "out="+o.Results), []*os.File{theirs}
	p := &process{wire: w, cmd: cmd, own: !terminal}
	var said io.Reader
	if terminal {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	} else {
		// Ctrl-C is for nxc, which then tells the script.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		r, printed, err := os.Pipe()
		if err != nil {
			w.conn.Close()
			return nil, err
		}
		defer printed.Close()
		cmd.Stdout, cmd.Stderr, said = printed, printed, r
	}
	if err := cmd.Start(); err != nil {
		w.conn.Close()
		return nil, fmt.Errorf("start %s: %w", o.Python.Program, err)
	}
	if said != nil {
		p.output.Go(func() { eachLine(said, told) })
	}
	return p, nil
}

// eachLine hands on lines; one without an end is cut at a megabyte.
func eachLine(r io.Reader, told func(string)) {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			told(strings.ToValidUTF8(strings.TrimRight(string(line), "\r\n"), "\ufffd"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// end waits for Python to end by itself for a while, and ends it, with all
// that it started, when it does not.
func (p *process) end(patience time.Duration) error {
	kill := time.AfterFunc(patience, func() {
		_ = p.cmd.Process.Kill()
	})
	err := p.cmd.Wait()
	kill.Stop()
	if p.own {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	p.conn.Close()
	drained := make(chan struct{})
	go func() { p.output.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(time.Second): // somebody in another group holds the pipe
	}
	return err
}

// Check says what is wrong with a script that is to drive these nodes.
func Check(ctx context.Context, o Options, nodes []string) ([]Problem, error) {
	var said []string
	p, err := start(&o, false, func(line string) { said = append(said, line) })
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	err = p.send(job{Mode: "check", Script: &o.Script, Nodes: nodes, Flavour: o.Flavour})
	var r *request
	if err == nil {
		r, err = p.receive()
	}
	ended := p.end(grace)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%s does not run the driver (%w): %s", o.Python.Program, errors.Join(err, ended), strings.Join(said, "\n"))
	case r.Done == nil:
		return nil, fmt.Errorf("%s does not run the driver: %s", o.Python.Program, strings.Join(said, "\n"))
	case r.Done.TooOld != "":
		return nil, &TooOldError{Program: o.Python.Program, Version: r.Done.TooOld}
	}
	return r.Done.Problems, nil
}

// TooOldError says that the user's Python cannot run the driver.
type TooOldError struct{ Program, Version string }

func (e *TooOldError) Error() string {
	return fmt.Sprintf("%s is Python %s, and tests need 3.8 or newer", e.Program, e.Version)
}
