package nix

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// settings are Nix's options as the user has set them, in files and in
// NIX_CONFIG. They are read only to leave alone what the user decided.
type settings map[string]string

// setting is one option that nxc gives to a Nix command.
type setting struct{ name, value string }

// Setting is one of Nix's options as a project sets it. It has the last word
// over the user's own; "extra-" options add to them.
type Setting struct{ Name, Value string }

// readSettings reads the user's configuration in the order in which Nix does:
// the machine's file, the user's files, the environment.
func readSettings(environ []string) settings {
	s := settings{}
	machine := getenv(environ, "NIX_CONF_DIR")
	if machine == "" {
		machine = "/etc/nix"
	}
	s.readFile(filepath.Join(machine, "nix.conf"), 0)
	files := userSettingsFiles(environ)
	slices.Reverse(files) // the first one named has the last word
	for _, file := range files {
		s.readFile(file, 0)
	}
	s.read(getenv(environ, "NIX_CONFIG"), ".", 0)
	return s
}

// userSettingsFiles lists the user's nix.conf files, the most important first.
func userSettingsFiles(environ []string) []string {
	if files := getenv(environ, "NIX_USER_CONF_FILES"); files != "" {
		return filepath.SplitList(files)
	}
	home := getenv(environ, "NIX_CONFIG_HOME") // of newer versions
	if home == "" {
		home = filepath.Join(cmp.Or(getenv(environ, "XDG_CONFIG_HOME"), filepath.Join(getenv(environ, "HOME"), ".config")), "nix")
	}
	folders := getenv(environ, "XDG_CONFIG_DIRS")
	if folders == "" {
		folders = "/etc/xdg"
	}
	files := []string{filepath.Join(home, "nix.conf")}
	for _, folder := range filepath.SplitList(folders) {
		files = append(files, filepath.Join(folder, "nix", "nix.conf"))
	}
	return files
}

// maxIncludes ends a chain of files that include each other.
const maxIncludes = 16

// readFile adds a file's settings. One that cannot be read has none: Nix
// itself will complain where that matters.
func (s settings) readFile(path string, depth int) {
	text, err := os.ReadFile(path)
	if err != nil || depth > maxIncludes {
		return
	}
	s.read(string(text), filepath.Dir(path), depth)
}

func (s settings) read(text, folder string, depth int) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && (words[0] == "include" || words[0] == "!include"):
			path := words[1]
			if !filepath.IsAbs(path) {
				path = filepath.Join(folder, path)
			}
			s.readFile(path, depth+1)
		case len(words) >= 2 && words[1] == "=":
			s.set(words[0], words[2:])
		}
	}
}

// set records one option. An "extra-" option counts as a word from the user
// about the option that it extends.
func (s settings) set(name string, value []string) {
	if base, extra := strings.CutPrefix(name, "extra-"); extra {
		s[base] = strings.TrimSpace(s[base] + " " + strings.Join(value, " "))
		return
	}
	s[name] = strings.Join(value, " ")
}

// base returns the settings that every command needs to work for a newcomer
// and that the user has not decided otherwise.
func (s settings) base(root bool, groups string) []setting {
	_, decided := s["build-users-group"]
	if root && !decided && s["auto-allocate-uids"] != "true" && !groupHasMembers(groups, "nixbld") {
		return []setting{{"build-users-group", ""}}
	}
	return nil
}

// parallel lets Nix build as many derivations at once as there are
// processors, unless the user chose a number.
func (s settings) parallel() []setting {
	if _, decided := s["max-jobs"]; decided {
		return nil
	}
	return []setting{{"max-jobs", "auto"}}
}

// groupHasMembers looks a group up in the text of a group file. Nix refuses to
// build as root when its group of builders is missing or empty.
func groupHasMembers(groups, name string) bool {
	for line := range strings.Lines(groups) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) == 4 && fields[0] == name {
			return fields[3] != ""
		}
	}
	return false
}

// withSettings returns environ with settings appended to NIX_CONFIG, where
// they have the last word, and without what would leak into an evaluation.
func withSettings(environ []string, s []setting) []string {
	var config strings.Builder
	if user := getenv(environ, "NIX_CONFIG"); user != "" {
		config.WriteString(user + "\n")
	}
	for _, one := range s {
		config.WriteString(one.name + " = " + one.value + "\n")
	}
	out := slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "NIX_CONFIG", "NIX_PATH", "NIX_SHOW_STATS", "NIX_COUNT_CALLS":
			return true
		}
		return false
	})
	return append(out, "NIX_PATH=", "NIX_CONFIG="+config.String())
}
