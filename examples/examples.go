// Package examples holds the example projects: `nxc init -template` writes
// them, the tests run them, and the documentation shows them.
package examples

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed */*.nxc.hcl */*.nix
var files embed.FS

// Example is one example project.
type Example struct {
	Name  string
	About string // the first comment line of its configuration
}

// File is one file of an example.
type File struct {
	Name    string
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
	entries, err := files.ReadDir(name)
	if err != nil {
		return nil, fmt.Errorf("no example %q", name)
	}
	var list []File
	for _, e := range entries {
		content, err := fs.ReadFile(files, name+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, File{Name: e.Name(), Content: content})
	}
	return list, nil
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
