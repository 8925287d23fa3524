package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// moment is where the instant of a kill is counted from: the start of a verb,
// or when it opened its journal, which is when it begins to change things.
type moment struct {
	verb   string
	inside bool
}

// victim is what a kill ends.
type victim string

const (
	theCommand   victim = "nxc"
	theProviders victim = "the providers"
	both         victim = "both"
)

// kill runs a command and ends who, in the middle. It reports whether the
// command was still under way. A rival, which may be nil, runs beside it, and may
// end as it likes.
func (w *world) kill(t *testing.T, m moment, args []string, who victim, after time.Duration, rival *exec.Cmd) (hit bool, said string) {
	var out bytes.Buffer
	if rival != nil {
		defer w.compete(t, rival)()
	}
	c := w.command(m.verb, args)
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = 5 * time.Second // survivors may hold the pipes
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for waiting := m.inside; waiting || time.Since(begin) < after; {
		select {
		case err := <-ended:
			if err != nil && rival == nil {
				t.Fatalf("nxc %s %s, undisturbed: %v\n%s", m.verb, strings.Join(args, " "), err, out.Bytes())
			}
			w.takes[m] = (w.takes[m] + time.Since(begin)) / 2 // with less to do it ends sooner
			return false, out.String()
		case <-time.After(500 * time.Microsecond):
		}
		if waiting && len(w.journals()) > 0 { // or the rival's, which is as good an instant
			waiting, begin = false, time.Now()
		}
	}
	applying := len(w.journals()) > 0
	var providers []int
	if who != theCommand {
		providers = children(c.Process.Pid)
	}
	if who == both { // first this one, for nxc ends what it finds alone
		syscall.Kill(c.Process.Pid, syscall.SIGKILL)
	}
	if who != theCommand {
		for _, pid := range providers {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		hit = len(providers) > 0
	}
	if who == theCommand {
		syscall.Kill(c.Process.Pid, syscall.SIGKILL)
	}
	err := <-ended
	hit = hit || err != nil
	if hit && applying {
		w.tally.applying++
	}
	return hit, out.String()
}

// compete starts a command beside another one, and returns how to wait for it.
func (w *world) compete(t *testing.T, rival *exec.Cmd) (wait func()) {
	var said bytes.Buffer
	rival.Stdout, rival.Stderr = &said, &said
	if err := rival.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := rival.Wait(); err != nil && !bytes.Contains(said.Bytes(), []byte("Error: ")) {
			t.Errorf("another nxc, undisturbed, ended without a word: %v\n%s", err, said.Bytes())
		}
	}
}

// children returns the processes that another one started. It must be quick:
// what is to be killed goes on meanwhile.
func children(parent int) []int {
	var list []int
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}
