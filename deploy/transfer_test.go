package deploy

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archived packs entries: a name that ends in a slash is a folder, a content
// that begins with "-> " a link.
func archived(t *testing.T, entries ...[2]string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e[0], Mode: 0o644, Size: int64(len(e[1]))}
		if target, ok := strings.CutPrefix(e[1], "-> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		}
		if strings.HasSuffix(e[0], "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(e[1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestRenameTop(t *testing.T) {
	var out bytes.Buffer
	if err := renameTop(archived(t, [2]string{"old/"}, [2]string{"old/a", "one"}, [2]string{"old/sub/b", "two"}), &out, "new", nil); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "new", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpackLocal(folder, &out); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(folder, "new", "sub", "b")); string(content) != "two" || err != nil {
		t.Errorf("got %q, error %v", content, err)
	}
	if err := renameTop(archived(t, [2]string{"old", "x"}, [2]string{"older", "y"}), &out, "new", nil); err == nil {
		t.Error("a second entry beside the first is let through")
	}
}

// What a node sends is not believed: neither names nor links lead out.
func TestUnpackStaysInside(t *testing.T) {
	for name, entries := range map[string][][2]string{
		"above":          {{"../escaped", "x"}},
		"absolute":       {{"/escaped", "x"}},
		"through a link": {{"link", "-> .."}, {"link/escaped", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			folder := filepath.Join(parent, "in")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unpackLocal(folder, archived(t, entries...)); err == nil {
				t.Error("it was unpacked without a complaint")
			}
			if _, err := os.Stat(filepath.Join(parent, "escaped")); err == nil {
				t.Error("a file was written outside the folder")
			}
		})
	}
}
