package nix

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Version returns the version of Nix as it says it, such as
// "nix-instantiate (Nix) 2.8.0". It is remembered together with the state of
// the program's file, so that a cached evaluation starts no process.
func (n *Nix) Version(ctx context.Context) (string, error) {
	n.versionMu.Lock()
	defer n.versionMu.Unlock()
	if n.version != "" {
		return n.version, nil
	}
	program, err := filepath.EvalSymlinks(n.instantiate)
	if err != nil {
		return "", fmt.Errorf("nix: %w", err)
	}
	info, err := os.Stat(program)
	if err != nil {
		return "", fmt.Errorf("nix: %w", err)
	}
	known := versionRecord{Program: program, Size: info.Size(), ModTime: info.ModTime()}
	file := filepath.Join(n.cacheDir, "nix-version.json")
	var recorded versionRecord
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &recorded) == nil && recorded.matches(known) {
		n.version = recorded.Version
		return n.version, nil
	}
	out, err := n.output(ctx, command{path: n.instantiate, args: []string{"--version"}})
	if err != nil {
		return "", err
	}
	known.Version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err := checkVersion(known.Version); err != nil {
		return "", err
	}
	if text, err := json.Marshal(known); err == nil {
		if err := writeFile(file, text); err != nil {
			n.logger.Warn("nix's version is not remembered", "error", err)
		}
	}
	n.version = known.Version
	return n.version, nil
}

// versionRecord is the version of a program, and the state of the file that
// said it.
type versionRecord struct {
	Program string    `json:"program"`
	Size    int64     `json:"size"`
	ModTime time.Time `json:"modTime"`
	Version string    `json:"version"`
}

func (r versionRecord) matches(o versionRecord) bool {
	return r.Version != "" && r.Program == o.Program && r.Size == o.Size && r.ModTime.Equal(o.ModTime)
}

var versionNumber = regexp.MustCompile(`([0-9]+)\.([0-9]+)`)

// checkVersion refuses a Nix that lacks what nxc needs. What names no number
// is given a try.
func checkVersion(version string) error {
	match := versionNumber.FindStringSubmatch(version)
	if match == nil {
		return nil
	}
	major, _ := strconv.Atoi(match[1])
	minor, _ := strconv.Atoi(match[2])
	if major < 2 || major == 2 && minor < 8 {
		return fmt.Errorf("%s is too old: nxc needs Nix 2.8 or newer", version)
	}
	return nil
}
