package simulator

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// namespaces starts a platform whose nodes are namespaces, or skips.
func namespaces(t *testing.T) (*Simulator, login) {
	t.Helper()
	if err := Available(Namespace); err != nil {
		t.Skip(err)
	}
	return startPlatform(t, Options{Nodes: Namespace, Clusters: map[string]int{"dahu": 3}})
}

func TestNamespaces(t *testing.T) {
	s, l := namespaces(t)
	a := asker{t: t, base: s.API()}
	if _, err := l.dial("alice", "dahu-1.grenoble.grid5000.fr"); err == nil {
		t.Error("a node without a job let somebody in")
	}
	j := l.reserve("grenoble", "nodes=3", "deploy")
	c := l.eventually("alice", j.Nodes[0])
	if got := l.run(c, "hostname; pwd; ls; sudo-g5k sh -c 'echo hello >/root/greeting; rm -f /usr/bin/env; cat /root/greeting'"); got != "dahu-1.grenoble.grid5000.fr\n/home/alice\npublic\nhello" {
		t.Errorf("got %q", got)
	}
	if _, err := exec.LookPath("env"); err != nil {
		t.Fatal("what is removed on a node is removed here")
	}
	first := l.run(c, "cat /proc/sys/kernel/random/boot_id")
	l.eventually("alice", j.Nodes[1])
	if got := l.run(c, "exec 3<>/dev/tcp/dahu-2.grenoble.grid5000.fr/22 && read -r line <&3 && echo ${line%%-Open*}"); got != "SSH-2.0" {
		t.Errorf("one node does not reach another: %q", got)
	}
	url := upload(t, s, "")
	d := a.deploy(object{"nodes": j.Nodes[:2], "environment": url, "key": string(ssh.MarshalAuthorizedKey(l.signer.PublicKey()))})
	s.Advance(4 * time.Minute)
	if o := a.waitFor(d["uid"].(string)); o["result"].(object)[j.Nodes[0]].(object)["state"] != "OK" {
		t.Fatalf("deployment: %v", o)
	}
	c = l.eventually("root", j.Nodes[0])
	got := l.run(c, "cat /etc/issue /etc/context; test -e /root/greeting || echo gone; cat /proc/sys/kernel/random/boot_id")
	if !strings.HasPrefix(got, "ours\npublic part\ngone\n") || strings.Contains(got, first) {
		t.Errorf("the deployed node has %q", got)
	}
	if err := s.KillJob("grenoble", j.ID); err != nil {
		t.Fatal(err)
	}
	s.Advance(5 * time.Second)
	if err := c.Wait(); err == nil {
		t.Error("the job's end left its user logged in")
	}
	j = l.reserve("grenoble", "nodes=1")
	c = l.eventually("alice", j.Nodes[0])
	if got := l.run(c, "cat /etc/context 2>/dev/null; echo clean"); got != "clean" {
		t.Errorf("what the last job left: %q", got)
	}
}

func TestNamespacesServe(t *testing.T) {
	s, l := namespaces(t)
	j := l.reserve("grenoble", "nodes=2")
	c := l.eventually("alice", j.Nodes[0])
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	// What a node serves, others and the access machine reach.
	if err := session.Start("while printf 'HTTP/1.0 200 OK\r\n\r\nhere' | busybox nc -l -p 8080; do :; done"); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: s.dialTest}, Timeout: 10 * time.Second}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("http://" + j.Nodes[0] + ":8080/")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(body) == "here" {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("a node's server is not reached: %v", err)
		}
	}
}

func (s *Simulator) dialTest(ctx context.Context, _, address string) (net.Conn, error) {
	return s.Dial(ctx, address)
}
