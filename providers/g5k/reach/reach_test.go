package reach

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// world is an access machine, a frontend and a node behind it.
type world struct {
	gateway, frontend, node *server
	o                       Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	key, text := newKey(t)
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{frontend: serve(t, "frontend", key.PublicKey(), nil), node: serve(t, "node", key.PublicKey(), nil)}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	w.gateway = serve(t, "gateway", key.PublicKey(), map[string]string{
		"lyon": w.frontend.address(), "nova-1.lyon.grid5000.fr": w.node.address(), "nova-2.lyon.grid5000.fr": silent.Addr().String(),
	})
	w.o = Options{
		User: "jdoe", Gateway: w.gateway.address(), Key: file, Home: dir, Pinned: filepath.Join(dir, "own", "known_hosts"),
		KnownHosts: know(t, map[string]ssh.PublicKey{w.gateway.address(): w.gateway.key.PublicKey()}),
	}
	return w
}

// open returns the network, which ends with the test.
func (w *world) open(t *testing.T) *Network {
	n := New(w.o)
	t.Cleanup(n.Close)
	return n
}

func output(t *testing.T, c *ssh.Client) string {
	t.Helper()
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	out, err := session.Output("name")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func anyKey(ssh.PublicKey) error { return nil }

func TestThroughTheAccessMachine(t *testing.T) {
	w := newWorld(t)
	n := w.open(t)
	var noted []string
	note := func(text string) { noted = append(noted, text) }
	f, err := n.Frontend(t.Context(), "lyon", note)
	if err != nil {
		t.Fatal(err)
	}
	if got := output(t, f); got != "frontend" {
		t.Errorf("the frontend says it is %q", got)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := n.Node(t.Context(), "nova-1.lyon.grid5000.fr", Login{Host: w.node.key.PublicKey()})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if got := output(t, c); got != "node" {
				t.Errorf("the node says it is %q", got)
			}
		})
	}
	all.Wait()
	if len(noted) != 1 || !strings.Contains(noted[0], "SHA256:") {
		t.Errorf("of the first contact it said %q", noted)
	}
	if w.gateway.count != 1 {
		t.Errorf("%d connections to the access machine, want one for all", w.gateway.count)
	}
	// The network was gone for a moment.
	w.gateway.cut()
	w.frontend.cut()
	if f, err = n.Frontend(t.Context(), "lyon", note); err != nil {
		t.Fatal(err)
	}
	if output(t, f) != "frontend" || len(noted) != 1 {
		t.Errorf("after the network was gone: %q", noted)
	}
}

func TestWhoIsNotTrusted(t *testing.T) {
	other, text := newKey(t)
	cases := map[string]struct {
		change func(w *world)
		want   []string
	}{
		"access machine unknown": {
			func(w *world) { w.o.KnownHosts = filepath.Join(w.o.Home, "nothing") },
			[]string{"host key of the access machine", "is not known", "SHA256:", "log in once by hand"},
		},
		"access machine changed": {
			func(w *world) { w.gateway.key = other },
			[]string{"another one than before", "listening in"},
		},
		"key not accepted": {
			func(w *world) {
				w.o.Key = filepath.Join(w.o.Home, "other")
				_ = os.WriteFile(w.o.Key, text, 0o600)
			},
			[]string{"accepts none of your keys", "other", "ssh_key"},
		},
		"no key":         {func(w *world) { w.o.Key = "" }, []string{"There is no ssh key", "SSH_AUTH_SOCK"}},
		"key missing":    {func(w *world) { w.o.Key = "/nowhere/key" }, []string{"cannot be read", "/nowhere/key"}},
		"nobody listens": {func(w *world) { w.gateway.listener.Close() }, []string{"access machine of Grid'5000 cannot be reached"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			_, err := w.open(t).Frontend(t.Context(), "lyon", nil)
			if err == nil {
				t.Fatal("it was let in")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestFrontendKeyChanges(t *testing.T) {
	w := newWorld(t)
	if _, err := w.open(t).Frontend(t.Context(), "lyon", nil); err != nil {
		t.Fatal(err)
	}
	other, _ := newKey(t)
	w.frontend.mu.Lock()
	w.frontend.key = other
	w.frontend.mu.Unlock()
	_, err := w.open(t).Frontend(t.Context(), "lyon", nil)
	if err == nil || !strings.Contains(err.Error(), "another one than before") {
		t.Errorf("got %v", err)
	}
}

func TestNodesThatDoNotAnswer(t *testing.T) {
	w := newWorld(t)
	n := w.open(t)
	_, err := n.Node(t.Context(), "nova-3.lyon.grid5000.fr", Login{Seen: anyKey})
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("absent: got %v", err)
	}
	_, err = n.Node(t.Context(), "nova-2.lyon.grid5000.fr", Login{Seen: anyKey, Within: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no answer in 100ms") {
		t.Errorf("silent: got %v", err)
	}
	other, _ := newKey(t)
	if _, err := n.Node(t.Context(), "nova-1.lyon.grid5000.fr", Login{Host: other.PublicKey()}); err == nil {
		t.Error("a node with another host key was believed")
	}
}
