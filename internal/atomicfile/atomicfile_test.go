package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s has %q, %v; want %q", path, got, err, want)
	}
}

// wantNames makes sure that a folder has these entries and no other.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", dir, got, want)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "", strings.Repeat("two", 1<<16)} {
		if err := atomicfile.Write(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v; want the mode asked for", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("got %v, %v; want the mode kept", info.Mode(), err)
	}
	wantNames(t, dir, "f")
}

func TestSymbolicLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "target")
	for name, to := range map[string]string{"absolute": target, "dangling": filepath.Join(elsewhere, "new")} {
		link := filepath.Join(dir, name)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		if err := atomicfile.Write(link, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		wantContent(t, to, name)
		if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s: the link was replaced", name)
		}
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(loop, nil, 0o644); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %v for a link to itself", err)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestFailures(t *testing.T) {
	tests := map[string]struct {
		run  func(dir string) error
		want string
		is   error
	}{
		"no folder":           {func(dir string) error { return atomicfile.Write(filepath.Join(dir, "no", "f"), nil, 0o644) }, "does not exist", fs.ErrNotExist},
		"a file for a folder": {func(dir string) error { return atomicfile.Write(filepath.Join(dir, "old", "f"), nil, 0o644) }, "is not a folder", syscall.ENOTDIR},
		"a folder": {func(dir string) error {
			path := filepath.Join(dir, "d")
			defer os.Remove(path)
			if err := os.Mkdir(path, 0o755); err != nil {
				return err
			}
			return atomicfile.Write(path, nil, 0o644)
		}, "cannot replace", nil},
		"the source fails": {func(dir string) error {
			return atomicfile.WriteFrom(filepath.Join(dir, "old"), io.MultiReader(strings.NewReader("half"), failingReader{errors.New("it broke")}), 0o644)
		}, "it broke", nil},
		"disk full": {func(dir string) error {
			return atomicfile.WriteFrom(filepath.Join(dir, "old"), failingReader{syscall.ENOSPC}, 0o644)
		}, "is full", syscall.ENOSPC},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "old")
			write(t, old, "old")
			err := test.run(dir)
			var e *atomicfile.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			wantContent(t, old, "old")
			wantNames(t, dir, "old")
		})
	}
}

func TestCauses(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EDQUOT: "quota for /d is used up",
		syscall.EROFS:  "file system of /d is mounted read-only",
		syscall.EACCES: "no permission to write in /d",
		syscall.EIO:    "input/output error",
		&fs.PathError{Op: "open", Path: "/d/.f.1.tmp", Err: syscall.EMFILE}: "too many open files",
	} {
		if got := (&atomicfile.Error{Op: "write", Path: "/d/f", Err: err}).Error(); !strings.Contains(got, want) || strings.Contains(got, ".tmp") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestFullFileSystem fills a small file system of its own.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %s", out)
	}
	defer func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}()
	path := filepath.Join(dir, "f")
	write(t, path, "old")
	err := atomicfile.Write(path, make([]byte, 1<<20), 0o644)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "is full") {
		t.Errorf("got %v", err)
	}
	wantContent(t, path, "old")
	wantNames(t, dir, "f")
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"f", ".f.123.tmp", ".f.tmp", ".g.123.tmp", "f.123.tmp"} {
		write(t, filepath.Join(dir, name), "x")
	}
	atomicfile.Sweep(filepath.Join(dir, "f"))
	wantNames(t, dir, ".f.tmp", ".g.123.tmp", "f", "f.123.tmp")
}
