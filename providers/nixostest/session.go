package nixostest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Files of a session that nobody sits at.
const (
	sessionFile = "session.py"
	planFile    = "session.json"
	readyFile   = "ready"
)

// session is what session.py reads.
type session struct {
	Ready    string                    `json:"ready"`
	Machines map[string]sessionMachine `json:"machines"`
}

type sessionMachine struct {
	Port  int64             `json:"port"`
	Files []sessionDelivery `json:"files"`
}

type sessionDelivery struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Mode   string `json:"mode"`
}

// writeSession writes the script that makes machines reachable, and what it is
// to bring to each.
func (d drivers) writeSession(op sdk.Operation, want *Driver, dir string) (string, error) {
	s := session{Ready: filepath.Join(dir, readyFile), Machines: map[string]sessionMachine{}}
	os.Remove(s.Ready)
	for _, member := range want.Machines {
		folder := d.folderOf(kindMachine, member.ID)
		r, err := readRecord[Machine](folder)
		if err != nil {
			return "", fmt.Errorf("what is known of %s: %w", member.Name, err)
		}
		if r.UUID != op.UUID {
			return "", fmt.Errorf("machine %s belongs to another deployment", member.Name)
		}
		files, err := readContext(folder)
		if err != nil {
			return "", err
		}
		m := sessionMachine{Port: r.Object.Port}
		for i, f := range files {
			if !delivered(f) {
				continue
			}
			source := filepath.Join(folder, fmt.Sprintf("file-%d", i))
			if err := os.WriteFile(source, f.Content, 0o600); err != nil {
				return "", err
			}
			m.Files = append(m.Files, sessionDelivery{Source: source, Target: f.Path, Mode: fmt.Sprintf("%04o", modeOf(f))})
		}
		s.Machines[member.Name] = m
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	plan := filepath.Join(dir, planFile)
	if err := os.WriteFile(plan, text, 0o600); err != nil {
		return "", err
	}
	quoted, err := json.Marshal(plan) // a string of Python, too
	if err != nil {
		return "", err
	}
	script := filepath.Join(dir, sessionFile)
	return script, os.WriteFile(script, []byte(strings.Replace(sessionScript, "@PLAN@", string(quoted), 1)), 0o600)
}

// delivered says whether a file of a context is brought to a machine: names and
// addresses are the test framework's own.
func delivered(f plugins.ContextFile) bool { return strings.HasPrefix(f.Path, "/etc/nxc/") }

// modeOf is a file's mode: private ones are closed to all but root.
func modeOf(f plugins.ContextFile) uint32 {
	switch {
	case f.Private:
		return 0o600
	case f.Mode == 0:
		return 0o644
	}
	return f.Mode & 0o7777
}
