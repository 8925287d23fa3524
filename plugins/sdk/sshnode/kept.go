package sshnode

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// KeepContext keeps a context in a file for a node's next start, over what was
// kept before: a later context brings only what changed. The file holds keys,
// and only its owner may read it.
func KeepContext(file string, c plugins.Context) error {
	kept, err := KeptContext(file)
	if err != nil {
		return err
	}
	text, err := json.Marshal(Merge(kept, c.Files))
	if err != nil {
		return err
	}
	return record.Replace(file, text)
}

// KeptContext returns what KeepContext kept, nothing when there is no file.
func KeptContext(file string) ([]plugins.ContextFile, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []plugins.ContextFile
	if err := json.Unmarshal(text, &files); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return files, nil
}

// Merge puts files over those that were there before, sorted by path.
func Merge(before, over []plugins.ContextFile) []plugins.ContextFile {
	merged := slices.Clone(before)
	for _, f := range over {
		merged = slices.DeleteFunc(merged, func(k plugins.ContextFile) bool { return k.Path == f.Path })
		merged = append(merged, f)
	}
	slices.SortFunc(merged, func(a, b plugins.ContextFile) int { return strings.Compare(a.Path, b.Path) })
	return merged
}
