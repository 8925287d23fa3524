package host

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// programPrefix begins the name of every plugin's program.
const programPrefix = "nxc-provider-"

var providerName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Discover returns the programs called nxc-provider-NAME in folders, by NAME.
// An earlier folder wins; folders that do not exist hold nothing. One that may
// not be executed is found where no other is: starting it says what is wrong.
func Discover(folders ...string) map[string]string {
	found, barred := map[string]string{}, map[string]string{}
	for _, folder := range folders {
		if folder == "" {
			continue // in PATH this is the current folder: nobody means that
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), programPrefix)
			if !ok || !providerName.MatchString(name) || found[name] != "" {
				continue
			}
			path, err := filepath.Abs(filepath.Join(folder, e.Name()))
			if err != nil {
				continue
			}
			info, err := os.Stat(path)
			switch {
			case err != nil || !info.Mode().IsRegular():
			case info.Mode()&0o111 != 0:
				found[name] = path
			case barred[name] == "":
				barred[name] = path
			}
		}
	}
	for name, path := range barred {
		if found[name] == "" {
			found[name] = path
		}
	}
	return found
}
