package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/state"
)

// TestSaveFails takes away, in the middle of an apply, what the state is
// written to: no new operation starts, what was done is kept somewhere, the
// command fails, and the next one goes on when the cause is gone.
func TestSaveFails(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	tests := map[string]struct {
		spoil func(t *testing.T, dir string)
		mend  func(t *testing.T, dir, said string)
		tmp   string // $TMPDIR, below dir
	}{
		"permission lost": {
			func(t *testing.T, dir string) { chmod(t, dir, 0o555) },
			func(t *testing.T, dir, _ string) { chmod(t, dir, 0o755) }, "",
		},
		"disk full": {
			func(t *testing.T, dir string) { fill(t, filepath.Join(dir, "ballast")) },
			func(_ *testing.T, dir, _ string) { os.Remove(filepath.Join(dir, "ballast")) }, "",
		},
		"read-only": {
			func(t *testing.T, dir string) { remount(t, dir, syscall.MS_RDONLY) },
			func(t *testing.T, dir, _ string) { remount(t, dir, 0) }, "",
		},
		"file removed": {
			func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "nxc.state.json")) },
			func(t *testing.T, dir, _ string) { emergency(t, dir) }, "",
		},
		"file changed": {
			func(t *testing.T, dir string) { change(t, filepath.Join(dir, "nxc.state.json")) },
			func(t *testing.T, dir, _ string) { emergency(t, dir) }, "",
		},
		"nowhere to write": { // the whole state is printed
			func(t *testing.T, dir string) { fill(t, filepath.Join(dir, "ballast")) },
			func(t *testing.T, dir, said string) {
				os.Remove(filepath.Join(dir, "ballast"))
				from, to := strings.Index(said, "\n{\n"), strings.Index(said, "\n}\n")
				if from < 0 || to < from {
					t.Fatalf("no state was printed:\n%s", said)
				}
				printed, err := state.Decode("what was printed", []byte(said[from+1:to+3]))
				if err != nil || printed.Verify() != nil || printed.Len() == 0 {
					t.Fatalf("what was printed: %v, %v, %d resources", err, printed.Verify(), printed.Len())
				}
				if err := os.WriteFile(filepath.Join(dir, "nxc.state.json"), []byte(said[from+1:to+3]), 0o644); err != nil {
					t.Fatal(err)
				}
			}, "tmp",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fakeWorld(t)
			w.dir = t.TempDir()
			if err := syscall.Mount("tmpfs", w.dir, "tmpfs", 0, "size=2m"); err != nil {
				t.Skipf("no tmpfs can be mounted: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(w.dir, syscall.MNT_DETACH) })
			outside := t.TempDir()
			w.nxc, _ = exec.LookPath("nxc")
			w.env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(w.dir, ".home"), "NO_COLOR=1")
			if test.tmp != "" {
				tmp := filepath.Join(w.dir, test.tmp)
				if err := os.Mkdir(tmp, 0o700); err != nil {
					t.Fatal(err)
				}
				w.env = append(w.env, "TMPDIR="+tmp)
			}
			w.config = strings.ReplaceAll(strings.ReplaceAll(fakeConfig, "%q", `"`+outside+`"`), "20ms", "300ms")
			if err := os.WriteFile(filepath.Join(w.dir, "main.nxc.hcl"), []byte(w.config), 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"-var", "n=12", "-var", "word=a", "-parallelism", "2"}
			var out, complaints bytes.Buffer
			c := w.command("apply", args)
			if name == "permission lost" {
				mortal(t, c)
			}
			c.Stdout, c.Stderr = &out, &complaints
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			awaitThings(t, outside)
			test.spoil(t, w.dir)
			if err := c.Wait(); err == nil {
				t.Errorf("the apply says that it succeeded:\n%s%s", &out, &complaints)
			}
			if said := out.String(); strings.Contains(said, "What was done is saved") || !strings.Contains(said, "The state is not saved.") {
				t.Errorf("whether the state is saved:\n%s", said)
			}
			made, _ := filepath.Glob(filepath.Join(outside, "things", "*.mark"))
			if len(made) > 20 {
				t.Errorf("it went on to make %d things:\n%s", len(made), &out)
			}
			test.mend(t, w.dir, out.String())
			w.must(t, "after "+name, "apply", args[:4]...)
			w.must(t, "after "+name, "plan", append(args[:4:4], "-detailed-exitcode")...)
			w.must(t, "after "+name, "destroy")
			if left, _ := filepath.Glob(filepath.Join(outside, "things", "*")); len(left) > 0 {
				t.Errorf("left behind: %v\n%s", left, &out)
			}
			if s, _, err := state.Read(w.stateFile()); err != nil || s.Len() > 0 {
				t.Errorf("the state: %v, %v", s, err)
			}
		})
	}
}

// mortal makes permissions hold for a command, although its user is root.
func mortal(t *testing.T, c *exec.Cmd) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("no setpriv")
	}
	c.Args = append([]string{setpriv, "--bounding-set=-dac_override,-dac_read_search", c.Path}, c.Args[1:]...)
	c.Path = setpriv
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// emergency puts the file in place that nxc wrote beside the state.
func emergency(t *testing.T, dir string) {
	found, _ := filepath.Glob(filepath.Join(dir, "nxc.state.json.emergency-*"))
	if len(found) != 1 {
		t.Fatalf("emergency files: %v", found)
	}
	if err := os.Rename(found[0], filepath.Join(dir, "nxc.state.json")); err != nil {
		t.Fatal(err)
	}
}

// change writes another state over one, as a checkout of another branch does.
func change(t *testing.T, path string) {
	s, _, err := state.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	s.SetDeployment(&state.Deployment{UUID: state.NewUUID()})
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaitThings returns when the apply has made something.
func awaitThings(t *testing.T, outside string) {
	for range 1000 {
		if made, _ := filepath.Glob(filepath.Join(outside, "things", "*", ".complete")); len(made) >= 2 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nothing was made within ten seconds")
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
}

func remount(t *testing.T, dir string, flags uintptr) {
	// The journal is open for writing, so the file system itself must refuse:
	// a read-only bind mount lies over it.
	if flags == 0 {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}
