package simulator

import (
	"debug/elf"
	"path/filepath"
	"testing"
)

// TestUnpackedOpenSSHIsWhole looks for the libraries of the programs that a
// server unpacked by make deps consists of: one that only a session needs is
// missed when nodes are deployed, long after the server started.
func TestUnpackedOpenSSHIsWhole(t *testing.T) {
	tree, err := findOpenSSH()
	if err != nil || tree == "/" {
		t.Skipf("no OpenSSH server was unpacked: %q, %v", tree, err)
	}
	programs, err := filepath.Glob(filepath.Join(tree, "usr/lib/openssh/sshd-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range append(programs, filepath.Join(tree, "usr/sbin/sshd")) {
		file, err := elf.Open(program)
		if err != nil {
			t.Fatal(err)
		}
		libraries, err := file.ImportedLibraries()
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, library := range libraries {
			if !hasLibrary(library, tree, "/") {
				t.Errorf("%s needs %s, which is neither below %s nor on this machine", program, library, tree)
			}
		}
	}
}

// hasLibrary reports whether a library is where Debian's packages have them
// below one of some roots.
func hasLibrary(name string, roots ...string) bool {
	for _, root := range roots {
		for _, folder := range []string{"usr/lib", "usr/lib/*", "lib", "lib/*"} {
			if found, _ := filepath.Glob(filepath.Join(root, folder, name)); len(found) > 0 {
				return true
			}
		}
	}
	return false
}
