package qemu

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// full is a machine with all that a machine can have.
type full struct {
	*testing.T
	machines
	uuid      string
	lan, back *Network
	data      *Disk
	op        sdk.Operation
	node      *Machine
}

func newFull(t *testing.T) *full {
	image := needMachines(t)
	h := newHost(t)
	f := &full{T: t, machines: machines{h}, uuid: newUUID()}
	closed := false
	f.lan = f.network("lan", &Network{Name: "lan", Subnet: "10.97.0.0/28", NAT: &closed})
	f.back = f.network("back", &Network{Name: "back", Subnet: "10.98.0.0/28"})
	f.data = &Disk{Name: "data", Size: "64M", BaseFormat: "qcow2"}
	op := operation(f.uuid, "qemu_disk.data", "1")
	if err := (disks{h}).Create(t.Context(), op, f.data); err != nil {
		t.Fatal(err)
	}
	base := append([]byte("base"), make([]byte, 1<<20-4)...)
	if err := os.WriteFile(filepath.Join(h.folders.Project, "base.raw"), base, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.folders.Project, "shared, with a comma"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.op = operation(f.uuid, "qemu_machine.full", "1")
	f.op.Context = newKeys(t, filepath.Join(h.folders.Keys, f.uuid)).context(t, "full")
	f.node = &Machine{
		Name: "full", Kernel: image + "/kernel", Initrd: image + "/initrd", Memory: "384M", VCPUs: 2,
		MachineType: "pc", Arguments: []string{"-smbios", "type=1,serial=of-the-test"},
		Network: f.lan.ID, IP: "10.97.0.2", NICs: []NIC{{Network: f.back.ID, IP: "10.98.0.5"}},
		Forwards: []Forward{{Listen: "127.0.0.2", Host: freePort(t), Port: 80}},
		Disks: []Drive{
			{Disk: f.data.ID},
			{Path: "base.raw", Format: "raw", ReadOnly: true},
			{Path: "base.raw", Format: "raw", Overlay: true},
		},
		Shares: []Share{{Tag: "src", Source: "shared, with a comma"}},
	}
	t.Cleanup(func() {
		if err := f.Delete(context.WithoutCancel(t.Context()), f.op, f.node); err != nil {
			t.Error(err)
		}
	})
	go f.crashFirst(uuidOf(record.ID(f.op)))
	if err := f.Create(t.Context(), f.op, f.node); err != nil {
		t.Fatal(err)
	}
	return f
}

// crashFirst does to a machine's first QEMU what emulators do by themselves now
// and then.
func (f *full) crashFirst(uuid string) {
	for f.Context().Err() == nil {
		if process := findProcess("-uuid", uuid); process != 0 {
			if err := syscall.Kill(process, syscall.SIGSEGV); err != nil {
				f.Error(err)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// network makes a network that is removed with the test.
func (f *full) network(name string, want *Network) *Network {
	f.Helper()
	op := operation(f.uuid, "qemu_network."+name, "1")
	if err := (networks{f.host}).Create(f.Context(), op, want); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := (networks{f.host}).Delete(context.WithoutCancel(f.Context()), op, want); err != nil {
			f.Error(err)
		}
	})
	return want
}

// shell runs a script on the machine, as seen from h, and returns what it
// printed.
func (f *full) shell(h *host, script string) (string, int) {
	f.Helper()
	var out bytes.Buffer
	exit, err := machines{h}.Exec(f.Context(), f.op, f.node, plugins.Process{Command: []string{"sh", "-c", script}, Stdout: &out, Stderr: &out})
	if err != nil {
		f.Fatalf("%s: %v", script, err)
	}
	return out.String(), exit
}

// TestFullMachine looks at a machine that has everything from inside, and then
// takes away what it stands on. Its steps stand on each other, because starting
// a machine is dear.
func TestFullMachine(t *testing.T) {
	f := newFull(t)
	f.inside()
	f.waysOut()
	f.links()
	f.lockedDisk()
	f.otherFolder()
	f.lostSockets()
	f.restartedHost()
}

func (f *full) inside() {
	// In this order: the overlay is read before it is written.
	for _, tt := range []struct{ script, want string }{
		{"cat /sys/class/dmi/id/product_serial", "of-the-test\n"},
		{"nproc", "2\n"},
		{"ip -4 -o addr show eth1 | grep -o '10.98.0.5/28'", "10.98.0.5/28\n"},
		{"cat /sys/block/vda/size /sys/block/vdb/ro", "131072\n1\n"},
		{"head -c 4 /dev/vdb; head -c 4 /dev/vdc", "basebase"},
		{"grep -l 0x0009 /sys/bus/virtio/devices/*/device | wc -l", "1\n"}, // 9p's, for which this kernel has no driver
		{"echo kept | dd of=/dev/vda conv=fsync 2>/dev/null; echo $?", "0\n"},
		{"echo over | dd of=/dev/vdc conv=fsync 2>/dev/null; echo $?", "0\n"},
	} {
		if out, _ := f.shell(f.host, tt.script); out != tt.want {
			f.Errorf("%s: %q, want %q", tt.script, out, tt.want)
		}
	}
	base, err := os.ReadFile(filepath.Join(f.folders.Project, "base.raw"))
	if err != nil || !bytes.HasPrefix(base, []byte("base")) {
		f.Errorf("the overlay's base begins with %q: %v", base[:4], err)
	}
}

// waysOut tries the network without a way out and the one with it, and the
// port of this machine on another address than usual.
func (f *full) waysOut() {
	own := ownAddress(f.T)
	l, err := net.Listen("tcp", net.JoinHostPort(own, "0"))
	if err != nil {
		f.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			fmt.Fprintln(c, "outside")
			c.Close()
		}
	}()
	fetch := func(patience int) string {
		return fmt.Sprintf("nc -w %d %s %d </dev/null", patience, own, l.Addr().(*net.TCPAddr).Port)
	}
	if out, _ := f.shell(f.host, fetch(3)); strings.Contains(out, "outside") {
		f.Error("a network without NAT leads out")
	}
	if out, _ := f.shell(f.host, "ip route replace "+own+" via 10.98.0.1 && "+fetch(60)); out != "outside\n" {
		f.Errorf("the network with NAT does not lead out: %q", out)
	}
	f.shell(f.host, "mkdir -p /tmp/w && echo hello >/tmp/w/index.html && /usr/bin/busybox httpd -p 80 -h /tmp/w")
	var last error
	for range 300 {
		r, err := http.Get(fmt.Sprintf("http://127.0.0.2:%d/", f.node.Forwards[0].Host))
		if last = err; err == nil {
			text, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if string(text) != "hello\n" {
				f.Errorf("the forwarded port gives %q", text)
			}
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	f.Errorf("the forwarded port leads nowhere: %v", last)
}

// links changes the quality of the machine's network, as seen from inside and
// through the port of this machine.
func (f *full) links() {
	set := func(l plugins.Link) {
		f.Helper()
		if err := f.Link(f.Context(), f.op, f.node, l); err != nil {
			f.Fatal(err)
		}
	}
	page := func() time.Duration {
		start := time.Now()
		r, err := http.Get(fmt.Sprintf("http://127.0.0.2:%d/big", f.node.Forwards[0].Host))
		if err != nil {
			f.Fatal(err)
		}
		defer r.Body.Close()
		if n, err := io.Copy(io.Discard, r.Body); n != 100_000 || err != nil {
			f.Errorf("of 100000 bytes %d arrived: %v", n, err)
		}
		return time.Since(start)
	}
	f.shell(f.host, "head -c 100000 /dev/zero >/tmp/w/big")
	set(plugins.Link{Delay: 50 * time.Millisecond})
	out, _ := f.shell(f.host, "ping -c 2 -W 60 10.97.0.1")
	if shortest := regexp.MustCompile(`= ([0-9.]+)/`).FindStringSubmatch(out); shortest == nil {
		f.Errorf("with a delay of 50 ms: %s", out)
	} else if ms, err := strconv.ParseFloat(shortest[1], 64); err != nil || ms < 50 {
		f.Errorf("with a delay of 50 ms ping takes %s ms", shortest[1])
	}
	set(plugins.Link{Loss: 1})
	if out, exit := f.shell(f.host, "ping -c 2 -W 1 10.97.0.1"); exit == 0 {
		f.Errorf("with everything lost: %s", out)
	}
	set(plugins.Link{Rate: 400_000})
	if took := page(); took < 1500*time.Millisecond { // 2 s and more, but for what queues hold
		f.Errorf("100 kB at 400 kbit/s took %s", took)
	}
	set(plugins.Link{})
	if out, exit := f.shell(f.host, "ping -c 1 -W 60 10.97.0.1"); exit != 0 {
		f.Errorf("with a perfect link again: %s", out)
	}
}

// ownAddress is one of this machine's addresses that is not the loopback's.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but the loopback's")
	return ""
}

// lockedDisk lets another machine, and growth, ask for a disk that is in use.
func (f *full) lockedDisk() {
	op := operation(f.uuid, "qemu_machine.second", "1")
	second := &Machine{Name: "second", Kernel: f.node.Kernel, Initrd: f.node.Initrd, Memory: "384M", Disks: []Drive{{Disk: f.data.ID}}}
	if err := f.Create(f.Context(), op, second); err == nil || !strings.Contains(err.Error(), "in use by a machine that runs") {
		f.Errorf("a second machine on a disk: %v", err)
	}
	if err := f.Delete(f.Context(), op, second); err != nil {
		f.Error(err)
	}
	larger := *f.data
	larger.Size = "128M"
	if err := (disks{f.host}).Update(f.Context(), operation(f.uuid, "", ""), *f.data, &larger); err == nil || !strings.Contains(err.Error(), "in use by a machine that runs") {
		f.Errorf("a disk grows under a machine: %v", err)
	}
}
