package nix

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoNix means that no Nix was found on this machine.
var ErrNoNix = errors.New("nix is not installed")

// MissingError says that a Nix command was not found, and how to install Nix
// on this distribution.
type MissingError struct {
	Command string   // the command that was looked for
	Looked  []string // the folders that were searched
	Install string   // the command that installs Nix here
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s was not found: nxc needs Nix 2.8 or newer. Install it with\n\n    %s\n\nor, if it is installed, add its folder to PATH.", e.Command, e.Install)
}

// Unwrap makes errors.Is(err, ErrNoNix) true.
func (e *MissingError) Unwrap() error { return ErrNoNix }

// findCommand returns the absolute path of a Nix command. An explicit folder
// is the only one searched; otherwise it is PATH, then the folders of Nix's
// installers, which a non-interactive shell often lacks.
func findCommand(name, bin string, environ []string) (string, error) {
	var folders []string
	if bin != "" {
		folders = []string{bin}
	} else {
		folders = filepath.SplitList(getenv(environ, "PATH"))
		if home := getenv(environ, "HOME"); home != "" {
			folders = append(folders, filepath.Join(home, ".nix-profile/bin"))
		}
		folders = append(folders, "/nix/var/nix/profiles/default/bin", "/run/current-system/sw/bin")
	}
	for _, folder := range folders {
		path, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil || folder == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	release, _ := os.ReadFile("/etc/os-release")
	return "", &MissingError{Command: name, Looked: folders, Install: installCommand(string(release))}
}

// installCommand returns the command that installs Nix on the distribution
// that an os-release file describes.
func installCommand(osRelease string) string {
	commands := map[string]string{
		"debian":   "sudo apt-get install nix-bin",
		"ubuntu":   "sudo apt-get install nix-bin",
		"fedora":   "sudo dnf install nix",
		"arch":     "sudo pacman -S nix",
		"alpine":   "sudo apk add nix",
		"opensuse": "sudo zypper install nix",
		"suse":     "sudo zypper install nix",
		"void":     "sudo xbps-install nix",
	}
	var ids []string
	scanner := bufio.NewScanner(strings.NewReader(osRelease))
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			ids = append([]string{value}, ids...)
		case "ID_LIKE":
			ids = append(ids, strings.Fields(value)...)
		}
	}
	for _, id := range ids {
		if command, known := commands[id]; known {
			return command
		}
	}
	return "sh <(curl -L https://nixos.org/nix/install)"
}

// getenv returns the value that an environment gives a variable; like the
// kernel's readers, the last assignment wins.
func getenv(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if key, value, ok := strings.Cut(environ[i], "="); ok && key == name {
			return value
		}
	}
	return ""
}
