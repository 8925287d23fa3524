package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// seen is the machine as Read finds it from h.
func (f *full) seen(h *host) *Machine {
	f.Helper()
	have := *f.node
	there, err := machines{h}.Read(f.Context(), operation(f.uuid, "", ""), &have)
	if err != nil || !there {
		f.Fatalf("the machine is there: %v, %v", there, err)
	}
	return &have
}

// changed carries out what a plan would say of the machine now.
func (f *full) changed(h *host) {
	f.Helper()
	have := f.seen(h)
	if err := (machines{h}).Update(f.Context(), f.op, *have, f.node); err != nil {
		f.Fatal(err)
	}
	if have = f.seen(h); !have.Running || have.Trouble != "" {
		f.Errorf("after it was changed: running %v, trouble %q", have.Running, have.Trouble)
	}
}

// elsewhere is the same host for a command with another temporary folder.
func (f *full) elsewhere() *host {
	runtime, err := os.MkdirTemp("", "nxc")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(runtime) })
	folders := f.folders
	folders.Runtime = runtime
	h := &host{}
	if _, err := h.configure(f.Context(), Config{}, folders); err != nil {
		f.Fatal(err)
	}
	return h
}

// otherFolder reaches the machine from a command with another temporary folder.
func (f *full) otherFolder() {
	other := f.elsewhere()
	if have := f.seen(other); !have.Running || have.Trouble != "" {
		f.Errorf("from another temporary folder: running %v, trouble %q", have.Running, have.Trouble)
	}
	if out, _ := f.shell(other, "echo reached"); out != "reached\n" {
		f.Errorf("from another temporary folder: %q", out)
	}
	if err := (machines{other}).tell(f.Context(), f.node, "query-status"); err != nil {
		f.Errorf("from another temporary folder: %v", err)
	}
}

// lostSockets removes a machine's socket, without which nobody reaches it.
func (f *full) lostSockets() {
	for _, what := range sockets(f.node) {
		path, err := f.socket(f.node.ID, what)
		if err != nil {
			f.Fatal(err)
		}
		os.Remove(path)
	}
	if have := f.seen(f.host); have.Running || have.Trouble != socketsRemoved {
		f.Errorf("without sockets: running %v, trouble %q", have.Running, have.Trouble)
	}
	before := findProcess("-uuid", f.node.UUID)
	f.changed(f.host)
	if after := findProcess("-uuid", f.node.UUID); after == before || names(before, "-uuid", f.node.UUID) {
		f.Errorf("the machine without sockets, process %d, still runs; now %d", before, after)
	}
	if out, _ := f.shell(f.host, "head -c 5 /dev/vda; head -c 5 /dev/vdc"); out != "kept\nover\n" {
		f.Errorf("its disks hold %q", out)
	}
}

// restartedHost ends everything and empties the folder for sockets, as when
// this machine is started anew. Process numbers mean nothing after that: the
// machine's is another's.
func (f *full) restartedHost() {
	for _, one := range [][]string{{"-uuid", f.node.UUID}, {switchProgram, f.lan.ID}, {switchProgram, f.back.ID}} {
		if err := kill(f.Context(), findProcess(one...), one...); err != nil {
			f.Fatal(err)
		}
	}
	if err := os.RemoveAll(f.folders.Runtime); err != nil {
		f.Fatal(err)
	}
	if have := f.seen(f.host); have.Running || have.Trouble != "" {
		f.Errorf("after the host's restart: running %v, trouble %q", have.Running, have.Trouble)
	}
	other := f.elsewhere()
	for _, n := range []*Network{f.lan, f.back} {
		have, want := *n, *n
		if there, err := (networks{other}).Read(f.Context(), operation(f.uuid, "", ""), &have); err != nil || !there || have.Running {
			f.Fatalf("a network after the host's restart: there %v, running %v, %v", there, have.Running, err)
		}
		if err := (networks{other}).Update(f.Context(), operation(f.uuid, "", ""), have, &want); err != nil {
			f.Fatal(err)
		}
	}
	f.changed(other)
	if out, _ := f.shell(other, "head -c 5 /dev/vda"); out != "kept\n" {
		f.Errorf("after the host's restart its disk holds %q", out)
	}
	f.lostFiles(other)
}

// lostFiles removes the state's folder under a machine that runs. It is not
// forgotten, and its deletion leaves nothing.
func (f *full) lostFiles(h *host) {
	if err := os.RemoveAll(h.folders.State); err != nil {
		f.Fatal(err)
	}
	if have := f.seen(h); have.Running || have.Trouble != filesRemoved {
		f.Errorf("without files: running %v, trouble %q", have.Running, have.Trouble)
	}
	if err := (machines{h}).Delete(f.Context(), f.op, f.node); err != nil {
		f.Fatal(err)
	}
	if there, err := (machines{h}).Read(f.Context(), operation(f.uuid, "", ""), f.node); there || err != nil {
		f.Errorf("after its deletion it is there: %v, %v", there, err)
	}
	for _, n := range []*Network{f.lan, f.back} {
		if err := (networks{h}).Delete(f.Context(), operation(f.uuid, "", ""), n); err != nil {
			f.Error(err)
		}
	}
	if rest := left(h); len(rest) > 0 {
		f.Errorf("left: %q", rest)
	}
	if rest, err := os.ReadDir(h.folders.Runtime); len(rest) > 0 {
		f.Errorf("left among the sockets: %v, %v", rest, err)
	}
}

// TestSocketFolder: a folder for sockets that will not do is said before
// anything is made in it.
func TestSocketFolder(t *testing.T) {
	h := newHost(t)
	n, op, want := networks{h}, operation(newUUID(), "qemu_network.lan", "1"), Network{Name: "lan", Subnet: "10.97.0.0/28"}
	short := h.folders.Runtime
	h.folders.Runtime = filepath.Join(short, strings.Repeat("deep/", 20))
	if err := n.Plan(t.Context(), op, nil, &sdk.Planned[Network]{Value: want}); err == nil || !strings.Contains(err.Error(), "the kernel allows 107") {
		t.Errorf("a deep folder: %v", err)
	}
	h.folders.Runtime = filepath.Join(short, "full")
	if err := os.Mkdir(h.folders.Runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", h.folders.Runtime, "tmpfs", 0, "nr_inodes=1"); err != nil {
		t.Skipf("a full folder needs the right to mount one: %v", err)
	}
	defer syscall.Unmount(h.folders.Runtime, 0)
	err := n.Create(t.Context(), op, &want)
	if err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("a full folder: %v", err)
	}
	if err := n.Delete(t.Context(), op, &want); err != nil {
		t.Error(err)
	}
	if rest := left(h); len(rest) > 0 {
		t.Errorf("left: %q", rest)
	}
}

// TestNames: a process is known by its own words, all of them.
func TestNames(t *testing.T) {
	self := os.Getpid()
	word := os.Args[0]
	for name, tt := range map[string]struct {
		words []string
		want  bool
	}{
		"its own":       {[]string{word}, true},
		"a part of one": {[]string{word[1:]}, false},
		"one too many":  {[]string{word, "another"}, false},
		"nothing":       {[]string{word, ""}, false},
	} {
		if got := names(self, slices.Clone(tt.words)...); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
