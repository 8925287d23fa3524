package nix

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is seen into the golden files")

// TestEvalErrors evaluates each composition below testdata/errors, which all
// have a mistake, and compares the error's text with the golden file beside it.
func TestEvalErrors(t *testing.T) {
	n := newTestNix(t)
	compositions, err := filepath.Glob("testdata/errors/*/composition.nix")
	if err != nil || len(compositions) == 0 {
		t.Fatalf("no compositions: %v", err)
	}
	for _, composition := range compositions {
		name := filepath.Base(filepath.Dir(composition))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(project(t, nil), name)
			if err := os.CopyFS(dir, os.DirFS(filepath.Dir(composition))); err != nil {
				t.Fatal(err)
			}
			_, err := n.Evaluate(t.Context(), testRequest(dir), nil)
			var wrong *EvalError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want an EvalError", err)
			}
			compareGolden(t, filepath.Join(filepath.Dir(composition), "error.golden"), strings.ReplaceAll(err.Error(), dir, "DIR")+"\n")
			if wrong.File != "" && !strings.HasPrefix(wrong.File, dir) {
				t.Errorf("the error is in %s, which is not the user's", wrong.File)
			}
		})
	}
}

// compareGolden compares a text with a golden file, which -update rewrites.
func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readTestFile(t, path); got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}
