package simulator

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestArchivesForKernels(t *testing.T) {
	var b bytes.Buffer
	writeCpio(&b, map[string][]byte{"/etc/ssh/key": []byte("one"), "etc/hostname": []byte("two\n")})
	b.Write(make([]byte, 512)) // as other programs pad theirs
	writeCpio(&b, map[string][]byte{"etc/hostname": []byte("three\n")})
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := unpackInitrd(b.Bytes(), root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"etc/ssh/key": "one", "etc/hostname": "three\n"} {
		if got, err := root.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := unpackInitrd(b.Bytes()[:150], root); err == nil {
		t.Error("half an archive is taken for a whole one")
	}
}

func TestDisk(t *testing.T) {
	for _, program := range []string{"mke2fs", "debugfs"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	folder, disk := t.TempDir(), filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(filepath.Join(folder, "issue"), []byte("ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makeDisk(t.Context(), folder, disk); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("debugfs", "-R", "cat /issue", disk).Output(); err != nil || string(out) != "ours\n" {
		t.Errorf("the disk has %q, %v", out, err)
	}
}

func TestFilesOfImages(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	if err := root.MkdirAll("nix/store/k", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := root.WriteFile("nix/store/k/bzImage", []byte("kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"vmlinuz": "/nix/store/k/bzImage", "out": "/../../../../../../etc/passwd", "loop": "loop"} {
		if err := root.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(t.TempDir(), "kernel")
	if err := copyOut(root, "/vmlinuz", to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || string(got) != "kernel" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, name := range []string{"out", "loop", "nothing"} {
		if err := copyOut(root, name, to); err == nil {
			t.Errorf("%s was copied", name)
		}
	}
}

func TestMachinesNeedSomethingToBoot(t *testing.T) {
	if _, err := Start(Options{Nodes: Machines}); err == nil {
		t.Error("machines without a kernel were started")
	}
	if _, err := Start(Options{Nodes: "cloud"}); err == nil {
		t.Error("there is no such kind")
	}
	if _, err := Start(Options{Clusters: map[string]int{"yeti": 1}}); err == nil {
		t.Error("there is no such cluster")
	}
}
