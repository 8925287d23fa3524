package nix

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// setupFiles lists the setup.toml of a request and the folders of sources that
// it names, all of which the evaluation may read. What cannot be read or
// parsed here is left to Nix, whose error says more.
func (r Request) setupFiles() []string {
	file := r.Setup
	if file == "" && r.Flake != "" {
		file = filepath.Join(r.Flake, "setup.toml") // where projects have it
	}
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var content map[string]any
	if toml.Unmarshal(text, &content) != nil {
		return []string{file}
	}
	paths := append([]string{file}, localSources(content, filepath.Dir(file))...)
	slices.Sort(paths)
	return slices.Compact(paths)
}

// flakeLock reads the lock file of a flake. One that is not there locks nothing.
func flakeLock(folder string) (lockFile, error) {
	path := filepath.Join(folder, "flake.lock")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lockFile{}, nil
	}
	if err != nil {
		return lockFile{}, err
	}
	return parseLock(path, text)
}

// flakeInputs lists the folders of this machine that a flake's lock file names.
// What is wrong in it is said by those who use it.
func (r Request) flakeInputs() []string {
	if r.Flake == "" {
		return nil
	}
	lock, err := flakeLock(r.Flake)
	if err != nil {
		return nil
	}
	var paths []string
	for _, node := range lock.Nodes {
		if node.Locked.Type == "path" && filepath.IsAbs(node.Locked.Path) {
			paths = append(paths, node.Locked.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// localSources finds src = "FOLDER" at any depth of a setup.toml. Relative
// paths begin at dir.
func localSources(table map[string]any, dir string) []string {
	var paths []string
	for key, value := range table {
		switch value := value.(type) {
		case map[string]any:
			paths = append(paths, localSources(value, dir)...)
		case string:
			if key != "src" {
				continue
			}
			if !filepath.IsAbs(value) {
				value = filepath.Join(dir, value)
			}
			if _, err := os.Stat(value); err == nil {
				paths = append(paths, value)
			}
		}
	}
	return paths
}
