package nix

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const webComposition = `{ pkgs, setup, ... }:
let
  page = import ./page.nix;
  local = if builtins.pathExists ./local.nix then import ./local.nix else "";
in
{
  roles = {
    server = pkgs.make "server" {
      page = page + local + setup.params.suffix;
      site = ./site;
      data = builtins.readFile ./data.txt;
      files = builtins.concatStringsSep " " (builtins.attrNames (builtins.readDir ./modules));
    } "echo hello; echo $page > $out";
    client = pkgs.text "client" "client";
  };
  rolesDistribution.client = 2;
  testScript = "server.succeed('true')";
}
`

func webProject(t testing.TB) string {
	return project(t, map[string]string{
		"composition.nix":    webComposition,
		"page.nix":           `builtins.trace "warning: old page" "hello"`,
		"data.txt":           "data",
		"site/index.html":    "<h1>hello</h1>",
		"site/css/site.css":  "h1 {}",
		"modules/one.nix":    "{ }",
		"unrelated.nix":      "throw 1",
		"modules/notread.md": "text",
	})
}

func webRequest(dir string) Request {
	r := testRequest(dir)
	r.Params = json.RawMessage(`{"suffix": "!"}`)
	return r
}

func TestEvaluate(t *testing.T) {
	n := newTestNix(t)
	dir := webProject(t)
	r := webRequest(dir)
	r.Flavour = Flavour{Name: "test", Sources: map[string]string{
		"default.nix": "import ./image.nix",
		"image.nix":   `roles: { image = derivation { name = "image"; system = "x86_64-linux"; builder = "/bin/sh"; inherit (roles) server; }; }`,
	}}
	var events []Event
	e, err := n.Evaluate(t.Context(), r, func(e Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	if e.Cached {
		t.Error("the first evaluation came from the cache")
	}
	for _, o := range e.Outputs() {
		if !strings.HasSuffix(o.Drv, ".drv") || !n.exists(o.Drv) {
			t.Errorf("derivation %q does not exist", o.Drv)
		}
		if !strings.HasPrefix(o.Path, storeDir+"/") {
			t.Errorf("path %q is no store path", o.Path)
		}
	}
	if got := len(e.Outputs()); got != 3 {
		t.Errorf("got %d outputs, want 3: two roles and an image", got)
	}
	if e.Artifacts["image"].File != "image.tar" {
		t.Errorf("got artifact %+v, want the file image.tar", e.Artifacts["image"])
	}
	if !e.HasTestScript || e.TestScript != "server.succeed('true')" {
		t.Errorf("got test script %q, %v", e.TestScript, e.HasTestScript)
	}
	if string(e.Distribution["client"]) != "2" {
		t.Errorf("got distribution %s, want 2 clients", e.Distribution["client"])
	}
	if !slices.Equal(e.Warnings, []string{"old page"}) {
		t.Errorf("got warnings %q", e.Warnings)
	}
	if !slices.ContainsFunc(events, func(e Event) bool {
		return e.Kind == EventEvaluating && e.Name == "composition.nix" && e.Text == r.Composition && e.Done > 0
	}) {
		t.Error("no event says that the composition is read")
	}
	if last := events[len(events)-1]; last.Kind != EventDone {
		t.Errorf("the last event is %+v", last)
	}
	roots, _ := filepath.Glob(filepath.Join(n.cacheDir, "derivations", "*", "*"))
	if len(roots) != 3 {
		t.Errorf("got roots %q, want one for each derivation", roots)
	}
	for _, o := range e.Outputs() {
		if !isRooted(t, n, o.Drv) {
			t.Errorf("%s may be collected as garbage", o.Drv)
		}
	}
}

// isRooted asks Nix whether something keeps a store path.
func isRooted(t testing.TB, n *Nix, path string) bool {
	t.Helper()
	out, err := n.output(t.Context(), command{path: n.store, args: []string{"--query", "--roots", path}})
	if err != nil {
		t.Fatal(err)
	}
	return len(out) > 0
}

func TestEvaluateRemembers(t *testing.T) {
	wrappers, started := countingNix(t)
	dir := webProject(t)
	n := newTestNix(t, func(o *Options) { o.Bin = wrappers })
	evaluate := func(n *Nix) *Evaluation {
		t.Helper()
		e, err := n.Evaluate(t.Context(), webRequest(dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := evaluate(n)
	if first.Cached || started() == 0 {
		t.Fatalf("first evaluation: cached %v after %d processes", first.Cached, started())
	}
	again, err := New(Options{Bin: wrappers, CacheDir: n.cacheDir, Environ: n.environ, library: n.library})
	if err != nil {
		t.Fatal(err)
	}
	before := started()
	second := evaluate(again)
	if !second.Cached {
		t.Error("the second evaluation did not come from the cache")
	}
	if got := started() - before; got != 0 {
		t.Errorf("the cached evaluation started %d processes", got)
	}
	if !slices.Equal(second.Outputs(), first.Outputs()) || !slices.Equal(second.Warnings, first.Warnings) {
		t.Errorf("cached %+v\nfirst %+v", second, first)
	}

	step := func(name string, change func(), cached bool) {
		t.Helper()
		change()
		if got := evaluate(n).Cached; got != cached {
			t.Errorf("%s: cached is %v, want %v", name, got, cached)
		}
		if !evaluate(n).Cached {
			t.Errorf("%s: the evaluation after it is not remembered", name)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	remove := func(name string) {
		if err := os.RemoveAll(at(name)); err != nil {
			t.Fatal(err)
		}
		settle()
	}
	step("unrelated file", func() { write(t, at("unrelated.nix"), "throw 2") }, true)
	step("new unrelated file", func() { write(t, at("new.nix"), "1") }, true)
	step("unread file in a listed folder", func() { write(t, at("modules/one.nix"), "{ a = 1; }") }, true)
	step("imported file", func() { write(t, at("page.nix"), `"changed"`) }, false)
	step("same text again", func() { write(t, at("page.nix"), `"changed"`) }, true)
	step("read file", func() { write(t, at("data.txt"), "other") }, false)
	step("file that was absent", func() { write(t, at("local.nix"), `"local"`) }, false)
	step("file that is absent again", func() { remove("local.nix") }, false)
	step("listed folder", func() { write(t, at("modules/two.nix"), "{ }") }, false)
	step("copied file", func() { write(t, at("site/css/site.css"), "h2 {}") }, false)
	step("new file in a copied folder", func() { write(t, at("site/new.html"), "") }, false)
	step("mode of a copied file", func() {
		if err := os.Chmod(at("site/index.html"), 0o755); err != nil {
			t.Fatal(err)
		}
		settle()
	}, false)
	step("corrupt entry", func() {
		entries, _ := filepath.Glob(filepath.Join(n.cacheDir, "evaluations", "*.json"))
		for _, entry := range entries {
			write(t, entry, `{"format": 1, "result"`)
		}
	}, false)
	step("collected derivation", func() {
		entries, _ := filepath.Glob(filepath.Join(n.cacheDir, "evaluations", "*.json"))
		for _, entry := range entries {
			write(t, entry, strings.ReplaceAll(readTestFile(t, entry), ".drv", ".gone.drv"))
		}
	}, false)
}

// countingNix wraps the machine's Nix commands in scripts that leave a line
// each time they run.
func countingNix(t testing.TB) (dir string, started func() int) {
	t.Helper()
	machine := newTestNix(t)
	dir = t.TempDir()
	log := filepath.Join(dir, "started")
	for name, program := range map[string]string{"nix-instantiate": machine.instantiate, "nix-store": machine.store} {
		script := "#!/bin/sh\necho " + name + " >> '" + log + "'\nexec '" + program + "' \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func() int {
		text, _ := os.ReadFile(log)
		return strings.Count(string(text), "\n")
	}
}

func TestEvaluateThroughLinks(t *testing.T) {
	n := newTestNix(t)
	const composition = `{ pkgs, ... }: { roles.a = pkgs.text "a" (import ./page.nix); }`
	dir := project(t, map[string]string{
		"one/composition.nix": composition,
		"one/page.nix":        `"one"`,
		"two/composition.nix": composition,
		"two/page.nix":        `"two"`,
	})
	link := func(target, name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(path)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		settle()
	}
	evaluate := func(composition string) *Evaluation {
		t.Helper()
		e, err := n.Evaluate(t.Context(), Request{Composition: filepath.Join(dir, composition)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for name, path := range map[string]string{"file": "links/composition.nix", "folder": "folder/composition.nix"} {
		t.Run(name, func(t *testing.T) {
			relink := func(to string) {
				if name == "file" {
					link("../"+to+"/composition.nix", path)
				} else {
					link(to, "folder")
				}
			}
			relink("one")
			one := evaluate(path)
			if !evaluate(path).Cached {
				t.Error("the second evaluation did not come from the cache")
			}
			relink("two")
			two := evaluate(path)
			if two.Cached || one.Roles["a"].System == two.Roles["a"].System {
				t.Errorf("the link leads elsewhere, but the result is the same: cached %v", two.Cached)
			}
		})
	}
}

func TestEvaluateInterrupted(t *testing.T) {
	n := newTestNix(t)
	dir := project(t, map[string]string{
		"composition.nix": `{ pkgs, ... }: let f = n: if n == 0 then 0 else f (n - 1) + f (n - 1); in { roles.a = pkgs.text "a" (toString (f 60)); }`,
	})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := n.Evaluate(ctx, testRequest(dir), func(e Event) {
		if e.Kind == EventEvaluating {
			cancel()
		}
	})
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v, want an interruption", err)
	}
}

func BenchmarkEvaluateCached(b *testing.B) {
	n := newTestNix(b)
	r := webRequest(webProject(b))
	if _, err := n.Evaluate(b.Context(), r, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e, err := n.Evaluate(b.Context(), r, nil)
		if err != nil || !e.Cached {
			b.Fatalf("cached %v, error %v", e != nil && e.Cached, err)
		}
	}
}
