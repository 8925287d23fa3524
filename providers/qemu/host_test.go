package qemu

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/nix/standin"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

func TestMain(m *testing.M) {
	sdktest.Main(Provider)
	os.Exit(m.Run())
}

// lightImage is built by the flavour's own Nix half, around a system that is a
// shell and an ssh server: what is tested is the machine.
const lightImage = `
let
  index = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile %[1]q));
  standin = import %[2]s/nix/lib/standin { inherit index; system = "x86_64-linux"; };
  inherit (standin) lib pkgs;
  system = pkgs.runCommand "light-system" { inherit (pkgs.standin) tree busybox; init = ''
    #!@busybox@/bin/sh
    export PATH=@busybox@/bin
    ln -s @tree@/usr /usr
    for name in bin sbin lib lib64; do ln -s usr/$name /$name; done
    mkdir -p /run/sshd /var/empty /root /tmp /var/log
    echo 'root:*:0:0::/root:/bin/sh
    sshd:*:74:74::/run/sshd:/bin/false' >/etc/passwd
    echo 'root:x:0:' >/etc/group
    /usr/bin/sshd -D -e -f /dev/null -o UsePAM=no -o StrictModes=no -o PidFile=none \
      -o AuthorizedKeysFile=/etc/nxc/authorized_keys -o HostKey=/etc/nxc/private/ssh_host_ed25519_key &
    exec /bin/sh -c 'while :; do /bin/sh -i <>/dev/ttyS0 >&0 2>&1; done'
  ''; passAsFile = [ "init" ]; } ''
    mkdir "$out"
    sed -e "s|@busybox@|$busybox|g; s|@tree@|$tree|g" "$initPath" >"$out/init"
    chmod +x "$out/init"
  '';
  roles.node = {
    inherit pkgs;
    config = {
      system.build.toplevel = system;
      boot = { initrd.kernelModules = [ ]; kernelModules = [ ]; kernelPackages = pkgs.linuxPackages; };
    };
  };
  image = import %[2]s/nix/lib/machine/image.nix { inherit lib pkgs roles; store = %[3]q; };
in
pkgs.linkFarm "light-image" [
  { name = "initrd"; path = "${image.initrd.drv}/initrd"; }
  { name = "kernel"; path = "${image.kernel-node.drv}/bzImage"; }
]
`

// buildImage builds the light image once.
var buildImage = sync.OnceValues(func() (string, error) {
	index, err := standin.Ensure(context.Background(), standin.Options{}, nil)
	if err != nil {
		return "", err
	}
	return buildLight(index, "ramdisk")
})

// buildLight builds the light image from what the index names, whose machines
// find the store as said.
func buildLight(index, store string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "nix-build", "--no-out-link", "--option", "substitute", "false",
		"--option", "build-users-group", "", "-E", fmt.Sprintf(lightImage, index, root, store))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("nix-build: %w: %s", err, complaint.String())
	}
	return strings.TrimSpace(string(output)), nil
}

// needMachines skips a test where machines cannot run.
func needMachines(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("machines take too long for -short")
	}
	for _, program := range []string{"qemu-system-x86_64", "nix-build"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	image, err := buildImage()
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// newHost is a host with folders of its own.
func newHost(t *testing.T) *host {
	t.Helper()
	runtime, err := os.MkdirTemp("", "nxc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(runtime) })
	h := &host{}
	folders := plugins.Folders{Project: t.TempDir(), State: t.TempDir(), Runtime: runtime, Cache: t.TempDir(), Keys: t.TempDir()}
	if _, err := h.configure(t.Context(), Config{}, folders); err != nil {
		t.Fatal(err)
	}
	return h
}

// newUUID is a deployment's that nobody else has, so that tests that run side by
// side do not take each other's machines for their own.
func newUUID() string { return strings.ToLower(rand.Text() + rand.Text())[:32] }

// operation is one try at an address.
func operation(uuid, address, attempt string) sdk.Operation {
	return sdk.Operation{Operation: plugins.Operation{UUID: uuid, Address: address, Attempt: attempt, Deployment: "test::vm"}}
}

// newNetwork makes a network that is removed with the test.
func newNetwork(t *testing.T, h *host, uuid string) *Network {
	t.Helper()
	op, want := operation(uuid, "qemu_network.lan", "1"), &Network{Name: "lan", Subnet: "10.97.0.0/28"}
	if err := (networks{h}).Create(t.Context(), op, want); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := (networks{h}).Delete(context.WithoutCancel(t.Context()), op, want); err != nil {
			t.Error(err)
		}
	})
	return want
}

// left lists the objects' folders and the processes that name one of them. A
// process that a killed plugin was just starting sees that its folder is gone,
// and ends by itself: it is given the time.
func left(h *host) []string {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		entries, _ := os.ReadDir(h.folders.State)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		homeless := false
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range lines {
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), h.folders.State) {
				continue
			}
			words := strings.ReplaceAll(string(text), "\x00", " ")
			homeless = homeless || !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(words, name) })
			names = append(names, words)
		}
		if !homeless || time.Now().After(deadline) {
			return names
		}
	}
}
