package nixostest

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// marked lists the processes that a holder started, and those that these did.
func marked(id string) []int { return processes("environ", markVariable+"="+id) }

// holders lists the processes that hold a driver.
func holders(id string) []int { return processes("cmdline", id) }

// processes lists processes one of whose words, in a file of /proc, is this.
func processes(file, word string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/" + file)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(bytes.Split(text, []byte{0}), func(w []byte) bool { return string(w) == word }) {
			found = append(found, pid)
		}
	}
	return found
}

// terminate kills what a holder started, until nothing of it is left.
func terminate(id string) {
	killed := map[int]bool{}
	for range 100 {
		left := marked(id)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			killed[pid] = true
		}
		// Those that became ours are awaited, and nobody else's.
		var status syscall.WaitStatus
		for pid := range killed {
			_, _ = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
