package sdk

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// storeIn makes a store in a folder, whose links name paths as everybody does.
func storeIn(t *testing.T) NixStore {
	t.Helper()
	root := t.TempDir()
	system := filepath.Join(root, "nix/store/1-system")
	err := errors.Join(
		os.MkdirAll(filepath.Join(root, "nix/store/2-linux/boot"), 0o755),
		os.MkdirAll(system, 0o755),
		os.WriteFile(filepath.Join(root, "nix/store/2-linux/boot/bzImage"), []byte("kernel"), 0o644),
		os.Symlink("/nix/store/2-linux/boot/bzImage", filepath.Join(system, "kernel")),
		os.Symlink("/nix/store/2-linux", filepath.Join(system, "linux")),
		os.Symlink("linux/boot", filepath.Join(system, "boot")),
		os.Symlink("/etc/passwd", filepath.Join(system, "outside")),
		os.Symlink("loop", filepath.Join(system, "loop")),
	)
	if err != nil {
		t.Fatal(err)
	}
	return NixStore(root)
}

func TestNixStorePlace(t *testing.T) {
	s := storeIn(t)
	kernel := string(s) + "/nix/store/2-linux/boot/bzImage"
	for path, want := range map[string]string{
		"/nix/store":                       string(s) + "/nix/store",
		"/nix/store/1-system":              string(s) + "/nix/store/1-system",
		"/nix/store/1-system/kernel":       kernel,
		"/nix/store/1-system/boot/bzImage": kernel,
		"/nix/store/1-system/outside":      "/etc/passwd",
		"/nix/store/1-system/loop":         string(s) + "/nix/store/1-system/loop",
		"/nix/store/3-missing/file":        string(s) + "/nix/store/3-missing/file",
		"/nix/storage":                     "/nix/storage",
		"/home/u/kernel":                   "/home/u/kernel",
	} {
		if got := s.Place(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := NixStore("").Place("/nix/store/1-system/kernel"); got != "/nix/store/1-system/kernel" {
		t.Errorf("without a folder: %s", got)
	}
}

// What is packed has the names that nodes know.
func TestNixStorePack(t *testing.T) {
	s := storeIn(t)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := s.Pack(w, "/nix/store/2-linux", func(file string) string { return strings.TrimPrefix(file, "/") }, FileContent)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if want := []string{"nix/store/2-linux/", "nix/store/2-linux/boot/", "nix/store/2-linux/boot/bzImage"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}
