package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Frontend returns a connection to a site's frontend as the user. note is told
// when its host key is seen for the first time. It is kept: do not close it.
func (n *Network) Frontend(ctx context.Context, site string, note func(string)) (*ssh.Client, error) {
	for again := true; ; again = false {
		c, err := n.shared(ctx, site, func() *ssh.Client { return n.frontends[site] }, func(c *ssh.Client) { n.frontends[site] = c },
			func(ctx context.Context) (*ssh.Client, error) { return n.openFrontend(ctx, site, note) })
		if err != nil || !again || sshnode.Answers(c) {
			return c, err
		}
		n.forget(c)
	}
}

// openFrontend goes through the access machine, which knows frontends by the
// names of their sites.
func (n *Network) openFrontend(ctx context.Context, site string, note func(string)) (*ssh.Client, error) {
	full := fmt.Sprintf("f%s.%s.grid5000.fr", site, site)
	host := site
	if n.o.Gateway == "" {
		host = full
	}
	conn, err := n.Dial(ctx, host, 22)
	if err != nil {
		return nil, err
	}
	known, err := readHostKeys(n.knownHosts(), n.o.Pinned)
	if err != nil {
		conn.Close()
		return nil, err
	}
	auth, err := n.keys.auth()
	if err != nil {
		conn.Close()
		return nil, err
	}
	names := []string{full, site, "frontend." + site + ".grid5000.fr", site + ".grid5000.fr", site + ".g5k"}
	check := known.callback(names...)
	c, err := sshnode.Handshake(ctx, conn, &ssh.ClientConfig{
		User: n.o.User, Auth: auth, HostKeyAlgorithms: known.algorithms(names...),
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			err := check(name, remote, key)
			var first *unknownKey
			if !errors.As(err, &first) || n.o.Pinned == "" {
				return err
			}
			if note != nil {
				note(fmt.Sprintf("the frontend of %s has the host key %s, which is remembered", site, first.fingerprint))
			}
			return pin(n.o.Pinned, full, key)
		},
	}, answerTime)
	if err != nil {
		return nil, n.explain(err, "the frontend of "+site)
	}
	return c, nil
}

// Login is how to log in on a node.
type Login struct {
	User string // "": the user of Grid'5000, with its own keys
	Key  ssh.Signer
	// Host is the host key that the node must have. Nil: whichever it has is
	// told to Seen, which may refuse it.
	Host   ssh.PublicKey
	Seen   func(ssh.PublicKey) error
	Within time.Duration // of one try; by default twenty seconds
}

// Node opens a connection to a node. It is the caller's, who closes it.
func (n *Network) Node(ctx context.Context, host string, l Login) (*ssh.Client, error) {
	config := &ssh.ClientConfig{User: l.User}
	switch {
	case l.Host != nil:
		config.HostKeyCallback, config.HostKeyAlgorithms = ssh.FixedHostKey(l.Host), algorithmsOf(l.Host.Type())
	case l.Seen != nil:
		config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error { return l.Seen(key) }
	default:
		return nil, errors.New("nothing says which host key " + host + " is to have")
	}
	if l.Key != nil {
		config.Auth = []ssh.AuthMethod{ssh.PublicKeys(l.Key)}
	} else {
		auth, err := n.keys.auth()
		if err != nil {
			return nil, err
		}
		config.Auth = auth
	}
	if config.User == "" {
		config.User = n.o.User
	}
	if l.Within == 0 {
		l.Within = answerTime
	}
	trying, cancel := context.WithTimeoutCause(ctx, l.Within, fmt.Errorf("no answer in %s", l.Within))
	defer cancel()
	conn, err := n.Dial(trying, host, 22)
	if err != nil {
		return nil, err
	}
	return sshnode.Handshake(ctx, conn, config, l.Within)
}
