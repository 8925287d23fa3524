package simulator

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// login is a user with a key.
type login struct {
	signer ssh.Signer
	t      *testing.T
	s      *Simulator
}

// platform starts a platform for one user, with a clock that stands unless the
// options say otherwise.
func startPlatform(t *testing.T, o Options) (*Simulator, login) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	o.User, o.Keys = "alice", []ssh.PublicKey{signer.PublicKey()}
	if o.Speed == 0 {
		o.Frozen = true
	}
	if o.Clusters == nil {
		o.Clusters = map[string]int{"dahu": 4, "nova": 2}
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, login{signer, t, s}
}

// dial logs in through the access machine.
func (l login) dial(user, machine string) (*ssh.Client, error) {
	l.t.Helper()
	check, err := knownhosts.New(l.s.KnownHosts())
	if err != nil {
		l.t.Fatal(err)
	}
	gate, err := ssh.Dial("tcp", l.s.Gateway(), &ssh.ClientConfig{User: "alice", Auth: []ssh.AuthMethod{ssh.PublicKeys(l.signer)}, HostKeyCallback: check})
	if err != nil {
		return nil, err
	}
	l.t.Cleanup(func() { _ = gate.Close() })
	c, err := gate.Dial("tcp", machine+":22")
	if err != nil {
		return nil, err
	}
	if user == "root" { // deployed: its key is one that nobody knows yet
		check = ssh.InsecureIgnoreHostKey() //nolint:gosec // a machine of the test
	}
	conn, channels, requests, err := ssh.NewClientConn(c, machine+":22", &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(l.signer)}, HostKeyCallback: check})
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(conn, channels, requests)
	l.t.Cleanup(func() { _ = client.Close() })
	return client, nil
}

// run runs a command and returns what it said.
func (l login) run(c *ssh.Client, command string) string {
	l.t.Helper()
	session, err := c.NewSession()
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	out, err := session.CombinedOutput(command)
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// reserve gives nodes to the user, and returns them.
func (l login) reserve(site, resources string, types ...string) oar.Job {
	l.t.Helper()
	j, err := l.s.SubmitJob(site, oar.Submission{User: "alice", Resources: resources, Command: "sleep 1d", Types: types})
	if err != nil {
		l.t.Fatal(err)
	}
	l.s.Advance(5 * time.Second)
	for _, now := range l.s.Jobs(site) {
		if now.ID == j.ID && now.State == oar.Running {
			return now
		}
	}
	l.t.Fatalf("job %d does not run", j.ID)
	return j
}

func TestFrontend(t *testing.T) {
	s, l := startPlatform(t, Options{})
	for _, name := range []string{"grenoble", "fgrenoble.grenoble.grid5000.fr"} {
		c, err := l.dial("alice", name)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.run(c, "hostname; pwd; ls"); got != "fgrenoble.grenoble.grid5000.fr\n/home/alice\npublic" {
			t.Errorf("at %s: %q", name, got)
		}
	}
	c, err := l.dial("alice", "grenoble")
	if err != nil {
		t.Fatal(err)
	}
	files, err := sftp.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	f, err := files.Create("public/image.part")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadFrom(bytes.NewReader(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := files.PosixRename("/home/alice/public/image.part", "/home/alice/public/image"); err != nil {
		t.Fatal(err)
	}
	if got, want := l.run(c, "cd public && sha256sum image && stat -c %s image | tee n && test -s n && wc -l <n"), "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58  image\n1048576\n1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, url := range []string{s.PublicURL() + "/grenoble/~alice/image", "http://public.grenoble.grid5000.fr/~alice/image"} {
		resp, err := s.get(context.Background(), http.MethodGet, url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || len(body) != 1<<20 {
			t.Errorf("%s: %s, %d bytes, %v", url, resp.Status, len(body), err)
		}
	}
	if got := l.run(c, "curl -sI http://public.grenoble.grid5000.fr/~alice/other; rm -rf public/image; ls public"); got != "HTTP/1.1 404 Not Found\nn" && !strings.HasSuffix(got, "404 Not Found") {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(s.Home("grenoble") + "/public/image"); err == nil {
		t.Error("what was removed is there")
	}
}

func TestNodesAreTheirJobs(t *testing.T) {
	s, l := startPlatform(t, Options{})
	if _, err := l.dial("alice", "dahu-1.grenoble.grid5000.fr"); err == nil {
		t.Fatal("a node without a job let somebody in")
	}
	j := l.reserve("grenoble", "nodes=1")
	c, err := l.dial("alice", j.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := l.run(c, "hostname; whoami; sudo-g5k whoami; sudo-g5k sh -c 'echo hello >/root/greeting'; sudo cat /root/greeting"); got != "dahu-1.grenoble.grid5000.fr\nalice\nroot\nhello" {
		t.Errorf("got %q", got)
	}
	first := l.run(c, "cat /proc/sys/kernel/random/boot_id")
	if err := s.KillJob("grenoble", j.ID); err != nil {
		t.Fatal(err)
	}
	s.Advance(5 * time.Second)
	if err := c.Wait(); err == nil {
		t.Error("the job's end left its user logged in")
	}
	l.reserve("grenoble", "{host='dahu-1.grenoble.grid5000.fr'}/nodes=1")
	c = l.eventually("alice", "dahu-1.grenoble.grid5000.fr")
	if got := l.run(c, "sudo-g5k ls /root; cat /proc/sys/kernel/random/boot_id"); got == first || strings.Contains(got, "greeting") {
		t.Errorf("what the last job left: %q", got)
	}
}

// eventually logs in as soon as the machine is up.
func (l login) eventually(user, machine string) *ssh.Client {
	l.t.Helper()
	return l.eventuallyWithin(user, machine, time.Minute)
}

func (l login) eventuallyWithin(user, machine string, within time.Duration) *ssh.Client {
	l.t.Helper()
	var err error
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var c *ssh.Client
		if c, err = l.dial(user, machine); err == nil {
			return c
		}
	}
	l.t.Fatalf("%s@%s: %v", user, machine, err)
	return nil
}

func TestKexec(t *testing.T) {
	_, l := startPlatform(t, Options{})
	j := l.reserve("grenoble", "nodes=1")
	c, err := l.dial("alice", j.Nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	first := l.run(c, "cat /proc/sys/kernel/random/boot_id")
	files, err := sftp.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	initrd := cpio(map[string]string{"root/.ssh/authorized_keys": string(ssh.MarshalAuthorizedKey(l.signer.PublicKey())), "etc/token": "ours"})
	for name, content := range map[string][]byte{"/tmp/kernel": []byte("a kernel"), "/tmp/initrd": initrd} {
		f, err := files.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.run(c, "sudo-g5k kexec -l /tmp/kernel --initrd=/tmp/initrd --command-line='console=ttyS0 token=1' && sudo-g5k setsid -f sh -c 'sleep 0.1; kexec -e'")
	c = l.eventually("root", j.Nodes[0])
	got := l.run(c, "cat /etc/token; echo; cat /proc/cmdline; test -e /tmp/kernel || echo gone; cat /proc/sys/kernel/random/boot_id")
	if !strings.HasPrefix(got, "ours\nconsole=ttyS0 token=1\ngone\n") || strings.Contains(got, first) {
		t.Errorf("after kexec: %q", got)
	}
	if _, err := l.dial("alice", j.Nodes[0]); err == nil {
		t.Error("the standard environment's user is in the new system")
	}
}

// cpio makes an archive of cpio's newc format.
func cpio(files map[string]string) []byte {
	var b bytes.Buffer
	entry := func(name string, mode int, content string) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		b.Write(make([]byte, (4-b.Len()%4)%4))
		b.WriteString(content)
		b.Write(make([]byte, (4-b.Len()%4)%4))
	}
	for _, name := range sortedKeys(files) {
		entry(name, 0o100644, files[name])
	}
	entry("TRAILER!!!", 0, "")
	return b.Bytes()
}

func TestSilence(t *testing.T) {
	s, l := startPlatform(t, Options{})
	j := l.reserve("grenoble", "nodes=1")
	s.Silence(j.Nodes[0], true)
	c, err := s.Dial(context.Background(), j.Nodes[0]+":22")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("a silent node said %d bytes", n)
	}
}
