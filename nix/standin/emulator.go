package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	Driver    string    `json:"driver"`    // what drives the machines, in Python
	DriverSum string    `json:"driverSum"`
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

// EnsureEmulator makes certain that QEMU is in the Nix store, and the driver,
// whose files are given by their paths, and says where. The first time it
// fetches and unpacks packages; later it only looks.
func EnsureEmulator(ctx context.Context, options Options, driver map[string]string, progress func(string)) (Emulator, error) {
	if progress == nil {
		progress = func(string) {}
	}
	host, err := readDistribution("/etc/os-release")
	if err != nil {
		return Emulator{}, err
	}
	dir, err := options.cacheDir()
	if err != nil {
		return Emulator{}, err
	}
	file, sum := filepath.Join(dir, host.key()+"-"+architecture()+"-emulator.json"), sumOf(driver)
	in := options.store()
	if known := readEmulator(file, in); known.complete(sum, in) {
		return known, nil
	}
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return Emulator{}, err
	}
	defer unlock()
	known := readEmulator(file, in)
	if known.complete(sum, in) {
		return known, nil
	}
	if known.Tree == "" {
		if known, err = in.prepareEmulator(ctx, dir, host, progress); err != nil {
			return Emulator{}, err
		}
	}
	if known.Driver, err = in.addDriver(ctx, dir, driver); err != nil {
		return Emulator{}, err
	}
	known.DriverSum = sum
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return Emulator{}, fmt.Errorf("encoding where QEMU is: %w", err)
	}
	if err := atomicfile.Write(file, append(text, '\n'), 0o644); err != nil {
		return Emulator{}, fmt.Errorf("recording where QEMU is: %w", err)
	}
	return known, nil
}

// readEmulator reads what an earlier run left; without its tree, it left nothing.
func readEmulator(file string, in store) Emulator {
	text, err := os.ReadFile(file)
	if err != nil {
		return Emulator{}
	}
	var known Emulator
	if json.Unmarshal(text, &known) != nil || known.Layout != emulatorLayout || known.Tree == "" {
		return Emulator{}
	}
	if !in.holds(filepath.Join(known.Tree, known.Program)) {
		return Emulator{}
	}
	return known
}

// complete says whether the driver is there too, in the version that is wanted.
func (e Emulator) complete(sum string, in store) bool {
	return e.Tree != "" && e.DriverSum == sum && in.holds(e.Driver)
}

func sumOf(files map[string]string) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%s %d\n%s", name, len(files[name]), files[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// addDriver brings the driver into the store.
func (s store) addDriver(ctx context.Context, dir string, files map[string]string) (string, error) {
	work, err := os.MkdirTemp(dir, "driver-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the driver: %w", err)
	}
	defer os.RemoveAll(work)
	folder := filepath.Join(work, "nxc-driver")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			return "", err
		}
	}
	paths, err := s.add(ctx, folder)
	if err != nil {
		return "", err
	}
	return paths[0], s.keep(ctx, dir, paths[0])
}

func (s store) prepareEmulator(ctx context.Context, dir string, host distribution, progress func(string)) (Emulator, error) {
	if err := requireTools(); err != nil {
		return Emulator{}, err
	}
	// Downloads lie apart from those of the nodes' tree.
	apt := aptClient{dir: filepath.Join(dir, "emulator"), host: host, progress: progress}
	packages, err := apt.emulator(ctx)
	if err != nil {
		return Emulator{}, err
	}
	archives, err := apt.download(ctx, packages)
	if err != nil {
		return Emulator{}, err
	}
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return Emulator{}, fmt.Errorf("making a folder to unpack packages in: %w", err)
	}
	defer os.RemoveAll(work)
	progress(fmt.Sprintf("unpacking %d packages of QEMU", len(archives)))
	root := filepath.Join(work, "emulator-tree")
	if _, err := unpack(ctx, archives, root); err != nil {
		return Emulator{}, err
	}
	made := Emulator{
		Layout:    emulatorLayout,
		Libraries: "usr/lib/" + architecture() + "-linux-gnu",
		Program:   "usr/bin/qemu-system-" + architecture(),
		Packages:  packages,
	}
	if _, err := os.Stat(filepath.Join(root, made.Program)); err != nil {
		return Emulator{}, fmt.Errorf("unpacking %s: %w", emulatorPackage(), err)
	}
	progress("adding QEMU to the Nix store")
	paths, err := s.add(ctx, root)
	if err != nil {
		return Emulator{}, err
	}
	made.Tree = paths[0]
	if err := s.keep(ctx, dir, made.Tree); err != nil {
		return Emulator{}, err
	}
	return made, os.RemoveAll(apt.dir)
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
