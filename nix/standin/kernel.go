package standin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// machineRoots are the packages that making a machine's image takes.
var machineRoots = []string{"squashfs-tools"}

// kernelPackage is the distribution's package of a kernel for virtual
// machines: small, and quick to start even where a processor is emulated.
func (d distribution) kernelPackage() string {
	if d.ID == "ubuntu" {
		return "linux-image-virtual"
	}
	if architecture() == "aarch64" {
		return "linux-image-cloud-arm64"
	}
	return "linux-image-cloud-amd64"
}

// kernel is an unpacked kernel: bzImage and lib/modules/VERSION.
type kernel struct {
	folder  string
	version string // as uname -r says it
	release string // the package's version
}

// fetchKernel unpacks a kernel below work. It installs none on the host.
func (a aptClient) fetchKernel(ctx context.Context, work string) (kernel, error) {
	packages, err := a.resolve(ctx, []string{a.host.kernelPackage()})
	if err != nil {
		return kernel{}, fmt.Errorf("finding a kernel for virtual machines: %w", err)
	}
	packages = slices.DeleteFunc(packages, func(p Package) bool { return !isKernel(p.Name) })
	if len(packages) == 0 {
		return kernel{}, fmt.Errorf("finding a kernel for virtual machines: %s depends on no linux-image package", a.host.kernelPackage())
	}
	archives, err := a.download(ctx, packages)
	if err != nil {
		return kernel{}, err
	}
	a.progress("unpacking " + packages[0].Name)
	folder := filepath.Join(work, "linux")
	unpacked := filepath.Join(work, "linux-packages")
	for _, archive := range archives {
		output, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", archive, unpacked).CombinedOutput()
		if err != nil {
			return kernel{}, fmt.Errorf("unpacking %s: dpkg-deb: %w: %s", filepath.Base(archive), err, bytes.TrimSpace(output))
		}
	}
	version, err := arrangeKernel(unpacked, folder)
	if err != nil {
		return kernel{}, fmt.Errorf("arranging %s: %w", packages[0].Name, err)
	}
	return kernel{folder: folder, version: version, release: packages[0].Version}, nil
}

// isKernel tells linux-image-6.1.0-1-amd64 and linux-modules-… from packages
// that only depend on them.
func isKernel(name string) bool {
	for _, prefix := range []string{"linux-image-", "linux-image-unsigned-", "linux-modules-"} {
		rest, found := strings.CutPrefix(name, prefix)
		if found && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return true
		}
	}
	return false
}

// arrangeKernel moves what a machine needs to where nixpkgs' kernels have it.
func arrangeKernel(unpacked, folder string) (string, error) {
	images, err := filepath.Glob(filepath.Join(unpacked, "boot", "vmlinuz-*"))
	if err != nil {
		return "", err
	}
	if len(images) != 1 {
		return "", fmt.Errorf("expected one boot/vmlinuz-*, found %d", len(images))
	}
	version := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	target := filepath.Join(folder, "lib", "modules")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(images[0], filepath.Join(folder, "bzImage")); err != nil {
		return "", err
	}
	for _, modules := range []string{"lib/modules", "usr/lib/modules"} {
		from := filepath.Join(unpacked, modules, version)
		if _, err := os.Stat(from); err != nil {
			continue
		}
		target = filepath.Join(target, version)
		if err := os.Rename(from, target); err != nil {
			return "", err
		}
		// Links to sources that nobody has.
		_ = os.Remove(filepath.Join(target, "build"))
		_ = os.Remove(filepath.Join(target, "source"))
		return version, nil
	}
	return "", errors.New("it has no modules")
}
