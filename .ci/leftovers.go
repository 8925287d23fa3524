//go:build ignore

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience is how long what is on its way out may take to be gone.
const patience = 15 * time.Second

// leftovers lists what exists now, of what tests make, and did not before. It
// knows its own by labels, by names and by folders for temporary files, so what
// a developer does meanwhile counts only when nxc does it.
func leftovers(before []string) []string {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		left := slices.DeleteFunc(existing(), func(one string) bool { return slices.Contains(before, one) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// existing lists objects of the Docker engine, network namespaces, control groups
// and processes.
func existing() []string {
	var all []string
	for _, what := range []struct{ kind, list, format, label string }{
		{"container", "ps -a", "{{.Names}}", "org.nxc.deployment"},
		{"network", "network ls", "{{.Name}}", "org.nxc.deployment"},
		{"volume", "volume ls", "{{.Name}}", "org.nxc.deployment"},
		{"image", "image ls", "{{.Repository}}:{{.Tag}} {{.ID}}", "org.nxc.deployment"},
		{"image", "image ls", "{{.Repository}}:{{.Tag}} {{.ID}}", "org.nxc.image"},
	} {
		args := append(strings.Fields(what.list), "--no-trunc", "--filter", "label="+what.label, "--format", what.format)
		if what.kind == "volume" {
			args = slices.DeleteFunc(args, func(arg string) bool { return arg == "--no-trunc" })
		}
		out, err := exec.Command("docker", args...).Output()
		if err != nil {
			continue // no engine, and then nothing in it
		}
		for name := range strings.Lines(string(out)) {
			all = append(all, what.kind+" "+strings.TrimSpace(name))
		}
	}
	spaces, _ := filepath.Glob("/run/netns/nxc*")
	for _, one := range spaces {
		all = append(all, "network namespace "+filepath.Base(one))
	}
	all = append(append(all, groups()...), processes()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// groups lists the control groups that containers of nxc's had.
func groups() []string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var all []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - cgroup")
		if fields := strings.Fields(before); after != "" && len(fields) > 4 {
			found, _ := filepath.Glob(filepath.Join(fields[4], "nxc*"))
			for _, group := range found {
				all = append(all, "control group "+group)
			}
		}
	}
	return all
}

// processes lists machines, switches, engines and plugins that work in a
// folder for temporary files.
func processes() []string {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	var all []string
	for _, folder := range folders {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		text := strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
		program, _, _ := strings.Cut(text, " ")
		ours := slices.ContainsFunc([]string{"nxc", "qemu-system-", "dockerd", "containerd", "sshd"}, func(name string) bool {
			return strings.HasPrefix(filepath.Base(program), name)
		})
		if pid != os.Getpid() && ours && strings.Contains(text, os.TempDir()+"/") {
			all = append(all, fmt.Sprintf("process %d %s", pid, text[:min(len(text), 120)]))
		}
	}
	return all
}
