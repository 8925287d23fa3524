//go:build ignore

// This program measures nxc from outside, as a user feels it: it plans,
// applies, plans again and destroys 100, 1,000 and 10,000 null_resources in a
// temporary folder, and prints time, CPU and peak memory of each command, of
// nxc itself and of its provider apart.
//
// usage: go run .ci/bench.go NXC [N…]
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what one process, or several, took.
type usage struct {
	cpu  time.Duration
	peak int64 // KiB
}

type measurement struct {
	took           time.Duration
	core, provider usage
}

const configuration = `resource "null_resource" "many" {
  count    = %d
  triggers = { index = count.index }
}
`

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: go run .ci/bench.go NXC [N…]")
	}
	nxc, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	sizes := []int{100, 1000, 10000}
	if len(os.Args) > 2 {
		sizes = nil
		for _, arg := range os.Args[2:] {
			n, err := strconv.Atoi(arg)
			if err != nil {
				log.Fatal(err)
			}
			sizes = append(sizes, n)
		}
	}
	fmt.Printf("%9s  %-12s %9s %10s %14s %10s %14s\n", "resources", "command", "time", "core CPU", "provider CPU", "core", "provider")
	startup(nxc)
	for _, n := range sizes {
		if err := scenario(nxc, n); err != nil {
			log.Fatal(err)
		}
	}
}

// startup takes the best of several runs: what is measured is small.
func startup(nxc string) {
	var best measurement
	for i := range 10 {
		m, err := measure(nxc, os.TempDir(), "version")
		if err != nil {
			log.Fatal(err)
		}
		if i == 0 || m.took < best.took {
			best = m
		}
	}
	best.print("-", "version")
}

func scenario(nxc string, n int) error {
	dir, err := os.MkdirTemp("", "nxc-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "main.nxc.hcl")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, n), 0o644); err != nil {
		return err
	}
	for _, step := range []struct {
		label string
		args  []string
	}{
		{"plan", []string{"plan", "-no-color"}},
		{"apply", []string{"apply", "-auto-approve", "-no-color"}},
		{"plan again", []string{"plan", "-detailed-exitcode", "-no-color"}},
		{"destroy", []string{"destroy", "-auto-approve", "-no-color"}},
	} {
		m, err := measure(nxc, dir, step.args...)
		if err != nil {
			return fmt.Errorf("%d resources, nxc %s: %w", n, strings.Join(step.args, " "), err)
		}
		m.print(strconv.Itoa(n), step.label)
	}
	return nil
}

func (m measurement) print(size, label string) {
	fmt.Printf("%9s  %-12s %8.3fs %9.3fs %13.3fs %6d MiB %10d MiB\n", size, label, m.took.Seconds(),
		m.core.cpu.Seconds(), m.provider.cpu.Seconds(), m.core.peak>>10, m.provider.peak>>10)
}

// measure runs nxc once. What it and all that it waited for took comes from
// the kernel when it ends. Its plugins are sampled while they live, so a
// plugin's last few milliseconds count as nxc's own.
func measure(nxc, dir string, args ...string) (measurement, error) {
	cmd := exec.Command(nxc, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, ".local"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return measurement{}, err
	}
	stop, sampled := make(chan struct{}), make(chan map[int]usage)
	go func() { sampled <- sample(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	m := measurement{took: time.Since(started)}
	close(stop)
	for pid, u := range <-sampled {
		if pid == cmd.Process.Pid {
			m.core.peak = u.peak
			continue
		}
		m.provider.cpu += u.cpu
		m.provider.peak += u.peak
	}
	if err != nil {
		return m, fmt.Errorf("%w\n%s", err, tail(out.String(), 20))
	}
	m.core.cpu = max(0, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()-m.provider.cpu)
	if m.core.peak == 0 { // too quick to be sampled, and then it had no plugins
		m.core.peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	}
	return m, nil
}

// sample follows a process and its children until stop is closed.
func sample(parent int, stop <-chan struct{}) map[int]usage {
	seen := map[int]usage{}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return seen
		case <-tick.C:
		}
		if u, ok := read(parent); ok {
			seen[parent] = u
		}
		children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		for _, file := range children {
			list, _ := os.ReadFile(file)
			for _, field := range strings.Fields(string(list)) {
				if pid, err := strconv.Atoi(field); err == nil {
					if u, ok := read(pid); ok {
						seen[pid] = u
					}
				}
			}
		}
	}
}

// read asks /proc for the CPU time and the peak memory of a process.
func read(pid int) (usage, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, false
	}
	// After the name, which stands in parentheses: state is field 3, utime 14.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return usage{}, false
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	const tick = time.Second / 100 // USER_HZ is 100 on every Linux that Go runs on
	u := usage{cpu: time.Duration(user+system) * tick}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, after, ok := strings.Cut(string(status), "VmHWM:"); ok {
		u.peak, _ = strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	}
	return u, u.peak > 0 // a process that ended has no memory
}

func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
