package g5k

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

const goodDescription = `name: nixos
os: linux
image:
  file: http://public.lyon.grid5000.fr/~jdoe/nixos.tar.xz
  kind: tar
  compression: xz
boot:
  kernel: /boot/bzImage
filesystem: ext4
partition_type: 131
`

// TestEnvironmentFile: a description on this machine is looked through when it
// is planned, and what is wrong is said with file and line; nothing is asked of
// the interface for it.
func TestEnvironmentFile(t *testing.T) {
	s := newSimulator(t, simulator.Options{})
	project := t.TempDir()
	d := &testbed{client: newClient(t, s), folders: plugins.Folders{Project: project}}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"half of it":       {strings.Replace(goodDescription, "kind: tar", "kind: tar\n\tbroken", 1), []string{"env.yaml, line 5", "not YAML"}},
		"cut off":          {goodDescription[:60], []string{"env.yaml, line 4: image.kind is missing"}},
		"no closing quote": {strings.Replace(goodDescription, "xz\nboot", "\"xz\nboot", 1), []string{"env.yaml, line 6", "not YAML"}},
		"empty":            {"", []string{"env.yaml: it is empty"}},
		"a page":           {"<html>no</html>\n", []string{"env.yaml, line 1: it does not consist of names and values"}},
		"a list":           {strings.Replace(goodDescription, "image:", "picture:", 1), []string{"env.yaml, line 1: image.file is missing"}},
		"unknown":          {strings.Replace(goodDescription, "compression: xz", "compression: rar", 1), []string{"env.yaml, line 6: image.compression is rar, and not one of gzip"}},
		"two faults":       {strings.Replace(strings.Replace(goodDescription, "kind: tar", "kind: tape", 1), "os: linux\n", "", 1), []string{"line 4: image.kind is tape", "os is missing"}},
		"good":             {goodDescription, []string{"env.yaml is in order", "http://public.lyon.grid5000.fr/~jdoe/env.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(project, "env.yaml"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			err := d.checkEnvironmentFile("lyon", "./env.yaml")
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nsays nothing of %q", err, want)
				}
			}
		})
	}
	contains(t, d.checkEnvironmentFile("lyon", "none.yaml"), "cannot be read")
	for name, file := range map[string]bool{"debian11-min": false, "nixos@jdoe": false, "http://a/b.yaml": false, "./env": true, "env.yaml": true, "/a/b": true} {
		if isFile(name) != file {
			t.Errorf("%s: is it a file? %t", name, isFile(name))
		}
	}
}
