package nix

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// bareNix has a cache, but no Nix.
func bareNix(t testing.TB) *Nix {
	return &Nix{cacheDir: t.TempDir(), logger: slog.New(slog.DiscardHandler)}
}

func TestForgetOldest(t *testing.T) {
	n := bareNix(t)
	const extra = 5
	begin := time.Now().Add(-time.Hour)
	for i := range cacheEntries + extra {
		key := fmt.Sprintf("key%03d", i)
		if err := os.MkdirAll(n.derivationRoots(key), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(n.entryPath(key), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		at := begin.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(n.entryPath(key), at, at); err != nil {
			t.Fatal(err)
		}
	}
	n.forgetOldest()
	for i := range cacheEntries + extra {
		key := fmt.Sprintf("key%03d", i)
		want := i >= extra
		if n.exists(n.entryPath(key)) != want || n.exists(n.derivationRoots(key)) != want {
			t.Errorf("entry %d: kept is not %v", i, want)
		}
	}
}

func TestLookupMisses(t *testing.T) {
	n := bareNix(t)
	dir := project(t, map[string]string{"file": "text"})
	dependencies, err := observeReads([]read{{readFile, filepath.Join(dir, "file")}}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	n.remember(cacheEntry{Key: "good", Result: []byte(`{"roles":{}}`), Dependencies: dependencies})
	if n.lookup("good", false) == nil {
		t.Fatal("a good entry is a miss")
	}
	good := readTestFile(t, n.entryPath("good"))
	for name, text := range map[string]string{
		"empty":        "",
		"cut off":      good[:len(good)/2],
		"other key":    good, // written under another name
		"other format": `{"format":0,"key":"x","result":{}}`,
		"no result":    `{"format":1,"key":"no result"}`,
		"wrong result": `{"format":1,"key":"wrong result","result":[1]}`,
		"unknown kind": `{"format":1,"key":"unknown kind","result":{},"dependencies":[{"kind":"new","path":"/"}]}`,
		"drv is gone":  `{"format":1,"key":"drv is gone","result":{"roles":{"a":{"system":{"drv":"/nix/store/x.drv","path":"/nix/store/x"}}}}}`,
		"file is gone": `{"format":1,"key":"file is gone","result":{},"dependencies":[{"kind":"file","path":"/none","digest":"00"}]}`,
		"binary":       "\x00\xff",
	} {
		write(t, n.entryPath(name), text)
		if n.lookup(name, false) != nil {
			t.Errorf("%s: it is a hit", name)
		}
	}
}

// TestObserveReads checks that what may have changed during an evaluation is
// not believed.
func TestObserveReads(t *testing.T) {
	dir := project(t, map[string]string{"file": "text", "folder/x": "x"})
	kinds := []readKind{readImport, readFile, readList, readExists, readType, readNode, readTree}
	now := time.Now()
	for _, kind := range kinds {
		for _, name := range []string{"file", "folder", "absent", "absent/below"} {
			if (kind == readFile || kind == readImport) && name == "folder" || kind == readList && name == "file" {
				continue // Nix fails
			}
			r := []read{{kind, filepath.Join(dir, name)}}
			dependencies, err := observeReads(r, now)
			if err != nil {
				t.Errorf("%s %s: %v", kind, name, err)
				continue
			}
			if !dependencies[0].holds() {
				t.Errorf("%s %s: it does not hold", kind, name)
			}
			if _, err := observeReads(r, now.Add(-time.Hour)); err == nil && kind != readType {
				t.Errorf("%s %s: it is believed although it is younger than the evaluation", kind, name)
			}
		}
	}
}

func TestMaterialise(t *testing.T) {
	n := bareNix(t)
	files := map[string]string{"default.nix": "import ./a/b.nix", "a/b.nix": "1"}
	folders := make([]string, 8)
	var group sync.WaitGroup
	for i := range folders {
		group.Go(func() {
			var err error
			if folders[i], err = n.materialise("test", files); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, folder := range folders {
		if folder != folders[0] {
			t.Errorf("got %s and %s", folder, folders[0])
		}
	}
	check := func() {
		t.Helper()
		for name, text := range files {
			if got := readTestFile(t, filepath.Join(folders[0], name)); got != text {
				t.Errorf("%s: got %q, want %q", name, got, text)
			}
		}
	}
	check()
	if err := os.Remove(filepath.Join(folders[0], "a/b.nix")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.materialise("test", files); err != nil {
		t.Fatal(err)
	}
	check()
	if entries, _ := os.ReadDir(filepath.Join(n.cacheDir, "test")); len(entries) != 1 {
		t.Errorf("something is left over: %v", entries)
	}
	for _, name := range []string{"../x", "/x", "a/../../x", "", "."} {
		if _, err := n.materialise("test", map[string]string{name: ""}); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}
