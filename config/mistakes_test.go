package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/nixos-compose/nxc/config"
)

var update = flag.Bool("update", false, "rewrite the expected messages")

// TestMistakes loads and evaluates each archive of testdata and compares what
// nxc says about it with the archive's file "want". The archive's comment
// holds the arguments, one a line: -var NAME=VALUE, -var-file PATH, -env
// NAME=VALUE, -flavour F, or -applied.
func TestMistakes(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, path := range archives {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, archive)
			want := ""
			for i, file := range archive.Files {
				if file.Name == "want" {
					want = string(file.Data)
					archive.Files[i].Data = []byte(got)
				}
			}
			if got == want {
				return
			}
			if !*update {
				t.Fatalf("got:\n%s\nwant:\n%s", got, want)
			}
			if want == "" {
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
			}
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// tell returns what nxc says about an archive's configuration.
func tell(t *testing.T, archive *txtar.Archive) string {
	files := map[string]string{"composition.nix": "{ }\n"}
	for _, file := range archive.Files {
		if file.Name != "want" {
			files[file.Name] = string(file.Data)
		}
	}
	folder(t, files)
	c, diags := config.Load(".")
	if diags.HasErrors() {
		return render(c, diags)
	}
	w := &world{Config: c, diags: diags}
	var o config.InputOptions
	var flavours []string
	for line := range strings.Lines(string(archive.Comment)) {
		option, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch option {
		case "-var", "-var-file":
			o.Arguments = append(o.Arguments, config.InputArgument{File: option == "-var-file", Text: value})
		case "-env":
			o.Environ = append(o.Environ, value)
		case "-flavour":
			flavours = append(flavours, value)
		case "-applied":
			w.applied = true
		}
	}
	w.diags = append(w.diags, c.CheckVersion("0.1.0-dev")...)
	w.run(o, flavours)
	return render(c, w.diags)
}
