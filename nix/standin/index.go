package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Index is what the Nix half reads: the tree, and which package of the
// distribution gives which program.
type Index struct {
	Layout       int                     `json:"layout"`
	Distribution string                  `json:"distribution"` // debian
	Version      string                  `json:"version"`      // 12
	Label        string                  `json:"label"`        // Debian 12
	System       string                  `json:"system"`       // x86_64-linux
	Libraries    string                  `json:"libraries"`    // usr/lib/x86_64-linux-gnu
	Tree         string                  `json:"tree"`
	Busybox      string                  `json:"busybox"`
	Kernel       IndexKernel             `json:"kernel"`
	Packages     map[string]IndexPackage `json:"packages"`
}

// IndexKernel is the kernel that virtual machines boot: bzImage and lib/modules.
type IndexKernel struct {
	Path    string `json:"path"`
	Version string `json:"version"` // as uname -r says it
	Release string `json:"release"` // the package's version
}

// IndexPackage is one package of the tree.
type IndexPackage struct {
	Version  string   `json:"version"`
	Programs []string `json:"programs,omitempty"` // names in usr/bin
}

// indexExpression turns the index into a file of the store that refers to what
// it names, so that one root keeps everything.
const indexExpression = `{ file }:
let
  text = builtins.readFile file;
  index = builtins.fromJSON text;
  refer = path: { name = path; value.path = true; };
in
builtins.toFile "nxc-standin-index.json"
  (builtins.appendContext text (builtins.listToAttrs (map refer [ index.tree index.busybox index.kernel.path ])))
`

// addAll brings the unpacked tree, a static busybox, the kernel and the index
// into the store.
func (s store) addAll(ctx context.Context, work, dir string, host distribution, packages []Package, all contents, linux kernel, progress func(string)) (record, error) {
	root := filepath.Join(work, "debian-tree")
	busybox, err := busyboxFolder(ctx, root, filepath.Join(work, "busybox"))
	if err != nil {
		return record{}, err
	}
	progress("adding the packages to the Nix store")
	paths, err := s.add(ctx, root, busybox, linux.folder)
	if err != nil {
		return record{}, err
	}
	index := Index{
		Layout:       layout,
		Distribution: host.ID,
		Version:      host.Version,
		Label:        host.label(),
		System:       system(),
		Libraries:    "usr/lib/" + architecture() + "-linux-gnu",
		Tree:         paths[0],
		Busybox:      paths[1],
		Kernel:       IndexKernel{Path: paths[2], Version: linux.version, Release: linux.release},
		Packages:     map[string]IndexPackage{},
	}
	for i, p := range packages {
		index.Packages[p.Name] = IndexPackage{Version: p.Version, Programs: all.programs[i]}
	}
	path, err := s.addIndex(ctx, work, dir, index)
	if err != nil {
		return record{}, err
	}
	return record{Layout: layout, Roots: rootsDigest(), Index: path, Tree: index.Tree, Busybox: index.Busybox, Kernel: index.Kernel.Path}, nil
}

// busyboxFolder is a folder with the static busybox and links for its applets:
// small, and enough to run every builder, with or without Nix's sandbox.
func busyboxFolder(ctx context.Context, root, folder string) (string, error) {
	bin := filepath.Join(folder, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	program := filepath.Join(bin, "busybox")
	content, err := os.ReadFile(filepath.Join(root, "usr/bin/busybox"))
	if err != nil {
		return "", fmt.Errorf("finding busybox in the package busybox-static: %w", err)
	}
	if err := os.WriteFile(program, content, 0o755); err != nil {
		return "", err
	}
	output, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return "", fmt.Errorf("asking busybox for its applets: %w", err)
	}
	for _, applet := range strings.Fields(string(output)) {
		if applet == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(bin, applet)); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// addIndex writes the index to the store and roots it.
func (s store) addIndex(ctx context.Context, work, dir string, index Index) (string, error) {
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the stand-in's index: %w", err)
	}
	file := filepath.Join(work, "index.json")
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return "", err
	}
	expression := filepath.Join(work, "index.nix")
	if err := os.WriteFile(expression, []byte(indexExpression), 0o644); err != nil {
		return "", err
	}
	output, err := s.run(ctx, "nix-instantiate", "--eval", "--json", "--read-write-mode", expression, "--arg", "file", file)
	if err != nil {
		return "", err
	}
	var path string
	if err := json.Unmarshal([]byte(output), &path); err != nil {
		return "", fmt.Errorf("reading the index's store path %q: %w", output, err)
	}
	return path, s.keep(ctx, dir, path)
}

// architecture is the processor's name as GNU and Nix write it.
func architecture() string {
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	if name, found := names[runtime.GOARCH]; found {
		return name
	}
	return runtime.GOARCH
}

func system() string { return architecture() + "-linux" }
