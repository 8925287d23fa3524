package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// TestCourse tells how long a machine took for what it came through.
func TestCourse(t *testing.T) {
	b := &boot{file: filepath.Join(t.TempDir(), "serial.log")}
	for _, line := range []string{"", "nxc: phase kernel\n", "nxc: phase network\n", "nxc: phase network\n"} {
		b.text += line
		b.advance()
	}
	for i := range b.passed {
		b.passed[i].since = time.Now().Add(time.Duration(10*i-30) * time.Second)
	}
	if got, want := b.course(), "waiting for the kernel 10 s, loading modules 10 s, waiting for the network 10 s"; got != want {
		t.Errorf("the course is %q, want %q", got, want)
	}
}

// hangs is a first program that begins well and comes to no end.
const hangs = `#!/bin/busybox sh
exec </dev/console >/dev/console 2>&1
echo "nxc: phase network"
trap "" TERM
while :; do /bin/busybox sleep 1000; done
`

// TestDoesNotBoot starts machines that cannot come up: each says why at once,
// with the end of its console.
func TestDoesNotBoot(t *testing.T) {
	image := needMachines(t)
	t.Parallel()
	h := newHost(t)
	h.patience.stop = time.Second
	uuid := newUUID()
	network := newNetwork(t, h, uuid)
	folder := t.TempDir()
	file := func(name string, content []byte) string {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(folder, name)
	}
	busybox, err := os.ReadFile(lookStatic(t))
	if err != nil {
		t.Fatal(err)
	}
	var first bytes.Buffer
	a := sshnode.NewArchive(&first)
	a.Entry("bin", 0o040755, nil)
	a.Entry("dev", 0o040755, nil)
	a.Entry("bin/busybox", 0o100755, busybox)
	a.Entry("init", 0o100755, []byte(hangs))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		kernel, initrd string
		want           []string
	}{
		"no kernel":    {kernel: folder + "/nothing", want: []string{"kernel cannot be read", "nothing"}},
		"no initrd":    {initrd: folder + "/nothing", want: []string{"initrd cannot be read", "nothing"}},
		"not a kernel": {kernel: file("text", []byte("no kernel at all\n")), want: []string{"QEMU did not start", "Is kernel a Linux kernel"}},
		"wrong initrd": {initrd: file("zeros", make([]byte, 4096)), want: []string{"not syncing", "last lines of its console", "Unable to mount root"}},
		"no context":   {want: []string{"holds no context", "last lines of its console"}},
		"hangs":        {initrd: file("hangs", first.Bytes()), want: []string{"enough of it", "waiting for the kernel", "waiting for the network", "ssh: ", "last lines of its console"}},
	}
	var all sync.WaitGroup
	var at int
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		at++
		op := operation(uuid, "qemu_machine."+strings.ReplaceAll(name, " ", "-"), "1")
		if name != "no context" {
			op.Context = newKeys(t, filepath.Join(h.folders.Keys, op.UUID)).context(t, "node")
		}
		node := &Machine{Name: "node", Kernel: image + "/kernel", Initrd: image + "/initrd", Memory: "256M", Network: network.ID, IP: fmt.Sprintf("10.97.0.%d", at+1)}
		if c.kernel != "" {
			node.Kernel = c.kernel
		}
		if c.initrd != "" {
			node.Initrd = c.initrd
		}
		all.Go(func() {
			m := machines{h}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if name == "hangs" {
				go waitFor(ctx, filepath.Join(h.folderOf(kindMachine, record.ID(op)), serialFile), "phase network", func() { cancel(errors.New("enough of it")) })
			}
			err := m.Create(ctx, op, node)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: the error lacks %q: %v", name, want, err)
				}
			}
			if name == "hangs" {
				// It ignores the button, and is ended.
				if err := m.Power(t.Context(), op, node, plugins.PowerStop); err != nil {
					t.Errorf("stop a machine that hangs: %v", err)
				}
			}
			if findProcess("-uuid", node.UUID) != 0 {
				t.Errorf("%s: its QEMU still runs", name)
			}
			if err := m.Delete(t.Context(), op, node); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// waitFor does something as soon as a file has a text.
func waitFor(ctx context.Context, file, text string, do func()) {
	for ctx.Err() == nil {
		if content, _ := os.ReadFile(file); strings.Contains(string(content), text) {
			time.Sleep(time.Second) // who waits for the machine sees it as well
			do()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// lookStatic is a static busybox of this machine.
func lookStatic(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox")
	}
	return path
}
