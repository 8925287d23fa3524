package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// Emulator is where QEMU is in the Nix store, for tests that run machines
// inside a build. It is a tree of its own beside the nodes' one: who makes no
// such test never fetches it, and no node's system depends on it.
type Emulator struct {
	Layout    int       `json:"layout"`
	Tree      string    `json:"tree"`
	Libraries string    `json:"libraries"` // usr/lib/x86_64-linux-gnu
	Program   string    `json:"program"`   // usr/bin/qemu-system-x86_64
	Packages  []Package `json:"packages"`
}

// emulatorLayout is the version of that tree's shape.
const emulatorLayout = 1

// emulatorLeft are packages that QEMU asks for and that machines without a
// screen, a sound card and a boot from the network do not use.
var emulatorLeft = []string{"ipxe-qemu", "iso-codes", "libasound2-data", "passwd", "libcap2-bin"}

// emulatorPackage is the distribution's package of QEMU for our processor.
func emulatorPackage() string {
	if architecture() == "aarch64" {
		return "qemu-system-arm"
	}
	return "qemu-system-x86"
}

// EnsureEmulator makes certain that QEMU is in the Nix store, and returns the
// path of a JSON file that says where. The first time it fetches and unpacks
// packages; later it only looks.
func EnsureEmulator(ctx context.Context, options Options, progress func(string)) (string, error) {
	if progress == nil {
		progress = func(string) {}
	}
	host, err := readDistribution("/etc/os-release")
	if err != nil {
		return "", err
	}
	dir, err := cacheDir(options.CacheDir)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, host.key()+"-"+architecture()+"-emulator.json")
	if knownEmulator(file) {
		return file, nil
	}
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if knownEmulator(file) {
		return file, nil
	}
	return file, prepareEmulator(ctx, dir, host, file, progress)
}

// knownEmulator says whether an earlier run's tree is still there.
func knownEmulator(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var known Emulator
	if json.Unmarshal(text, &known) != nil || known.Layout != emulatorLayout || known.Tree == "" {
		return false
	}
	_, err = os.Stat(filepath.Join(known.Tree, known.Program))
	return err == nil
}

func prepareEmulator(ctx context.Context, dir string, host distribution, file string, progress func(string)) error {
	if err := requireTools(); err != nil {
		return err
	}
	// Downloads lie apart from those of the nodes' tree.
	apt := aptClient{dir: filepath.Join(dir, "emulator"), host: host, progress: progress}
	packages, err := apt.emulator(ctx)
	if err != nil {
		return err
	}
	archives, err := apt.download(ctx, packages)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return fmt.Errorf("making a folder to unpack packages in: %w", err)
	}
	defer os.RemoveAll(work)
	progress(fmt.Sprintf("unpacking %d packages of QEMU", len(archives)))
	root := filepath.Join(work, "emulator-tree")
	if _, err := unpack(ctx, archives, root); err != nil {
		return err
	}
	made := Emulator{
		Layout:    emulatorLayout,
		Libraries: "usr/lib/" + architecture() + "-linux-gnu",
		Program:   "usr/bin/qemu-system-" + architecture(),
		Packages:  packages,
	}
	if _, err := os.Stat(filepath.Join(root, made.Program)); err != nil {
		return fmt.Errorf("unpacking %s: %w", emulatorPackage(), err)
	}
	progress("adding QEMU to the Nix store")
	paths, err := nixStoreAdd(ctx, root)
	if err != nil {
		return err
	}
	made.Tree = paths[0]
	if err := keep(ctx, dir, made.Tree); err != nil {
		return err
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding where QEMU is: %w", err)
	}
	if err := atomicfile.Write(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("recording where QEMU is: %w", err)
	}
	return os.RemoveAll(apt.dir)
}

// emulator asks apt for QEMU and what it needs to run.
func (a aptClient) emulator(ctx context.Context) ([]Package, error) {
	if err := os.MkdirAll(a.cache(), 0o755); err != nil {
		return nil, fmt.Errorf("making a folder for apt's index: %w", err)
	}
	wanted := []string{emulatorPackage()}
	packages, err := a.resolve(ctx, wanted)
	if err != nil && ctx.Err() == nil {
		a.progress("fetching the distribution's package lists (apt-get update)")
		if update := a.update(ctx); update != nil {
			return nil, errors.Join(err, update)
		}
		packages, err = a.resolve(ctx, wanted)
	}
	if err != nil {
		return nil, fmt.Errorf("finding QEMU for tests: %w", err)
	}
	return slices.DeleteFunc(packages, func(p Package) bool { return slices.Contains(emulatorLeft, p.Name) }), nil
}

// keep roots a path of the store.
func keep(ctx context.Context, dir, path string) error {
	root := rootOf(dir, path)
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	_, err := runNix(ctx, "nix-store", "--realise", path, "--add-root", root, "--indirect")
	return err
}
