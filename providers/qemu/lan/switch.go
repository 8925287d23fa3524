package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/containers/gvisor-tap-vsock/pkg/services/forwarder"
	"github.com/containers/gvisor-tap-vsock/pkg/tap"
	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// mtu is what every interface has.
const mtu = 1500

// nic is the switch's own interface in its stack.
const nic = 1

// network is a running switch.
type network struct {
	dir    string
	config Config
	stack  *stack.Stack
	frames *tap.Switch
	pool   *tap.IPPool
	names  *names

	mu    sync.Mutex
	ports map[string]*port
	stop  context.CancelFunc
}

// Serve runs the switch of a network's folder until it is stopped or the
// folder is gone. A second switch on the same folder ends at once.
func Serve(dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil // another one serves it
	}
	config, err := Read(dir)
	if err != nil {
		return err
	}
	logrus.SetOutput(io.Discard) // the libraries' words are about single packets
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n, err := newNetwork(dir, config)
	if err != nil {
		return fmt.Errorf("start the network %s: %w", config.Subnet, err)
	}
	n.stop = cancel
	os.Remove(config.Control) // of a switch that was killed; the lock says that it is dead
	control, err := net.Listen("unix", config.Control)
	if err != nil {
		return fmt.Errorf("listen for nxc: %w", err)
	}
	defer os.Remove(config.Control)
	defer control.Close()
	if err := os.Chmod(config.Control, 0o600); err != nil {
		return err
	}
	if err := n.reload(ctx); err != nil {
		return err
	}
	go n.watchFolder(ctx)
	go n.serveControl(ctx, control)
	slog.Info("the switch runs", "subnet", config.Subnet.String(), "pid", os.Getpid())
	<-ctx.Done()
	return nil
}

func newNetwork(dir string, config Config) (*network, error) {
	gateway := config.Gateway()
	endpoint, err := tap.NewLinkEndpoint(false, mtu, MAC(gateway), gateway.String(), nil)
	if err != nil {
		return nil, err
	}
	n := &network{dir: dir, config: config, frames: tap.NewSwitch(false), ports: map[string]*port{}}
	endpoint.Connect(n.frames)
	n.frames.Connect(endpoint)
	if n.stack, err = newStack(config, endpoint); err != nil {
		return nil, err
	}
	if config.NAT {
		var lock sync.Mutex
		n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, forwarder.TCP(n.stack, nil, &lock, false).HandlePacket)
		n.stack.SetTransportProtocolHandler(udp.ProtocolNumber, forwarder.UDP(n.stack, nil, &lock, false).HandlePacket)
	}
	if err := n.serveNames(); err != nil {
		return nil, fmt.Errorf("serve names: %w", err)
	}
	if err := n.serveAddresses(); err != nil {
		return nil, fmt.Errorf("serve addresses: %w", err)
	}
	return n, nil
}

// newStack is the TCP/IP of the gateway.
func newStack(config Config, endpoint stack.LinkEndpoint) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := s.CreateNIC(nic, endpoint); err != nil {
		return nil, errors.New(err.String())
	}
	own := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: address(config.Gateway()).WithPrefix()}
	if err := s.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
		return nil, errors.New(err.String())
	}
	if config.NAT { // it answers in the name of the whole world
		s.SetSpoofing(nic, true)
		s.SetPromiscuousMode(nic, true)
	}
	mask := net.CIDRMask(config.Subnet.Bits(), 32)
	subnet, err := tcpip.NewSubnet(address(config.Subnet.Addr()), tcpip.MaskFromBytes(mask))
	if err != nil {
		return nil, err
	}
	s.SetRouteTable([]tcpip.Route{{Destination: subnet, NIC: nic}})
	return s, nil
}

func address(a netip.Addr) tcpip.Address { return tcpip.AddrFrom4(a.As4()) }

// dial connects to a machine from the gateway.
func (n *network) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	return gonet.DialContextTCP(ctx, n.stack, tcpip.FullAddress{NIC: nic, Addr: address(to.Addr()), Port: to.Port()}, ipv4.ProtocolNumber)
}

// reload makes the running ports those of the folder.
func (n *network) reload(ctx context.Context) error {
	// Under the lock: of two at one time, the last has to be the one that read
	// last, or it takes away what the other has just plugged in.
	n.mu.Lock()
	defer n.mu.Unlock()
	wanted, err := Ports(n.dir)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, w := range wanted {
		kept[w.ID] = true
		have := n.ports[w.ID]
		if have != nil && !have.sameWiring(w) {
			have.close()
			have = nil
		}
		if have == nil {
			have = n.plug(ctx, w)
		}
		have.setLink(w.Link)
		n.ports[w.ID] = have
	}
	for id, p := range n.ports {
		if !kept[id] {
			p.close()
			delete(n.ports, id)
		}
	}
	n.names.set(wanted)
	return nil
}

// sameWiring reports whether only the link's quality or names differ.
func (p *port) sameWiring(w Port) bool {
	return p.Socket == w.Socket && p.MAC == w.MAC && p.Address == w.Address && reflect.DeepEqual(p.Forwards, w.Forwards)
}

// watchFolder ends the switch when its network was removed.
func (n *network) watchFolder(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := os.Stat(filepath.Join(n.dir, configFile)); errors.Is(err, os.ErrNotExist) {
			n.stop()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}
