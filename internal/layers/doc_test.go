package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestPackageDoc wants exactly one package doc in each package, in the form
// that godoc expects, so that there is one place to read and to keep true.
func TestPackageDoc(t *testing.T) {
	for _, p := range list(t) {
		if len(p.Files) == 0 {
			continue // only tests
		}
		var documented []string
		for _, name := range p.Files {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Errorf("%s: %v", p.name(), err)
				continue
			}
			if f.Doc == nil || ast.IsGenerated(f) {
				continue
			}
			documented = append(documented, name)
			if first := f.Doc.Text(); !wellBegun(f.Name.Name, first) {
				t.Errorf("%s: the package doc in %s begins %q", p.name(), name, firstWords(first))
			}
		}
		if len(documented) != 1 {
			t.Errorf("%s: package docs in %v, want exactly one file", p.name(), documented)
		}
	}
}

func wellBegun(name, doc string) bool {
	if name == "main" {
		return doc != "" // a program's doc begins with the program's name
	}
	return strings.HasPrefix(doc, "Package "+name+" ")
}

func firstWords(s string) string {
	words := strings.Fields(s)
	return strings.Join(words[:min(len(words), 4)], " ")
}
