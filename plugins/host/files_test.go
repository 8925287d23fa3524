package host_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins/host"
)

func TestSchemaCache(t *testing.T) {
	o := options("plugin")
	o.Cache = t.TempDir()
	if _, ok := host.CachedSchema(o.Cache, o); ok {
		t.Fatal("there is a schema in an empty cache")
	}
	asked, d := host.Schema(t.Context(), o)
	if d.HasErrors() {
		t.Fatal(d)
	}
	cached, ok := host.CachedSchema(o.Cache, o)
	if !ok || !reflect.DeepEqual(cached, asked) {
		t.Errorf("cached %v: %+v\nwant %+v", ok, cached, asked)
	}
	other := o
	other.Args = []string{"as", "silent"}
	if _, ok := host.CachedSchema(o.Cache, other); ok {
		t.Error("another provider of the same program has this one's schema")
	}
	// From now on nothing is started: a program that cannot be is no problem.
	if _, d := host.Schema(t.Context(), o); d.HasErrors() {
		t.Error(d)
	}
	corrupt(t, o.Cache)
	if _, ok := host.CachedSchema(o.Cache, o); ok {
		t.Error("a corrupt cache is believed")
	}
	if _, d := host.Schema(t.Context(), o); d.HasErrors() {
		t.Error(d)
	}
}

func corrupt(t *testing.T, cache string) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(cache, "schema-*"))
	for _, name := range names {
		if err := os.WriteFile(name, []byte("\xff\xff"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnotherProvidersProgram(t *testing.T) {
	o := options("plugin")
	o.Name = "other"
	c := launch(t, o)
	_, d := c.Schema(t.Context())
	wantSaid(t, d, "is the plugin of another provider", `says that it is "test"`)
}

func TestChecksum(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "program")
	sum := func() string {
		t.Helper()
		s, err := host.Checksum(path, cache)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("abc")
	const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	for range 2 {
		if got := sum(); got != abc {
			t.Errorf("got %s, want %s", got, abc)
		}
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	write("xyz") // another file of the same name and size
	if got := sum(); got == abc {
		t.Error("the replaced program has the old one's checksum")
	}
	if _, err := host.Checksum(filepath.Join(dir, "none"), cache); err == nil {
		t.Error("a file that is not there has a checksum")
	}
}

func TestDiscover(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	file := func(dir, name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foo := file(first, "nxc-provider-foo", 0o700)
	file(second, "nxc-provider-foo", 0o700)
	bar := file(second, "nxc-provider-bar-baz", 0o700)
	file(first, "nxc-provider-bar-baz", 0o600)
	plain := file(second, "nxc-provider-plain", 0o600)
	file(second, "nxc-provider-Bad_Name", 0o700)
	file(second, "something", 0o700)
	if err := os.Mkdir(filepath.Join(second, "nxc-provider-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := host.Discover(first, filepath.Join(first, "none"), "", second)
	if want := map[string]string{"foo": foo, "bar-baz": bar, "plain": plain}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLock(t *testing.T) {
	folder := t.TempDir()
	l, err := host.ReadLock(folder)
	if err != nil {
		t.Fatal(err)
	}
	wantSaid(t, l.Verify("foo", "/p/foo", "sha256:1"), "Provider foo is not pinned", "nxc init")
	l.Add("foo", "1.0.0", "sha256:2")
	l.Add("foo", "1.0.0", "sha256:1")
	l.Add("foo", "1.0.0", "sha256:1")
	l.Add("bar", "0.1.0", "sha256:3")
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, host.LockName))
	if err != nil {
		t.Fatal(err)
	}
	const want = `# The plugins that this folder's configuration uses. The first apply writes it; commit it.

provider "bar" {
  version   = "0.1.0"
  checksums = ["sha256:3"]
}

provider "foo" {
  version   = "1.0.0"
  checksums = ["sha256:1", "sha256:2"]
}
`
	if string(text) != want {
		t.Errorf("got:\n%s\nwant:\n%s", text, want)
	}
	l, err = host.ReadLock(folder)
	if err != nil {
		t.Fatal(err)
	}
	if d := l.Verify("foo", "/p/foo", "sha256:1"); d.HasErrors() {
		t.Error(d)
	}
	wantSaid(t, l.Verify("foo", "/p/foo", "sha256:9"), "not the one that was pinned", "pins version 1.0.0")
	l.Add("foo", "2.0.0", "sha256:4")
	if p, _ := l.Pin("foo"); p.Version != "2.0.0" || !reflect.DeepEqual(p.Checksums, []string{"sha256:4"}) {
		t.Errorf("a new version: %+v", p)
	}
	l.Remove("foo")
	l.Remove("bar")
	if err := l.Write(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, host.LockName)); !os.IsNotExist(err) {
		t.Errorf("an empty lock file: %v", err)
	}
}

func TestBadLock(t *testing.T) {
	for content, want := range map[string]string{
		"provider {":                      ".nxc.lock.hcl cannot be read",
		`provider "a" { version = "1" }`:  `"checksums" is required`,
		`provider "a" { colour = "red" }`: "cannot be read",
		strings.Repeat("provider \"a\" {\n  version   = \"1\"\n  checksums = []\n}\n", 2): "twice",
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, host.LockName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := host.ReadLock(folder); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", content, err, want)
		}
	}
}
