package reach

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// server is an ssh server on a port of its own. It runs "name", which prints
// its name, and forwards to the servers that its network knows.
type server struct {
	name     string
	key      ssh.Signer
	allowed  ssh.PublicKey
	network  map[string]string // HOST:PORT to the real address
	listener net.Listener

	mu    sync.Mutex
	conns []net.Conn
	count int
}

func newKey(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func serve(t *testing.T, name string, allowed ssh.PublicKey, network map[string]string) *server {
	t.Helper()
	key, _ := newKey(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{name: name, key: key, allowed: allowed, network: network, listener: l}
	t.Cleanup(func() {
		l.Close()
		s.cut()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns, s.count = append(s.conns, conn), s.count+1
			s.mu.Unlock()
			go s.handle(conn)
		}
	}()
	return s
}

func (s *server) address() string { return s.listener.Addr().String() }

// cut ends all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) handle(conn net.Conn) {
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(s.allowed.Marshal()) {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, nil
	}}
	s.mu.Lock()
	config.AddHostKey(s.key)
	s.mu.Unlock()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if c.ChannelType() == "direct-tcpip" {
			go s.forward(c)
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				_ = r.Reply(true, nil)
				if r.Type == "exec" {
					_, _ = io.WriteString(channel, s.name)
					_, _ = channel.SendRequest("exit-status", false, make([]byte, 4))
					channel.Close()
				}
			}
		}()
	}
}

func (s *server) forward(c ssh.NewChannel) {
	var to struct {
		Host   string
		Port   uint32
		From   string
		Source uint32
	}
	_ = ssh.Unmarshal(c.ExtraData(), &to)
	address, ok := s.network[to.Host]
	if !ok {
		_ = c.Reject(ssh.ConnectionFailed, "no such host as "+to.Host)
		return
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		_ = c.Reject(ssh.ConnectionFailed, "connection refused")
		return
	}
	channel, requests, err := c.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		_, _ = io.Copy(conn, channel)
		conn.Close()
	}()
	_, _ = io.Copy(channel, conn)
	channel.Close()
}

// know writes a file of known hosts.
func know(t *testing.T, keys map[string]ssh.PublicKey) string {
	t.Helper()
	var text string
	for name, key := range keys {
		text += knownhosts.Line([]string{name}, key) + "\n"
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
