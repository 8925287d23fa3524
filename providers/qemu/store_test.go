package qemu

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// onHostsStore starts a machine that boots a system from this machine's own
// store, and returns what became of it.
func onHostsStore(t *testing.T, index string) (m machines, op sdk.Operation, node *Machine, err error) {
	t.Helper()
	image, err := buildLight(index, "9p")
	if err != nil {
		t.Fatal(err)
	}
	h, uuid := newHost(t), newUUID()
	op = operation(uuid, "qemu_machine.node", "1")
	op.Context = newKeys(t, filepath.Join(h.folders.Keys, uuid)).context(t, "node")
	node = &Machine{
		Name: "node", Kernel: image + "/kernel", Initrd: image + "/initrd", Memory: "256M",
		Network: newNetwork(t, h, uuid).ID, IP: "10.97.0.2",
		Shares: []Share{{Tag: "nxc-store", Source: "/nix/store", ReadOnly: true}},
	}
	m = machines{h}
	t.Cleanup(func() {
		if err := m.Delete(context.WithoutCancel(t.Context()), op, node); err != nil {
			t.Error(err)
		}
	})
	return m, op, node, m.Create(t.Context(), op, node)
}

// TestStoreOfHostUnknown: a kernel without 9p says what is missing, and its
// machine does not keep anybody waiting.
func TestStoreOfHostUnknown(t *testing.T) {
	needMachines(t)
	t.Parallel()
	index, err := standin.Ensure(t.Context(), standin.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = onHostsStore(t, index)
	if err == nil || !strings.Contains(err.Error(), "this kernel does not know 9p") {
		t.Errorf("a machine that wants the host's store: %v", err)
	}
}

// TestStoreOfHost: a kernel that knows 9p, as NixOS's do, boots a system that
// nobody copied. What the machine writes to its store stays with the machine.
func TestStoreOfHost(t *testing.T) {
	image := needMachines(t)
	t.Parallel()
	m, op, node, err := onHostsStore(t, indexWith9p(t))
	if err != nil {
		t.Fatal(err)
	}
	f := &full{T: t, machines: m, op: op, node: node}
	own := filepath.Join(image, "initrd") // of another system: in no image of this one
	for _, tt := range []struct{ script, want string }{
		{"grep -o '^nxc-store /nix/.ro-store 9p ro' /proc/mounts", "nxc-store /nix/.ro-store 9p ro\n"},
		{"test -e " + own + " && echo there", "there\n"},
		{"echo of the machine >/nix/store/new && cat /nix/store/new", "of the machine\n"},
		{"(echo no >/nix/.ro-store/new) 2>/dev/null || echo refused", "refused\n"},
	} {
		if out, _ := f.shell(m.host, tt.script); out != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, out, tt.want)
		}
	}
	if _, err := os.Stat("/nix/store/new"); err == nil {
		t.Error("what a machine writes to its store is in this machine's")
	}
}

// indexWith9p is the stand-in's index with the distribution's usual kernel,
// which is larger and slower to start than the stand-in's own.
func indexWith9p(t *testing.T) string {
	t.Helper()
	known, err := standin.Ensure(t.Context(), standin.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	index := map[string]any{}
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "usual-kernel")
	version := fetchUsualKernel(t, folder)
	path, err := exec.CommandContext(t.Context(), "nix-store", "--add", folder).Output()
	if err != nil {
		t.Fatalf("nix-store --add: %v", err)
	}
	index["kernel"] = standin.IndexKernel{Path: strings.TrimSpace(string(path)), Version: version, Release: version}
	if text, err = json.Marshal(index); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "index.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// fetchUsualKernel unpacks what a machine needs of the distribution's usual
// kernel, and returns its version.
func fetchUsualKernel(t *testing.T, folder string) string {
	t.Helper()
	const fetch = `
package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
[ -n "$package" ] || { echo "no package depends on a kernel" >&2; exit 1; }
apt-get -q download "$package" >&2
mkdir tree
dpkg-deb --fsys-tarfile ./*.deb | tar -x -C tree --wildcards './boot/vmlinuz-*' './lib/modules/*/modules.*' \
	'*/kernel/fs/9p' '*/kernel/fs/netfs' '*/kernel/fs/fscache' '*/kernel/fs/overlayfs' '*/kernel/net/9p' '*/kernel/net/packet' \
	'*/kernel/net/core' '*/kernel/drivers/virtio' '*/kernel/drivers/net/virtio_net.ko*' '*/kernel/drivers/net/net_failover.ko*' \
	'*/kernel/drivers/char/hw_random' >&2
mkdir -p "$1"
mv tree/boot/vmlinuz-* "$1/bzImage"
mv tree/lib "$1/lib"
ls "$1/lib/modules"`
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", fetch, "fetch", folder)
	var complaint strings.Builder
	cmd.Dir, cmd.Stderr = t.TempDir(), &complaint
	version, err := cmd.Output()
	if err != nil {
		t.Skipf("needs the distribution's usual kernel: %v: %s", err, lastLine(complaint.String()))
	}
	return strings.TrimSpace(string(version))
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
