package nix

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReads evaluates one expression after the other on the real Nix and
// compares what it is seen to read.
func TestReads(t *testing.T) {
	n := newTestNix(t)
	files := map[string]string{
		"a.nix":            "1",
		"dir/default.nix":  "import ./b.nix",
		"dir/b.nix":        "2",
		"tree/keep/x":      "x",
		"tree/drop/y":      "y",
		"data.json":        "{}",
		"shadow.nix":       "with { readFile = _: 1; path = 2; pathExists = _: false; }; toString [ (readFile 3) path (pathExists 4) ]",
		"with.nix":         "with builtins; readFile ./a.nix + toString (pathExists ./none)",
		"underscore.nix":   "__readFile ./a.nix",
		"builtins.nix":     "builtins.builtins.readFile ./a.nix",
		"searchpath.nix":   "toString (import <nixpkgs/a.nix>)",
		"nixpkgs/a.nix":    "1",
		"scoped.nix":       `toString (scopedImport { x = 1; } ./scoped-in.nix)`,
		"scoped-in.nix":    `toString x + toString (import ./a.nix)`,
		"passed.nix":       `toString (map import [ ./a.nix ./dir ])`,
		"filtered/default": "",
	}
	const copyTree = `toString (builtins.stringLength "${./tree}")`
	cases := map[string]struct {
		expression string
		want       []string // relative to the project, besides the composition
		impure     []string
	}{
		"nothing":         {expression: `"x"`},
		"import":          {expression: `toString (import ./a.nix)`, want: []string{"import a.nix"}},
		"import a folder": {expression: `toString (import ./dir)`, want: []string{"import dir", "import dir/b.nix"}},
		"passed on":       {expression: `import ./passed.nix`, want: []string{"import a.nix", "import dir", "import dir/b.nix", "import passed.nix"}},
		"readFile":        {expression: `builtins.readFile ./data.json`, want: []string{"file data.json"}},
		"fromJSON":        {expression: `toString (builtins.attrNames (builtins.fromJSON (builtins.readFile ./data.json)))`, want: []string{"file data.json"}},
		"hashFile":        {expression: `builtins.hashFile "sha256" ./data.json`, want: []string{"file data.json"}},
		"readDir":         {expression: `toString (builtins.attrNames (builtins.readDir ./tree))`, want: []string{"list tree"}},
		"pathExists":      {expression: `toString (builtins.pathExists ./a.nix)`, want: []string{"exists a.nix"}},
		"absent":          {expression: `toString (builtins.pathExists ./none)`, want: []string{"exists none"}},
		"copy":            {expression: copyTree, want: []string{"tree tree"}},
		"path":            {expression: `builtins.path { path = ./tree; name = "t"; }`, want: []string{"tree tree"}},
		"filtered path": {
			expression: `builtins.path { path = ./tree; filter = p: t: baseNameOf p != "drop"; }`,
			want:       []string{"node tree", "node tree/keep", "node tree/keep/x"},
		},
		"filterSource": {
			expression: `builtins.filterSource (p: t: baseNameOf p != "drop") ./tree`,
			want:       []string{"node tree", "node tree/keep", "node tree/keep/x"},
		},
		"with":             {expression: `import ./with.nix`, want: []string{"exists none", "file a.nix", "import with.nix"}},
		"shadowed":         {expression: `import ./shadow.nix`, want: []string{"import shadow.nix"}},
		"underscores":      {expression: `import ./underscore.nix`, want: []string{"file a.nix", "import underscore.nix"}},
		"nested builtins":  {expression: `import ./builtins.nix`, want: []string{"file a.nix", "import builtins.nix"}},
		"search path":      {expression: `import ./searchpath.nix`, want: []string{"import nixpkgs/a.nix", "import searchpath.nix"}},
		"scopedImport":     {expression: `import ./scoped.nix`, want: []string{"import a.nix", "import scoped-in.nix", "import scoped.nix"}},
		"toFile":           {expression: `import (builtins.toFile "x.nix" "\"x\"")`},
		"environment":      {expression: `builtins.getEnv "HOME"`},
		"time":             {expression: `toString (builtins.currentTime * 0)`, impure: []string{"currentTime"}},
		"other findFile":   {expression: `toString (import (builtins.findFile [ { prefix = "p"; path = ./dir; } ] "p/b.nix"))`, want: []string{"import dir/b.nix"}, impure: []string{"findFile"}},
		"unpinned fetch":   {expression: `builtins.readFile (builtins.fetchurl "file://${toString ./data.json}")`, impure: []string{"fetchurl"}},
		"pinned fetch":     {expression: `builtins.readFile (builtins.fetchurl { url = "file://${toString ./data.json}"; sha256 = "12pzm8fgcq60221pxrqzq97zp54ycklgf5md8q8qlrxkaniny4s4"; })`},
		"derivation input": {expression: `"${derivation { name = "d"; system = "x"; builder = ./a.nix; }}"`, want: []string{"tree a.nix"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, files)
			write(t, filepath.Join(dir, "composition.nix"), fmt.Sprintf("{ pkgs, ... }: { roles.a = pkgs.text \"a\" (%s); }\n", c.expression))
			r, err := Request{
				Composition: filepath.Join(dir, "composition.nix"),
				Nixpkgs:     Nixpkgs{Path: filepath.Join(dir, "nixpkgs")},
			}.prepare()
			if err != nil {
				t.Fatal(err)
			}
			e := evaluator{Nix: n, request: r}
			if err := e.locate(t.Context()); err != nil {
				t.Fatal(err)
			}
			evaluation, err := e.evaluate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, read := range e.reads.reads() {
				if path, err := filepath.Rel(dir, read.Path); err == nil && path != "composition.nix" {
					got = append(got, string(read.Kind)+" "+path)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got reads %q, want %q", got, c.want)
			}
			if !slices.Equal(e.reads.impure, c.impure) {
				t.Errorf("got impure %q, want %q", e.reads.impure, c.impure)
			}
			if !e.reads.probed {
				t.Error("the copy of the probe was not seen")
			}
			if _, err := n.Evaluate(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			if hit := n.lookup(e.key, false); (hit != nil) != (c.impure == nil) {
				t.Errorf("remembered is %v", hit != nil)
			}
			if same := untraced(t, n, r); same != evaluation.Roles["a"].System.Drv {
				t.Errorf("without records the derivation is %s, with them %s", same, evaluation.Roles["a"].System.Drv)
			}
		})
	}
}

// untraced evaluates a request's role a without our builtins.
func untraced(t *testing.T, n *Nix, r Request) string {
	t.Helper()
	tools := filepath.Join(n.cacheDir, "lib", hashFiles(n.library), "tools.nix")
	expression := fmt.Sprintf("(import %s { inherit (import %s { system = %q; }) pkgs; }).roles.a", r.Composition, tools, r.System)
	out, err := n.output(t.Context(), command{
		path:     n.instantiate,
		args:     []string{"-I", "nixpkgs=" + r.Nixpkgs.Path, "-I", "a=" + filepath.Dir(r.Composition), "-I", "b=" + n.cacheDir, "-I", "c=" + storeDir, "-E", expression},
		settings: []setting{{"restrict-eval", "true"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestImportFromDerivation(t *testing.T) {
	n := newTestNix(t, func(o *Options) { o.Environ = append(testEnviron(t), "NIX_CONFIG=substitute = false\nsandbox = false") })
	dir := project(t, map[string]string{"composition.nix": `{ pkgs, ... }: {
  roles.a = pkgs.text "a" (import (pkgs.make "generated.nix" { } "echo '\"generated\"' > $out"));
}
`})
	r := testRequest(dir)
	r.ImportFromDerivation = true
	e, err := n.Evaluate(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readTestFile(t, e.Roles["a"].System.Drv), "generated") {
		t.Error("the generated text is not in the derivation")
	}
}
