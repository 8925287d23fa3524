// Package examples holds the example projects: `nxc init -template` writes
// them, the tests run them, and the documentation shows them.
package examples

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

//go:embed */*.nxc.hcl */*.nix */*.c */*.py */*.toml
//go:embed scripts/scripts setup/greeter basic-nur/nur
var files embed.FS

// Example is one example project.
type Example struct {
	Name  string
	About string // the first comment line of its configuration
}

// File is one file of an example.
type File struct {
	Name    string // below the example's folder, with slashes
	Content []byte
}

// All lists the examples, sorted by name.
func All() []Example {
	entries, _ := files.ReadDir(".")
	var list []Example
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		content, err := Files(e.Name())
		if err != nil {
			continue
		}
		list = append(list, Example{Name: e.Name(), About: about(content)})
	}
	return list
}

// Files returns the files of an example, sorted by name.
func Files(name string) ([]File, error) {
	if name == "" || strings.ContainsAny(name, "/\\.") {
		return nil, fmt.Errorf("no example %q", name)
	}
	if _, err := files.ReadDir(name); err != nil {
		return nil, fmt.Errorf("no example %q", name)
	}
	var list []File
	err := fs.WalkDir(files, name, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		list = append(list, File{Name: strings.TrimPrefix(path, name+"/"), Content: content})
		return nil
	})
	return list, err
}

// embedded is the line by which an example chooses the embedded nixpkgs, with
// the comment that says how to take a real one.
var embedded = regexp.MustCompile(`(?m)^(\s*nixpkgs\s*=\s*)"embedded"[^\n]*$`)

// WithNixpkgs returns the files with another nixpkgs in the place of the
// embedded one, and whether there was any to replace.
func WithNixpkgs(list []File, nixpkgs string) ([]File, bool) {
	found := false
	changed := make([]File, len(list))
	for i, f := range list {
		if strings.HasSuffix(f.Name, ".nxc.hcl") && embedded.Match(f.Content) {
			found = true
			f.Content = embedded.ReplaceAllFunc(f.Content, func(line []byte) []byte {
				begin, _, _ := bytes.Cut(line, []byte(`"embedded"`))
				return append(bytes.Clone(begin), strconv.Quote(nixpkgs)...)
			})
		}
		changed[i] = f
	}
	return changed, found
}

// about returns the first comment line of the configuration.
func about(list []File) string {
	for _, f := range list {
		if !strings.HasSuffix(f.Name, ".nxc.hcl") {
			continue
		}
		line, _, _ := bytes.Cut(f.Content, []byte("\n"))
		return strings.TrimSpace(strings.TrimPrefix(string(line), "#"))
	}
	return ""
}
