// Package reach leads to the machines of Grid'5000 by ssh: through the access
// machine from outside, where one connection carries those to all frontends
// and nodes, and straight from within.
//
// It knows who a machine is by its host key: the access machine's has to be
// known beforehand, a frontend's is remembered at first contact, and a node's
// is its caller's matter, because every system that a node boots has its own.
// It starts nothing on machines, and knows neither jobs nor deployments.
package reach

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Options say who goes where.
type Options struct {
	User       string
	Gateway    string // access machine, host or host:port; "" within Grid'5000
	Key        string // file of the user's own key; "" for the usual ones
	KnownHosts string // "" for ~/.ssh/known_hosts
	Pinned     string // our own file of host keys, for frontends at first contact
	Home       string
	Getenv     func(string) string
}

// Network leads to machines. Its connections are kept for the next call, and
// made anew when they broke. It may be used from several goroutines.
type Network struct {
	o    Options
	keys keys

	mu        sync.Mutex
	gateway   *ssh.Client
	frontends map[string]*ssh.Client
	opening   map[string]*opening
}

// opening is a connection that is being made, for all who want it.
type opening struct {
	done   chan struct{}
	client *ssh.Client
	err    error
}

// New returns a network. It opens nothing.
func New(o Options) *Network {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	return &Network{o: o, keys: keys{o: o}, frontends: map[string]*ssh.Client{}, opening: map[string]*opening{}}
}

// answerTime bounds what a machine that is up does at once.
const answerTime = 20 * time.Second

// Close ends all connections.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.frontends {
		c.Close()
	}
	if n.gateway != nil {
		n.gateway.Close()
	}
	n.frontends, n.gateway = map[string]*ssh.Client{}, nil
	n.keys.close()
}

// Dial opens a connection to a port of a machine, by its name in Grid'5000.
func (n *Network) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	address := net.JoinHostPort(host, fmt.Sprint(port))
	if n.o.Gateway == "" {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	for again := true; ; again = false {
		gateway, err := n.throughGateway(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := gateway.DialContext(ctx, "tcp", address)
		var refused *ssh.OpenChannelError
		switch {
		case err == nil:
			return conn, nil
		case errors.As(err, &refused): // the access machine itself is well
			return nil, fmt.Errorf("reach %s through %s: %s", address, n.o.Gateway, refused.Message)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		n.forget(gateway)
		if !again {
			return nil, fmt.Errorf("reach %s through %s: %w", address, n.o.Gateway, err)
		}
	}
}

// throughGateway returns the connection to the access machine.
func (n *Network) throughGateway(ctx context.Context) (*ssh.Client, error) {
	return n.shared(ctx, "", func() *ssh.Client { return n.gateway }, func(c *ssh.Client) { n.gateway = c }, n.openGateway)
}

// shared returns a connection that is there, or opens one for all who want it.
func (n *Network) shared(ctx context.Context, name string, have func() *ssh.Client, keep func(*ssh.Client), open func(context.Context) (*ssh.Client, error)) (*ssh.Client, error) {
	n.mu.Lock()
	if c := have(); c != nil {
		n.mu.Unlock()
		return c, nil
	}
	o := n.opening[name]
	if o == nil {
		o = &opening{done: make(chan struct{})}
		n.opening[name] = o
		n.mu.Unlock()
		// Others may wait for it who are not interrupted with the first.
		go func() {
			limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*answerTime)
			defer cancel()
			o.client, o.err = open(limited)
			n.mu.Lock()
			if o.err == nil {
				keep(o.client)
			}
			delete(n.opening, name)
			n.mu.Unlock()
			close(o.done)
		}()
	} else {
		n.mu.Unlock()
	}
	select {
	case <-o.done:
		return o.client, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// forget drops a connection that broke.
func (n *Network) forget(c *ssh.Client) {
	c.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gateway == c {
		n.gateway = nil
	}
	for site, f := range n.frontends {
		if f == c {
			delete(n.frontends, site)
		}
	}
}

// openGateway opens the connection to the access machine.
func (n *Network) openGateway(ctx context.Context) (*ssh.Client, error) {
	address := n.o.Gateway
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "22")
	}
	known, err := n.strictly()
	if err != nil {
		return nil, err
	}
	auth, err := n.keys.auth()
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: answerTime, KeepAlive: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, sdk.Error("The access machine of Grid'5000 cannot be reached",
			fmt.Sprintf("%v. Is there a network? Name another one as gateway, or an empty one within Grid'5000.", err))
	}
	c, err := sshnode.Handshake(ctx, conn, &ssh.ClientConfig{
		User: n.o.User, Auth: auth, HostKeyCallback: known.callback(address), HostKeyAlgorithms: known.algorithms(address),
	}, answerTime)
	if err != nil {
		return nil, n.explain(err, "the access machine "+n.o.Gateway)
	}
	return c, nil
}

// explain says what to do about a connection that did not come about.
func (n *Network) explain(err error, who string) error {
	var unknown *unknownKey
	var changed *changedKey
	switch {
	case errors.As(err, &unknown):
		return sdk.Error(fmt.Sprintf("The host key of %s is not known", who),
			fmt.Sprintf("It answers with %s. Compare that with what Grid'5000 publishes, and log in once by hand (ssh %s@%s), which adds it to %s.",
				unknown.fingerprint, n.o.User, n.o.Gateway, n.knownHosts()))
	case errors.As(err, &changed):
		return sdk.Error(fmt.Sprintf("The host key of %s is another one than before", who),
			fmt.Sprintf("It answers with %s, but %s has another. Somebody may be listening in. If the machine did get a new key, remove the old one from that file.",
				changed.fingerprint, changed.file))
	case strings.Contains(err.Error(), "unable to authenticate"):
		return sdk.Error(fmt.Sprintf("%s accepts none of your keys", upperFirst(who)),
			fmt.Sprintf("As %s nxc offered %s. Add the public half of one of them at https://api.grid5000.fr/stable/users, or name another as ssh_key.", n.o.User, n.keys.offered()))
	}
	return fmt.Errorf("reach %s by ssh: %w", who, err)
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
