package standin

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// distribution is what the host says of itself in os-release.
type distribution struct {
	ID       string // debian, ubuntu
	Name     string // Debian GNU/Linux
	Version  string // 12, 24.04
	Codename string // bookworm, noble
}

// label is what a person calls it.
func (d distribution) label() string {
	name := strings.TrimSuffix(d.Name, " GNU/Linux")
	return strings.TrimSpace(name + " " + d.Version)
}

// key tells distributions and releases apart in file names.
func (d distribution) key() string {
	return strings.TrimSuffix(d.ID+"-"+d.Version, "-")
}

// readDistribution reads path, an os-release file, and refuses what apt does
// not serve.
func readDistribution(path string) (distribution, error) {
	file, err := os.Open(path)
	if err != nil {
		return distribution{}, unsupported("an unknown system")
	}
	defer file.Close()
	fields := map[string]string{}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		key, value, found := strings.Cut(scanner.Text(), "=")
		if found {
			fields[key] = strings.Trim(value, `"'`)
		}
	}
	if err := scanner.Err(); err != nil {
		return distribution{}, fmt.Errorf("reading %s: %w", path, err)
	}
	host := distribution{
		ID:       fields["ID"],
		Name:     fields["NAME"],
		Version:  fields["VERSION_ID"],
		Codename: fields["VERSION_CODENAME"],
	}
	if host.ID != "debian" && host.ID != "ubuntu" {
		return distribution{}, unsupported(host.label())
	}
	return host, nil
}

// unsupported explains what to do on a host that the stand-in cannot serve.
func unsupported(name string) error {
	return fmt.Errorf(`nixpkgs = "embedded" takes its programs from Debian or Ubuntu packages, and this host is %s; `+
		`name a real nixpkgs instead (a flake.lock or a path), or run nxc on Debian or Ubuntu, for example in a container`, name)
}

// requireTools says which program is missing before any work is done.
func requireTools() error {
	remedies := []struct{ program, remedy string }{
		{"apt-get", "it is part of Debian and Ubuntu; is PATH set?"},
		{"dpkg-deb", "it is part of the package dpkg"},
		{"nix-store", "install Nix, for example with: apt-get install nix-bin"},
		{"nix-instantiate", "install Nix, for example with: apt-get install nix-bin"},
	}
	for _, tool := range remedies {
		if _, err := exec.LookPath(tool.program); err != nil {
			return fmt.Errorf(`nixpkgs = "embedded" needs the program %s: %s`, tool.program, tool.remedy)
		}
	}
	return nil
}
