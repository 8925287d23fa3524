package standin

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadDistribution(t *testing.T) {
	cases := map[string]struct {
		text, label, problem string
	}{
		"debian":     {"ID=debian\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n", "Debian 12", ""},
		"ubuntu":     {"ID=ubuntu\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\n", "Ubuntu 24.04", ""},
		"testing":    {"ID=debian\nNAME=\"Debian GNU/Linux\"\n", "Debian", ""},
		"another":    {"ID=fedora\nNAME=\"Fedora Linux\"\nVERSION_ID=41\n", "", "this host is Fedora Linux 41"},
		"derivative": {"ID=linuxmint\nID_LIKE=ubuntu\nNAME=\"Linux Mint\"\n", "", "this host is Linux Mint"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "os-release")
			write(t, file, c.text)
			got, err := readDistribution(file)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("got error %v, want one that contains %q", err, c.problem)
				}
				return
			}
			if err != nil || got.label() != c.label {
				t.Errorf("got %q, %v; want %q", got.label(), err, c.label)
			}
		})
	}
}

func TestParseSimulation(t *testing.T) {
	output := `Inst gcc-12-base (12.2.0-14 Debian:12.15/oldstable [amd64])
Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable, Debian-Security:12 [amd64]) []
Inst perl-modules-5.36 (5.36.0-7 Debian:12 [all])
Inst bash (5.2.15-2+b13 Debian:12.15/oldstable [amd64])
Conf bash (5.2.15-2+b13 Debian:12.15/oldstable [amd64])
`
	want := []Package{{"bash", "5.2.15-2+b13"}, {"libc6", "2.36-9+deb12u14"}}
	if got := parseSimulation(output); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMerged(t *testing.T) {
	cases := map[string]string{
		"./bin/bash":              "usr/bin/bash",
		"./sbin/ip":               "usr/bin/ip",
		"./usr/sbin/nginx":        "usr/bin/nginx",
		"./usr/bin/jq":            "usr/bin/jq",
		"./lib/systemd/systemd":   "usr/lib/systemd/systemd",
		"./lib64/ld-linux.so.2":   "usr/lib64/ld-linux.so.2",
		"./etc/nginx/mime.types":  "etc/nginx/mime.types",
		"./":                      "",
		"./sbin/":                 "usr/bin",
		"./../../etc/passwd":      "etc/passwd",
		"/usr/share/zoneinfo/UTC": "usr/share/zoneinfo/UTC",
	}
	for name, want := range cases {
		if got := merged(name); got != want {
			t.Errorf("merged(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestLinkTarget(t *testing.T) {
	cases := map[string]struct{ name, target, want string }{
		"beside it":               {"usr/bin/python3", "python3.11", "python3.11"},
		"absolute":                {"usr/bin/init", "/lib/systemd/systemd", "../lib/systemd/systemd"},
		"from sbin to bin":        {"usr/bin/reboot", "/bin/systemctl", "systemctl"},
		"a device":                {"usr/lib/systemd/system/x.service", "/dev/null", "/dev/null"},
		"the node's own":          {"etc/mtab", "/proc/mounts", "/proc/mounts"},
		"library in a sibling":    {"usr/lib/x/libz.so", "libz.so.1", "libz.so.1"},
		"absolute to a library":   {"usr/lib64/ld.so", "/lib/x86_64-linux-gnu/ld.so", "../lib/x86_64-linux-gnu/ld.so"},
		"absolute within etc":     {"usr/share/mime.types", "/etc/mime.types", "../../etc/mime.types"},
		"relative across folders": {"etc/os-release", "../usr/lib/os-release", "../usr/lib/os-release"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := (tree{}).linkTarget(c.name, c.target); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A package that is laid out as before the merge of /usr, with documentation,
// a service and a setuid program.
func TestMembers(t *testing.T) {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	add := func(header tar.Header, content string) {
		t.Helper()
		header.Size = int64(len(content))
		if err := writer.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Name: "./sbin/", Typeflag: tar.TypeDir, Mode: 0o755}, "")
	add(tar.Header{Name: "./sbin/ip", Typeflag: tar.TypeSymlink, Linkname: "/bin/ip"}, "")
	add(tar.Header{Name: "./bin/ip", Typeflag: tar.TypeReg, Mode: 0o4755}, "program")
	add(tar.Header{Name: "./bin/ip2", Typeflag: tar.TypeLink, Linkname: "./bin/ip"}, "")
	add(tar.Header{Name: "./usr/share/doc/iproute2/README", Typeflag: tar.TypeReg, Mode: 0o644}, "words")
	add(tar.Header{Name: "./lib/systemd/system/ip.service", Typeflag: tar.TypeReg, Mode: 0o644}, "[Unit]")
	add(tar.Header{Name: "./etc/iproute2/rt_tables", Typeflag: tar.TypeReg, Mode: 0o644}, "1 a")
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}

	root := t.TempDir()
	programs, err := tree{root}.archive("iproute2_6.1_amd64.deb", archive.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ip", "ip2"}; !slices.Equal(programs, want) {
		t.Errorf("got programs %v, want %v", programs, want)
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if want := []string{"etc/iproute2/rt_tables", "usr/bin/ip", "usr/bin/ip2"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("got files %v, %v; want %v", files, err, want)
	}
	if content, err := os.ReadFile(filepath.Join(root, "usr/bin/ip")); string(content) != "program" {
		t.Errorf("the program gave way to a link: %q, %v", content, err)
	}
}

func TestRecord(t *testing.T) {
	dir, host := t.TempDir(), distribution{ID: "debian", Version: "12"}
	file := filepath.Join(dir, "there")
	write(t, file, "")
	kept := record{Layout: layout, Roots: rootsDigest(), Packages: []string{"htop"}, Index: file, Tree: file, Busybox: file, Kernel: file}
	there := func(r record) bool { return store{}.holds(r.Index, r.Tree, r.Busybox, r.Kernel) }
	if err := kept.write(recordFile(dir, host)); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord(dir, host)
	if err != nil || !there(got) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if !got.covers(nil) || !got.covers([]string{"htop"}) || got.covers([]string{"htop", "vim"}) {
		t.Error("a record must cover exactly what was asked for")
	}
	got.Tree = filepath.Join(dir, "collected")
	if there(got) {
		t.Error("a tree that is gone counts as present")
	}
	got.Layout++
	if got.covers(nil) {
		t.Error("a record of another layout counts")
	}
	if _, err := readRecord(dir, distribution{ID: "ubuntu", Version: "24.04"}); err == nil {
		t.Error("another release must have a record of its own")
	}
}

func TestAptError(t *testing.T) {
	err := aptError("finding packages", "W: noise\nE: Unable to locate package nosuch\n", os.ErrInvalid)
	want := "finding packages with apt-get: Unable to locate package nosuch (check the name, or run apt-get update)"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
