package nix

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFetchVerifies fetches what a lock file pins in every way that needs no
// name of a host, and with a hash that another content has.
func TestFetchVerifies(t *testing.T) {
	n := newTestNix(t)
	source := filepath.Join(t.TempDir(), "source")
	if err := os.MkdirAll(filepath.Join(source, "nixos"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "nixos", "default.nix"), []byte("{ }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	hash := "sha256:" + run(t, source, "nix-hash", "--type", "sha256", "--base32", source)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { pack(t, w, source) }))
	defer server.Close()
	repository := filepath.Join(t.TempDir(), "repository")
	if err := os.CopyFS(repository, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	cases := map[string]Nixpkgs{
		"tarball": {URL: server.URL + "/nixpkgs.tar.gz"},
		"path":    {URL: "path:" + source},
	}
	if _, err := exec.LookPath("git"); err == nil {
		run(t, repository, "git", "init", "-q", "-b", "main")
		run(t, repository, "git", "add", "-A")
		run(t, repository, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "one")
		cases["git"] = Nixpkgs{URL: "git+file://" + repository, Revision: run(t, repository, "git", "rev-parse", "HEAD")}
	}
	for name, p := range cases {
		t.Run(name, func(t *testing.T) {
			p.Hash = "sha256:" + strings.Repeat("0", 52)
			var failed *FetchError
			if got, err := n.fetch(t.Context(), p, nil); !errors.As(err, &failed) || !strings.Contains(err.Error(), "mismatch") {
				t.Errorf("with another hash: got %+v, %v; want a FetchError that speaks of a mismatch", got, err)
			}
			p.Hash = hash
			got, err := n.fetch(t.Context(), p, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(got.Path, "nixos", "default.nix")); err != nil || string(text) != "{ }\n" || !isWithin(got.Path, n.physical(storeDir)) {
				t.Errorf("got %s with %q, %v; want the source in the store", got.Path, text, err)
			}
		})
	}
}

// run runs a program in a folder, without anybody's configuration.
func run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = folder
	command.Env = append(testEnviron(t), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return strings.TrimSpace(string(out))
}

// pack writes a folder as a tarball with one folder at its top.
func pack(t *testing.T, w http.ResponseWriter, folder string) {
	compressed := gzip.NewWriter(w)
	archive := tar.NewWriter(compressed)
	text, err := os.ReadFile(filepath.Join(folder, "nixos", "default.nix"))
	if err == nil {
		err = archive.WriteHeader(&tar.Header{Name: "nixpkgs/nixos/default.nix", Mode: 0o644, Size: int64(len(text))})
	}
	if err == nil {
		_, err = archive.Write(text)
	}
	if err = errors.Join(err, archive.Close(), compressed.Close()); err != nil {
		t.Error(err)
	}
}
