package nix

import (
	"encoding/json"
	"fmt"
)

// Manifest says what is in a role's system, as far as its evaluation knows it.
// It exists before anything is built.
type Manifest struct {
	Packages []Package                  `json:"packages"`
	Units    map[string]string          `json:"units"` // a hash of each systemd unit
	Etc      map[string]string          `json:"etc"`   // a hash of each file below /etc
	Kernel   *Kernel                    `json:"kernel"`
	Users    []string                   `json:"users"`
	Options  map[string]json.RawMessage `json:"options"` // values of nxc's own options
}

// Package is one package of a system.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Kernel is the kernel that a system boots, where it boots one.
type Kernel struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Params  []string `json:"params"`
}

// String returns the kernel's name and version.
func (k *Kernel) String() string {
	if k == nil {
		return ""
	}
	return joinVersion(k.Name, k.Version)
}

// joinVersion appends a version to a name, where there is one.
func joinVersion(name, version string) string {
	if version == "" {
		return name
	}
	return fmt.Sprintf("%s %s", name, version)
}
