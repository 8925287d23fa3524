package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// key is a public key of nobody's.
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxJLgtcVdgd5uvRNkmnUVBKeKRvkWLgLQ5cL4VWXGDv nobody\n"

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pub")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-clusters", "dahu=2", "-ssh-key", file, "-speed", "60"}, w, io.Discard)
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatalf("it said nothing: %v", <-ended)
	}
	base := lines.Text()
	var all []string
	for len(all) < 6 && lines.Scan() {
		all = append(all, lines.Text())
	}
	resp, err := http.Get(base + "/sites/grenoble/clusters/dahu")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), `"nodes_count":2`) {
		t.Errorf("got %s", body)
	}
	said := strings.Join(all, "\n")
	for _, want := range []string{"export NXC_G5K_API=" + base, "export NXC_G5K_GATEWAY=127.0.0.1:", "export NXC_G5K_KNOWN_HOSTS=/", "export G5K_USER=user", "/sim/"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %s, but:\n%s", want, said)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"an argument":     {[]string{"now"}, `"now" is not an option`},
		"no number":       {[]string{"-clusters", "dahu=many"}, "it is NAME=NODES"},
		"no such cluster": {[]string{"-clusters", "yeti=1"}, "there is no cluster yeti; there are [dahu"},
		"too many":        {[]string{"-clusters", "dahu=1000000"}, "a cluster has 1 to 4000 nodes"},
		"no such file":    {[]string{"-ssh-key", "/nonexistent"}, "no such file"},
		"no key":          {[]string{"-ssh-key", os.DevNull}, "holds no public key"},
		"no such kind":    {[]string{"-nodes", "cloud"}, `no kind of node "cloud"`},
		"nothing to boot": {[]string{"-nodes", "machine"}, "need"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), tt.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	var help strings.Builder
	if err := run(t.Context(), []string{"-help"}, io.Discard, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-listen") {
		t.Errorf("help: %v\n%s", err, help.String())
	}
}
