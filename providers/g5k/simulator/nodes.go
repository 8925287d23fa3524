package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/host"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// Kind is what nodes are made of.
type Kind string

const (
	// Process nodes are in this process: thousands of them are no trouble.
	Process Kind = "process"
	// Namespace nodes are network namespaces of this machine with a real sshd;
	// they need root.
	Namespace Kind = "namespace"
	// Machines are QEMU machines: what they are told to boot, they boot.
	Machines Kind = "machine"
)

// Program runs what a process node has no command of its own for.
type Program = host.Program

// machine is what a node is made of.
type machine interface {
	// Dial opens a connection to a port of it.
	Dial(ctx context.Context, port int) (net.Conn, error)
	// Restore boots the standard environment, without a trace of what was.
	Restore(ctx context.Context) error
	// Deploy boots an environment whose users are those of the image.
	Deploy(ctx context.Context, d *deployment) error
	// Off ends whatever runs on it.
	Off()
	Close() error
}

// hostOf is a node with what it is made of, which is made when it is needed.
type hostOf struct {
	sim     *Simulator
	site    *site
	name    string
	cluster platform.Cluster
	number  int

	work     sync.Mutex // held by what changes the machine
	mu       sync.Mutex
	machine  machine
	powered  bool
	pristine bool // nobody has had it since it was restored
}

// startNodes prepares for all nodes, and starts none.
func (s *Simulator) startNodes(sites []platform.Site) error {
	for _, p := range sites {
		for _, c := range p.Clusters {
			for i := 1; i <= c.Nodes; i++ {
				h := &hostOf{sim: s, site: s.sites[p.Name], name: c.Node(i), cluster: c, number: i, powered: true, pristine: true}
				s.hosts[h.name] = h
			}
		}
	}
	return s.prepareKind()
}

// host finds a node by its full name.
func (s *Simulator) host(name string) *hostOf {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[name]
}

func (s *Simulator) closeHosts() error {
	s.mu.Lock()
	hosts := make([]*hostOf, 0, len(s.hosts))
	for _, h := range s.hosts {
		hosts = append(hosts, h)
	}
	s.mu.Unlock()
	var errs []error
	for _, h := range hosts {
		h.work.Lock()
		h.mu.Lock()
		m := h.machine
		h.machine = nil
		h.mu.Unlock()
		h.work.Unlock()
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(append(errs, s.closeKind())...)
}

// Errors of connections, as a machine's own system says them.
var (
	errRefused     = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errUnreachable = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
)

// dial opens a connection to a port of the node, which is made when it is not
// there yet.
func (h *hostOf) dial(ctx context.Context, port int) (net.Conn, error) {
	if port == 22 && h.sim.faults.isSilent(h.name) {
		return h.sim.mute(), nil
	}
	h.mu.Lock()
	powered, m := h.powered, h.machine
	h.mu.Unlock()
	if !powered {
		return nil, errUnreachable
	}
	if m == nil {
		var err error
		if m, err = h.make(ctx); err != nil {
			return nil, err
		}
	}
	return m.Dial(ctx, port)
}

// make makes the machine.
func (h *hostOf) make(ctx context.Context) (machine, error) {
	h.work.Lock()
	defer h.work.Unlock()
	h.mu.Lock()
	m := h.machine
	h.mu.Unlock()
	if m != nil {
		return m, nil
	}
	if h.sim.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	m, err := h.sim.newMachine(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", h.name, err)
	}
	h.mu.Lock()
	h.machine, h.pristine = m, false
	h.mu.Unlock()
	return m, nil
}

// off takes the node off the network, and ends what runs there.
func (h *hostOf) off() {
	h.mu.Lock()
	h.powered = false
	m := h.machine
	h.mu.Unlock()
	if m != nil {
		m.Off()
	}
}

// on lets the node be reached again. What ran on it does not.
func (h *hostOf) on() {
	h.mu.Lock()
	was := h.powered
	h.mu.Unlock()
	if !was {
		h.sim.restore(h.name)
	}
}

// deploy puts an environment on the node.
func (h *hostOf) deploy(ctx context.Context, d *deployment) error {
	m, err := h.make(ctx)
	if err != nil {
		return err
	}
	h.work.Lock()
	defer h.work.Unlock()
	if err := m.Deploy(ctx, d); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.powered = true
	return nil
}

// restore brings a node back to what nodes are before anybody had them.
func (s *Simulator) restore(name string) {
	h := s.host(name)
	h.work.Lock()
	defer h.work.Unlock()
	h.mu.Lock()
	m := h.machine
	h.powered = m == nil
	h.mu.Unlock()
	if m == nil || s.ctx.Err() != nil {
		return
	}
	m.Off()
	if err := m.Restore(s.ctx); err != nil {
		s.log.Warn("a node did not come back", "node", name, "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.powered = true
}

// lets says whether a user may log in on the node with a key while it has the
// standard environment: the user has it in a job, and the key is one of those
// that are in the user's home.
func (h *hostOf) lets(user string, key ssh.PublicKey) bool {
	j, ok := h.site.owner(h.name)
	return ok && j.User == user && h.sim.hasKey(h.site.Name, user, key)
}

// dialNetwork opens a connection as a machine of the platform does: to nodes,
// frontends and public folders by their names there.
func (s *Simulator) dialNetwork(ctx context.Context, address string) (net.Conn, error) {
	name, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port := number(portText, 0)
	if h := s.hostNamed(name); h != nil {
		if h.site.isDown() {
			return nil, errUnreachable
		}
		return h.dial(ctx, port)
	}
	if h := s.hostByAddress(name); h != nil {
		return h.dial(ctx, port)
	}
	if t := s.frontendSite(name); t != nil {
		if t.isDown() {
			return nil, errUnreachable
		}
		return s.access.frontend(t.Name).Dial(ctx, port)
	}
	if name == "api."+platform.Domain && port == 80 {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.base[len("http://"):])
	}
	for _, site := range s.names {
		if name == "public."+site || name == "public."+site+"."+platform.Domain {
			if port != 80 {
				return nil, errRefused
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.publicURL[len("http://"):])
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// hostNamed finds a node by the name that leads to it from where it is: one in
// a network of KaVLAN's has another one (dahu-1-kavlan-4), and one in a local
// network none.
func (s *Simulator) hostNamed(name string) *hostOf {
	short, domain, _ := strings.Cut(name, ".")
	plain, id, _ := strings.Cut(short, "-kavlan-")
	h := s.host(plain + "." + domain)
	if h == nil {
		return nil
	}
	h.site.mu.Lock()
	vlan := h.site.vlans[h.name]
	h.site.mu.Unlock()
	if vlan != number(id, 0) || slices.Contains(h.site.Vlans(), platform.Vlan{ID: vlan, Kind: "kavlan-local"}) {
		return nil
	}
	return h
}

// hostByAddress finds a node by its address in the production network.
func (s *Simulator) hostByAddress(address string) *hostOf {
	if net.ParseIP(address) == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		if h.cluster.Address(h.number) == address {
			return h
		}
	}
	return nil
}

// frontendSite finds the site whose frontend goes by a name: the site's, or
// its own, short or long.
func (s *Simulator) frontendSite(name string) *site {
	for _, site := range s.names {
		t := s.sites[site]
		if slices.Contains([]string{site, site + "." + platform.Domain, "frontend." + site + "." + platform.Domain, "f" + site, t.Frontend()}, name) {
			return t
		}
	}
	return nil
}

// mute is a connection on which nobody ever says anything.
func (s *Simulator) mute() net.Conn {
	near, far := net.Pipe()
	s.work.Go(func() {
		stop := context.AfterFunc(s.ctx, func() { _ = far.Close() })
		defer stop()
		buffer := make([]byte, 4096)
		for {
			if _, err := far.Read(buffer); err != nil {
				_ = far.Close()
				return
			}
		}
	})
	return near
}
