package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// findProcess returns the process of this user that has both words as
// arguments of its own, 0 when there is none. Ids are drawn, so a process that
// names ours is ours, whatever its number.
func findProcess(words ...string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && names(pid, words...) {
			return pid
		}
	}
	return 0
}

// names reports whether a process of this user that lives has all words as
// arguments.
func names(pid int, words ...string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(line) == 0 { // gone, or a zombie
		return false
	}
	arguments := bytes.Split(line, []byte{0})
	for _, word := range words {
		if word == "" || !slices.ContainsFunc(arguments, func(a []byte) bool { return string(a) == word }) {
			return false
		}
	}
	return own(pid)
}

// own reports whether a process is this user's: anybody can give one any
// arguments.
func own(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, ids, _ := bytes.Cut(status, []byte("\nUid:"))
	fields := bytes.Fields(ids)
	return len(fields) > 0 && string(fields[0]) == strconv.Itoa(os.Getuid())
}

// kill ends a process that names the words, and waits until it is gone.
func kill(ctx context.Context, pid int, words ...string) error {
	if pid == 0 {
		return nil
	}
	// This holds the process itself, so that the number cannot become another's
	// between the look and the signal.
	process, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	defer func() { _ = process.Release() }()
	if !names(pid, words...) {
		return nil
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	for names(pid, words...) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for process %d to end: %w", pid, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
