package nix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newTestNix returns the machine's real Nix with a cache of its own and the
// small library of testdata. Tests that need it are skipped where there is none.
func newTestNix(t testing.TB, change ...func(*Options)) *Nix {
	t.Helper()
	// The builder of testdata's library is the host's shell.
	o := Options{CacheDir: t.TempDir(), library: testLibrary(t), Environ: append(testEnviron(t), "NIX_CONFIG=sandbox = false")}
	for _, f := range change {
		f(&o)
	}
	n, err := New(o)
	if err != nil {
		t.Skip(err)
	}
	return n
}

func testLibrary(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"entry.nix", "tools.nix"} {
		files[name] = readTestFile(t, filepath.Join("testdata", "library", name))
	}
	return files
}

func readTestFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// project writes files into a new folder and returns it.
func project(t testing.TB, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	settle()
}

// settle waits until the file system's clock has moved on, so that what was
// written is older than what follows.
func settle() { time.Sleep(10 * time.Millisecond) }

// testRequest asks for a folder's composition; the test library needs no
// nixpkgs.
func testRequest(dir string) Request {
	return Request{Composition: filepath.Join(dir, "composition.nix")}
}

// testEnviron is our environment without NIX_CONFIG.
func testEnviron(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NIX_CONFIG=") })
}
