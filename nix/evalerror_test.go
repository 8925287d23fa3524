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
			compareError(t, n, filepath.Dir(composition), strings.ReplaceAll(err.Error(), dir, "DIR")+"\n")
			if wrong.File != "" && !strings.HasPrefix(wrong.File, dir) {
				t.Errorf("the error is in %s, which is not the user's", wrong.File)
			}
		})
	}
}

// newest is the newest Nix whose errors are recorded.
const newest = "2.34"

// compareError compares an error's text with what Nix 2.8 says in folder's
// error.golden, or the newest in error-2.34.golden. Versions between them have
// words of both, but the place is the same.
func compareError(t *testing.T, n *Nix, folder, got string) {
	t.Helper()
	version, err := n.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old, recent := filepath.Join(folder, "error.golden"), filepath.Join(folder, "error-"+newest+".golden")
	switch versionNumber.FindString(version) {
	case "2.8":
		compareGolden(t, old, got)
	case newest:
		compareGolden(t, recent, got)
	default:
		place := func(text string) string { place, _, _ := strings.Cut(text, ": "); return place }
		if at := place(got); at != place(readTestFile(t, old)) && at != place(readTestFile(t, recent)) {
			t.Errorf("%s has another place:\n%s", version, got)
		}
	}
}

// TestEvalErrorsOfNewest reads the errors of the same compositions as the newest
// Nix logged them: what it said of the user's files, and its last error.
func TestEvalErrorsOfNewest(t *testing.T) {
	logs, err := filepath.Glob("testdata/errors/*/" + newest + ".log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	for _, log := range logs {
		folder := filepath.Dir(log)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			dir := filepath.Join(project(t, nil), filepath.Base(folder))
			if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			e := evaluator{
				Nix:     &Nix{cacheDir: "/cache"},
				request: Request{Composition: filepath.Join(dir, "composition.nix")},
				folders: []string{dir},
			}
			for line := range strings.Lines(strings.ReplaceAll(readTestFile(t, log), "DIR", dir)) {
				e.observe(parseLogLine([]byte(line)))
			}
			got := strings.ReplaceAll(e.explain(&CommandError{}).Error(), dir, "DIR") + "\n"
			compareGolden(t, filepath.Join(folder, "error-"+newest+".golden"), got)
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

// TestEvalErrorFromLog reads errors as versions since 2.8 log them.
func TestEvalErrorFromLog(t *testing.T) {
	dir := project(t, map[string]string{"composition.nix": "{ pkgs, ... }:\n{\n  roles.server = pkgs.ngnix;\n}\n"})
	composition := filepath.Join(dir, "composition.nix")
	e := evaluator{
		Nix:     &Nix{cacheDir: "/cache"},
		request: Request{Composition: composition, Nixpkgs: Nixpkgs{Path: dir + "/nixpkgs"}},
		folders: []string{dir},
		reads:   readLog{seen: map[read]bool{{readImport, composition}: true}},
	}
	cases := map[string]struct {
		line string
		want string
	}{
		"place, step of nixpkgs, step of the user": {
			line: `{"action":"msg","level":0,"msg":"error: attribute 'ngnix' missing\n       at DIR/composition.nix:3:18:\n       Did you mean nginx?","raw_msg":"attribute 'ngnix' missing","file":"DIR/composition.nix","line":3,"column":18,"trace":[` +
				`{"raw_msg":"while calling the 'mapAttrs' builtin","file":"/cache/lib/x/entry.nix","line":1,"column":1},` +
				`{"raw_msg":"while evaluating a module","file":"DIR/nixpkgs/lib/modules.nix","line":9,"column":9},` +
				`{"raw_msg":"while evaluating the attribute 'roles.server'","file":"DIR/composition.nix","line":3,"column":3},` +
				`{"raw_msg":"while evaluating the attribute 'roles.server'","file":"DIR/composition.nix","line":3,"column":3}]}`,
			want: "DIR/composition.nix:3:18: attribute 'ngnix' missing\n  3 |   roles.server = pkgs.ngnix;\n                       ^\n" +
				"  while evaluating the attribute 'roles.server' at DIR/composition.nix:3:3\nDid you mean nginx?",
		},
		"no place of the user's": {
			line: `{"action":"msg","level":0,"msg":"error: oops","raw_msg":"oops","file":"/cache/lib/x/entry.nix","line":1,"column":1}`,
			want: "DIR/composition.nix: oops",
		},
		"definitions from a file": {
			line: `{"action":"msg","level":0,"msg":"error: x","raw_msg":"The option ` + "`roles.server'" + ` does not exist. Definition values:\n- In ` + "`DIR/composition.nix'" + `: 1","trace":[` +
				`{"raw_msg":"while evaluating the option ` + "`a':" + `"},{"raw_msg":"while evaluating the option ` + "`b':" + `"},{"raw_msg":"while evaluating the option ` + "`c':" + `"},` +
				`{"raw_msg":"while evaluating the role ` + "`server':" + `"}]}`,
			want: "DIR/composition.nix:3:3: The option `roles.server' does not exist. Definition values:\n- In `DIR/composition.nix': 1\n" +
				"  3 |   roles.server = pkgs.ngnix;\n        ^\n" +
				"  while evaluating the option `a'\n  while evaluating the option `b'\n  while evaluating the role `server'\n" +
				"Check its spelling, that the module which declares it is imported, and that this nixpkgs is new enough to have it.",
		},
		"import from derivation": {
			line: `{"action":"msg","level":0,"msg":"error: x","raw_msg":"cannot build '/nix/store/a2nrnqfwlfxdi0i920b6nfrdxwp6l889-gen.nix.drv^out' during evaluation because the option 'allow-import-from-derivation' is disabled"}`,
			want: "DIR/composition.nix: gen.nix would have to be built before the composition can be evaluated\n" +
				"The composition reads the result of building gen.nix while it is evaluated (import from derivation), so nothing could be planned before that is built. Keep the generated file in the project's folder instead.",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			entry := parseLogLine([]byte("@nix " + strings.ReplaceAll(c.line, "DIR", dir)))
			got := strings.ReplaceAll(e.evalError(entry).Error(), dir, "DIR")
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
