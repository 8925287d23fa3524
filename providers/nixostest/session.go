package nixostest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Files of a session that nobody sits at.
const (
	sessionFile = "session.py"
	planFile    = "session.json"
	readyFile   = "ready"
	handsFile   = "hands" // in a machine's folder: the socket of its session

	configurationFile = "driver.json" // of a driver that has one
)

// session is what session.py reads.
type session struct {
	Ready    string                    `json:"ready"`
	Hands    string                    `json:"hands"`    // the socket at which it does what is asked
	Terminal string                    `json:"terminal"` // what the driver says
	Machines map[string]sessionMachine `json:"machines"`
}

type sessionMachine struct {
	Port  int64             `json:"port"`
	Files map[string]string `json:"files"` // path to content, in base64
	Setup string            `json:"setup"` // a script that brings the files, in base64
}

// setupEnd lets nxc in: the host key is the one that it pins.
const setupEnd = `mkdir -p /etc/ssh
cp -f /etc/nxc/private/ssh_host_ed25519_key /etc/nxc/private/ssh_host_ed25519_key.pub /etc/ssh/
chmod 600 /etc/ssh/ssh_host_ed25519_key
mkdir -p /root/.ssh
chmod 700 /root/.ssh
cat /etc/nxc/authorized_keys >>/root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
systemctl restart sshd.service
`

// writeSession writes the script that makes machines reachable, and what it is
// to bring to each.
func (d drivers) writeSession(op sdk.Operation, want *Driver, dir, scratch string) (string, error) {
	s := session{
		Ready: filepath.Join(dir, readyFile), Hands: filepath.Join(scratch, "h"), Terminal: filepath.Join(dir, terminalFile),
		Machines: map[string]sessionMachine{},
	}
	os.Remove(s.Ready)
	for _, member := range want.Machines {
		folder := d.folderOf(kindMachine, member.ID)
		r, err := record.Read[Machine](folder)
		if err != nil {
			return "", fmt.Errorf("what is known of %s: %w", member.Name, err)
		}
		if r.UUID != op.UUID {
			return "", fmt.Errorf("machine %s belongs to another deployment", member.Name)
		}
		if err := os.WriteFile(filepath.Join(folder, handsFile), []byte(s.Hands), 0o600); err != nil {
			return "", err
		}
		files, err := readContext(folder)
		if err != nil {
			return "", err
		}
		m := sessionMachine{Port: r.Object.Port, Files: map[string]string{}}
		var setup strings.Builder
		setup.WriteString("umask 077\n")
		for _, f := range files {
			if delivered(f) {
				m.Files[f.Path] = base64.StdEncoding.EncodeToString(f.Content)
				fmt.Fprintf(&setup, "mkdir -p %s\nbase64 -d >%s <<'END'\n%s\nEND\nchmod %04o %s\n",
					sshnode.Quote(path.Dir(f.Path)), sshnode.Quote(f.Path), m.Files[f.Path], sshnode.Mode(f), sshnode.Quote(f.Path))
			}
		}
		setup.WriteString("chmod 755 /etc/nxc\n" + setupEnd)
		m.Setup = base64.StdEncoding.EncodeToString([]byte(setup.String()))
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

// configured finds the configuration that a driver of NixOS 26.05 or later gives
// its program.
var configured = regexp.MustCompile(`--config[ =]["']?(/[^\s"']+)`)

// sessionCommand has a driver run a script instead of its test's. Which one that
// is stands in its configuration, after which another one counts; earlier drivers
// take it as an argument.
func (d drivers) sessionCommand(program, script, dir string) ([]string, error) {
	text, err := os.ReadFile(d.store().Place(program))
	if err != nil {
		return nil, err
	}
	found := configured.FindSubmatch(text)
	if found == nil {
		return []string{program, script}, nil
	}
	own := string(found[1])
	if text, err = os.ReadFile(d.store().Place(own)); err != nil {
		return nil, err
	}
	var configuration map[string]any
	if err := json.Unmarshal(text, &configuration); err != nil {
		return nil, fmt.Errorf("the configuration of the test driver, %s: %w", own, err)
	}
	configuration["test_script"] = script
	if text, err = json.Marshal(configuration); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, configurationFile)
	return []string{program, "--config", file}, os.WriteFile(file, text, 0o600)
}

// delivered says whether a file of a context is brought to a machine: names and
// addresses are the test framework's own.
func delivered(f plugins.ContextFile) bool { return strings.HasPrefix(f.Path, "/etc/nxc/") }
