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
	"syscall"
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

// names reports whether a process that lives has all words as arguments.
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
	return true
}

// kill ends a process that names the words, and waits until it is gone.
func kill(ctx context.Context, pid int, words ...string) error {
	if pid == 0 || !names(pid, words...) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
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
