package nix

import (
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
