package simulator

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/host"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// accessMachine is the machine that is reached from outside, and the sites'
// frontends behind it.
type accessMachine struct {
	sim       *Simulator
	listener  net.Listener
	host      *host.Host
	frontends map[string]*host.Host

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// startAccess makes the homes, the frontends and the access machine, and
// listens.
func (s *Simulator) startAccess() error {
	a := &accessMachine{sim: s, frontends: map[string]*host.Host{}, conns: map[net.Conn]bool{}}
	s.access = a
	for _, name := range s.names {
		if err := s.makeHome(name); err != nil {
			return err
		}
		t := s.sites[name]
		f, err := a.make(t.Frontend(), map[string]string{"/home": filepath.Join(s.dir, "home", name)}, func(user string, key ssh.PublicKey) bool {
			return s.hasKey(name, user, key)
		})
		if err != nil {
			return err
		}
		a.frontends[name] = f
	}
	mounts := map[string]string{}
	for _, name := range s.names {
		mounts["/home/"+s.options.User+"/"+name] = s.Home(name)
	}
	gate, err := a.make("access."+platform.Domain, mounts, func(user string, key ssh.PublicKey) bool {
		return user == s.options.User && slices.ContainsFunc(s.options.Keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) })
	})
	if err != nil {
		return err
	}
	a.host = gate
	address, _, err := net.SplitHostPort(s.options.Listen)
	if err != nil {
		return err
	}
	if a.listener, err = net.Listen("tcp", net.JoinHostPort(address, "0")); err != nil {
		return err
	}
	s.work.Go(a.accept)
	return s.writeKnownHosts()
}

func (a *accessMachine) make(name string, mounts map[string]string, allow func(string, ssh.PublicKey) bool) (*host.Host, error) {
	key, err := a.sim.hostKey(name)
	if err != nil {
		return nil, err
	}
	return host.New(host.Options{
		Name: name, Dir: filepath.Join(a.sim.dir, "machines", name), Mounts: mounts, Key: key, Allow: allow, Dial: a.sim.dialNetwork,
	})
}

// makeHome makes the user's home at a site, with the keys that log in.
func (s *Simulator) makeHome(site string) error {
	home := s.Home(site)
	for _, dir := range []string{"public", ".ssh"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o755); err != nil { //nolint:gosec // served to everybody
			return err
		}
	}
	var keys []byte
	for _, k := range s.options.Keys {
		keys = append(keys, ssh.MarshalAuthorizedKey(k)...)
	}
	return os.WriteFile(filepath.Join(home, ".ssh", "authorized_keys"), keys, 0o600)
}

// hasKey says whether a key is one of those in a user's home at a site.
func (s *Simulator) hasKey(site, user string, key ssh.PublicKey) bool {
	if user == "" || strings.ContainsAny(user, "/.") {
		return false
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "home", site, user, ".ssh", "authorized_keys"))
	return err == nil && slices.ContainsFunc(parseKeys(raw), func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) })
}

func (a *accessMachine) address() string { return a.listener.Addr().String() }

func (a *accessMachine) frontend(site string) *host.Host { return a.frontends[site] }

// accept serves the access machine's ssh.
func (a *accessMachine) accept() {
	for {
		c, err := a.listener.Accept()
		if err != nil {
			return
		}
		if a.sim.faults.out() {
			_ = c.Close()
			continue
		}
		a.mu.Lock()
		a.conns[c] = true
		a.mu.Unlock()
		a.sim.work.Go(func() {
			a.host.Serve(c)
			a.mu.Lock()
			delete(a.conns, c)
			a.mu.Unlock()
		})
	}
}

// cut ends all connections from outside.
func (a *accessMachine) cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		_ = c.Close()
	}
}

func (a *accessMachine) close() {
	if a.listener != nil {
		_ = a.listener.Close()
	}
	if a.host != nil {
		_ = a.host.Close()
	}
	for _, f := range a.frontends {
		_ = f.Close()
	}
}

// writeKnownHosts writes who the machines are.
func (s *Simulator) writeKnownHosts() error {
	var lines []string
	know := func(key ssh.PublicKey, names ...string) { lines = append(lines, knownhosts.Line(names, key)+"\n") }
	know(s.access.host.Key(), s.access.address(), "access."+platform.Domain)
	for _, name := range s.names {
		know(s.access.frontend(name).Key(), name, name+"."+platform.Domain, "frontend."+name+"."+platform.Domain, s.sites[name].Frontend())
	}
	for _, name := range s.names {
		for _, c := range s.sites[name].Clusters {
			for i := 1; i <= c.Nodes; i++ {
				key, err := s.hostKey(c.Node(i))
				if err != nil {
					return err
				}
				know(key.PublicKey(), c.Node(i))
			}
		}
	}
	return os.WriteFile(s.KnownHosts(), []byte(strings.Join(lines, "")), 0o600)
}

// Dial opens a connection as a machine inside does, without the access
// machine.
func (s *Simulator) Dial(ctx context.Context, address string) (net.Conn, error) {
	return s.dialNetwork(ctx, address)
}

// drawSeed draws what the machines' first keys come from. It is kept with the
// files, so that a folder that is given again has the same machines.
func (s *Simulator) drawSeed() error {
	file := filepath.Join(s.dir, "seed")
	raw, err := os.ReadFile(file)
	switch {
	case err == nil && len(raw) == len(s.seed):
		copy(s.seed[:], raw)
		return nil
	case err == nil || errors.Is(err, os.ErrNotExist):
		if _, err := rand.Read(s.seed[:]); err != nil {
			return err
		}
		return os.WriteFile(file, s.seed[:], 0o600)
	}
	return fmt.Errorf("read the seed of the machines' keys: %w", err)
}
