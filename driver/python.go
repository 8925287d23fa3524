package driver

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

//go:embed python/__main__.py python/nxc_driver/*.py
var sources embed.FS

// Python is the interpreter and the embedded driver, unpacked for it.
type Python struct {
	Program string
	Driver  string // folder
}

// ErrNoPython says that there is no python3.
var ErrNoPython = errors.New("there is no python3 on PATH")

// FindPython finds the user's python3, and unpacks the driver below cache.
func FindPython(cache string) (Python, error) {
	program, err := exec.LookPath("python3")
	if err != nil {
		return Python{}, ErrNoPython
	}
	folder, err := unpack(cache)
	if err != nil {
		return Python{}, fmt.Errorf("unpack the driver: %w", err)
	}
	return Python{Program: program, Driver: folder}, nil
}

// Files returns the driver's files by their paths, for those who bring it
// elsewhere.
func Files() (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(sources, "python", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		files[path[len("python/"):]] = string(text)
		return err
	})
	return files, err
}

// unpack writes the driver's files where they are not yet. Each version has a
// folder of its own, so that another nxc's may run meanwhile.
func unpack(cache string) (string, error) {
	files := map[string][]byte{}
	sum := sha256.New()
	err := fs.WalkDir(sources, "python", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		files[path[len("python/"):]] = text
		return err
	})
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "driver", hex.EncodeToString(sum.Sum(nil)[:8]))
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, text) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := atomicfile.Write(path, text, 0o644); err != nil {
			return "", err
		}
	}
	return folder, nil
}
