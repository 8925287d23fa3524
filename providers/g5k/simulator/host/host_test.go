package host

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// machine makes one that knows a user and a program of its owner's.
func machine(t *testing.T, change func(*Options)) *Host {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Name: "dahu-1.grenoble.grid5000.fr", Dir: filepath.Join(t.TempDir(), "machine"), Key: signer,
		Mounts: map[string]string{"/home": filepath.Join(t.TempDir(), "home")},
		Run: func(_ context.Context, p *Process) (int, bool) {
			if filepath.Base(p.Args[0]) != "ours" {
				return 0, false
			}
			p.say("ours runs as %s with %q", p.User, p.Args[1:])
			return 3, true
		},
	}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// sh runs a script as a user.
func sh(t *testing.T, h *Host, user, script, input string) (string, int) {
	t.Helper()
	var said bytes.Buffer
	code, err := h.Exec(t.Context(), user, script, strings.NewReader(input), &said, &said)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(said.String(), "\n"), code
}

func TestScripts(t *testing.T) {
	for name, tt := range map[string]struct {
		script, input, want string
		code                int
	}{
		"who and where":    {script: "whoami; id -u; hostname; hostname -s; pwd; echo $HOME", want: "alice\n1000\ndahu-1.grenoble.grid5000.fr\ndahu-1\n/home/alice\n/home/alice"},
		"root":             {script: "sudo-g5k whoami; sudo -n sh -c 'id -u; echo $HOME'", want: "root\n0\n/root"},
		"a pipe":           {script: "printf 'b\\na\\nc\\n' | grep -v b | wc -l", want: "2"},
		"input":            {script: "cat >in && sha256sum <in", input: "hello", want: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  -"},
		"checked":          {script: "echo x >f; sha256sum f >sums; sha256sum -c sums; echo y >f; sha256sum -c sums || echo bad", want: "f: OK\nf: FAILED\nbad"},
		"functions":        {script: "f() { echo \"$1-$2\"; }; for i in 1 2; do f $i x; done", want: "1-x\n2-x"},
		"test and if":      {script: "mkdir -p a/b; touch a/c; if [ -d a/b ] && test -e a/c && [ ! -e a/d ]; then echo yes; fi", want: "yes"},
		"moving":           {script: "echo 1 >a; mv a b; cp b c; rm b; ls; cat c", want: "c\n1"},
		"between mounts":   {script: "echo 1 >/tmp/a; mv /tmp/a b; ls /tmp; cat b", want: "1"},
		"parts":            {script: "printf 0123456789 >n; head -c 3 n; echo; tail -c 3 n; echo; tail -c +8 n; echo; stat -c '%s %a' n; truncate -s 4 n; cat n", want: "012\n789\n789\n10 644\n0123"},
		"installing":       {script: "echo x >s; install -D -m 600 s d/e/f; stat -c %a d/e/f; chmod +x d/e/f; stat -c %a d/e/f", want: "600\n711"},
		"a script":         {script: "printf '#!/bin/sh\\necho run $1\\n' >s; chmod 755 s; ./s now; PATH=$PWD:$PATH s again", want: "run now\nrun again"},
		"not to be run":    {script: "echo x >s; ./s", want: "./s: Permission denied", code: 126},
		"the owner's":      {script: "/tmp/ours a 'b c'; echo $?", want: "ours runs as alice with [\"a\" \"b c\"]\n3"},
		"no such command":  {script: "frobnicate", want: "frobnicate: command not found", code: 127},
		"exit code":        {script: "false || exit 7", code: 7},
		"bad syntax":       {script: "if", code: 2, want: "bash:1:1: `if` must be followed by a statement list"},
		"not allowed":      {script: "echo x >/etc/passwd || echo refused; cat /root/x || echo refused", want: "open /etc/passwd: permission denied\nrefused\ncat: /root/x: Permission denied\nrefused"},
		"no way out":       {script: "ln -s ../../../../../../etc/passwd l; cat l || echo refused", want: "cat: l: Path escapes from parent\nrefused"},
		"time-out":         {script: "timeout 0.05 sleep 20; echo $?", want: "124"},
		"in a shell":       {script: "sh -ec 'echo $0 $1' name one; echo 'echo from $1' | sh -s input", want: "name one\nfrom input"},
		"variables":        {script: "A=1 env | grep '^A='; env B=2 sh -c 'echo $B'", want: "A=1\n2"},
		"finding":          {script: "mkdir -p x/y; touch x/y/z.txt; find x -type f -name '*.txt'", want: "x/y/z.txt"},
		"an unknown flag":  {script: "ls -Z", want: "ls: invalid option -- '-Z'", code: 1},
		"tee":              {script: "echo 1 | tee a >/dev/null; echo 2 | sudo-g5k tee -a /etc/motd >/dev/null; cat a /etc/motd", want: "1\n2"},
		"kexec needs root": {script: "kexec -l k", want: "kexec_load failed: Operation not permitted", code: 255},
		"kexec of nothing": {script: "sudo kexec -e", want: "Nothing has been loaded!", code: 255},
	} {
		t.Run(name, func(t *testing.T) {
			got, code := sh(t, machine(t, nil), "alice", tt.script, tt.input)
			if got != tt.want || code != tt.code {
				t.Errorf("got %d\n%s\nwant %d\n%s", code, got, tt.code, tt.want)
			}
		})
	}
}

func TestBoots(t *testing.T) {
	boots := make(chan Boot, 1)
	h := machine(t, func(o *Options) { o.Reboot = func(b Boot) { boots <- b } })
	if _, code := sh(t, h, "alice", "echo k >/tmp/k; echo i >/tmp/i; sudo kexec -l /tmp/k --initrd=/tmp/i --append='a b' && sudo systemctl kexec", ""); code != 0 {
		t.Fatal("kexec failed")
	}
	if got, want := <-boots, (Boot{Kernel: "/tmp/k", Initrd: "/tmp/i", CommandLine: "a b"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	before := h.BootID()
	ended := make(chan error, 1)
	r, w := io.Pipe()
	go func() {
		_, err := h.Exec(context.Background(), "alice", "echo here; sleep 1h", strings.NewReader(""), w, io.Discard)
		ended <- err
	}()
	if _, err := io.ReadFull(r, make([]byte, len("here"))); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := h.Boot(Boot{CommandLine: "a b"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("a command outlived the boot")
	}
	got, _ := sh(t, h, "alice", "cat /proc/cmdline /proc/sys/kernel/random/boot_id", "")
	if want := "a b\n" + h.BootID(); got != want || before == h.BootID() {
		t.Errorf("got %q, want %q", got, want)
	}
	h.Stop()
	if _, err := h.Dial(t.Context(), 22); err == nil {
		t.Error("a machine that is off answers")
	}
}

func TestNetwork(t *testing.T) {
	var server *Host
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		if port == "8080" {
			return server.Dial(ctx, 8080)
		}
		return server.Dial(ctx, 80)
	}
	server = machine(t, nil)
	client := machine(t, func(o *Options) { o.Dial = dial })
	l, err := server.Listen(8080)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(8080); err == nil {
		t.Error("two listen on one port")
	}
	web := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/file" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "content")
	})}
	go func() { _ = web.Serve(l) }()
	defer func() { _ = web.Close() }()
	got, _ := sh(t, client, "alice", "curl -fsS http://other:8080/file; echo; curl -fsS -o f http://other:8080/none; echo $?; wget -q -O g http://other:8080/file && cat g; echo; curl -s http://other/; echo $?", "")
	want := "content\ncurl: (22) The requested URL returned error: 404\n22\ncontent\n"
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "connection refused\n7") {
		t.Errorf("got %q, want %q", got, want)
	}
	server.Stop()
	if _, code := sh(t, client, "alice", "curl -fs http://other:8080/file", ""); code == 0 {
		t.Error("a machine that is off serves")
	}
}

// TestClosed leaves nothing behind.
func TestClosed(t *testing.T) {
	h := machine(t, nil)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(Boot{}); err == nil {
		t.Error("a machine that is gone boots")
	}
	if _, err := os.Stat(h.o.Dir); err != nil {
		t.Error("its files are its owner's, and are gone")
	}
}
