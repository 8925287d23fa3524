package nix

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// library is the Nix half of nxc: lib turns a composition into systems, and
// trace.nix evaluates it under builtins that say what they read.
//
//go:embed all:lib trace.nix probe.txt
var library embed.FS

// embeddedLibrary returns the files of lib by their path inside it.
func embeddedLibrary() (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(library, "lib", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := library.ReadFile(name)
		files[strings.TrimPrefix(name, "lib/")] = string(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("embedded library: %w", err)
	}
	return files, nil
}

// tracer returns the files that evaluate the library.
func tracer() (map[string]string, error) {
	files := map[string]string{}
	for _, name := range []string{"trace.nix", "probe.txt"} {
		text, err := library.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("embedded library: %w", err)
		}
		files[name] = string(text)
	}
	return files, nil
}

// hashFiles identifies a set of files by their names and texts.
func hashFiles(files map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%d %s %d\n", len(name), name, len(files[name]))
		h.Write([]byte(files[name]))
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// materialise writes files where Nix can read them, in a folder of the cache
// that is named by their content, and returns the folder.
func (n *Nix) materialise(kind string, files map[string]string) (string, error) {
	for name := range files {
		if !fs.ValidPath(name) || name == "." {
			return "", fmt.Errorf("%s: %q is not a relative path inside its folder", kind, name)
		}
	}
	parent := filepath.Join(n.cacheDir, kind)
	folder := filepath.Join(parent, hashFiles(files))
	if isComplete(folder, files) {
		return folder, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	scratch, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	defer os.RemoveAll(scratch)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		target := filepath.Join(scratch, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return "", fmt.Errorf("cache: %w", err)
		}
		if err := os.WriteFile(target, []byte(files[name]), 0o644); err != nil {
			return "", fmt.Errorf("cache: %w", err)
		}
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	return folder, n.install(scratch, folder, files)
}

// install moves a finished folder to its name. Another nxc may have been
// faster, or something may have cleaned half of an older one away.
func (n *Nix) install(scratch, folder string, files map[string]string) error {
	if os.Rename(scratch, folder) == nil || isComplete(folder, files) {
		return nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := os.Rename(scratch, folder); err != nil && !isComplete(folder, files) {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// isComplete reports whether a folder holds all the files, at their size.
func isComplete(folder string, files map[string]string) bool {
	for name, text := range files {
		info, err := os.Stat(filepath.Join(folder, filepath.FromSlash(path.Clean(name))))
		if err != nil || info.Size() != int64(len(text)) {
			return false
		}
	}
	return true
}
