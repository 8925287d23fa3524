package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/nix/standin"
)

// qemuWorld makes real machines, disks and a network with its switch. The
// machines' processors are not started: what is tried is what nxc leaves on
// the host, and a system that boots would only take time.
func qemuWorld(*testing.T) *world {
	w := &world{name: "qemu", few: 3, most: 3}
	for _, program := range []string{"qemu-system-x86_64", "qemu-img", "nix-store"} {
		if _, err := exec.LookPath(program); err != nil {
			w.skip = "no " + program
			return w
		}
	}
	w.prepare = func(t *testing.T, w *world) {
		// A folder of this world's own for sockets, whose names are short.
		sockets, err := os.MkdirTemp("", "nxc")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(sockets) })
		w.env = append(w.env, "TMPDIR="+sockets)
		initrd := filepath.Join(w.dir, "initrd")
		if err := os.WriteFile(initrd, make([]byte, 512), 0o600); err != nil {
			t.Fatal(err)
		}
		w.config = fmt.Sprintf(qemuConfig, kernel(t), initrd)
		w.outside = func(t *testing.T, w *world) []string { return machinesOutside(t, w.dir, sockets) }
	}
	return w
}

const qemuConfig = `
variable "n" {
  type = number
}

variable "word" {}

resource "qemu_network" "lan" {
  name   = "lan"
  subnet = "10.97.0.0/24"
}

resource "qemu_disk" "data" {
  count = var.n
  name  = "data${count.index}"
  size  = "16M"
}

resource "qemu_machine" "node" {
  count         = var.n
  name          = "node${count.index}"
  kernel        = %q
  initrd        = %q
  kernel_params = ["word=${var.word}"]
  memory        = "32M"
  arguments     = ["-S"]
  nic {
    network = qemu_network.lan.id
    ip      = "10.97.0.${count.index + 2}"
  }
  disk {
    disk = qemu_disk.data[count.index].id
  }
}
`

// kernel is the file of the stand-in's kernel.
func kernel(t *testing.T) string {
	file, err := standin.Ensure(t.Context(), standin.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Kernel struct{ Path string } }
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(index.Kernel.Path, "bzImage")
}

// machinesOutside lists the attempts whose folders, processes and sockets are
// there, each of them all together. What stands alone is listed as it is, and
// no state knows it.
func machinesOutside(t *testing.T, dir, sockets string) []string {
	var list []string
	running := map[string]int{} // by a machine's uuid or a network's id
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		text, _ := os.ReadFile(file)
		words := strings.Split(string(text), "\x00")
		if !strings.Contains(string(text), dir) {
			continue
		}
		for i, word := range words {
			if i+1 < len(words) && (word == "-uuid" || strings.HasSuffix(word, "switch")) {
				running[words[i+1]]++
				break
			}
		}
	}
	known := map[string]bool{}
	folders, _ := filepath.Glob(filepath.Join(dir, ".home", "nxc", "*", "*", "providers", "qemu", "?-*"))
	for _, folder := range folders {
		kind, id, _ := strings.Cut(filepath.Base(folder), "-")
		known[id] = true
		var object struct {
			Attempt string
			Object  struct{ UUID string }
		}
		text, err := os.ReadFile(filepath.Join(folder, "object.json"))
		if err == nil {
			err = json.Unmarshal(text, &object)
		}
		process := map[string]string{"m": object.Object.UUID, "n": id}[kind]
		switch {
		case err != nil:
			list = append(list, fmt.Sprintf("%s (%v)", folder, err))
		case kind != "d" && running[process] != 1:
			list = append(list, fmt.Sprintf("%s with %d processes", folder, running[process]))
		default:
			list = append(list, object.Attempt)
		}
		delete(running, process)
	}
	for process := range running {
		list = append(list, "process "+process)
	}
	files, _ := filepath.Glob(filepath.Join(sockets, fmt.Sprintf("nxc-%d", os.Getuid()), "*", "*"))
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) == "plugins" {
			continue // of plugins that were killed: swept after a minute
		}
		if id, _, _ := strings.Cut(filepath.Base(file), "."); !known[id] {
			list = append(list, file)
		}
	}
	return list
}
