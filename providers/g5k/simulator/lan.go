package simulator

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
	"github.com/sirupsen/logrus"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/share"
)

// machinesAvailable says why there cannot be machines.
func machinesAvailable(m Machine) error {
	for _, program := range []string{emulator()} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("nodes that are machines need the program %s", program)
		}
	}
	for _, file := range []string{m.Kernel, m.Initrd} {
		if file == "" {
			return errors.New("nodes that are machines need a kernel and an initial file system to boot")
		}
		if _, err := os.Stat(file); err != nil {
			return err
		}
	}
	return nil
}

// startLAN makes the network of machines: a switch in this process that tells
// each its address and its name, and serves the public folders and the homes.
func (s *Simulator) startLAN() error {
	logrus.SetOutput(io.Discard) // the library's words are about single packets
	leases, records := map[string]string{}, []types.Record{}
	for _, name := range s.names {
		for _, c := range s.sites[name].Clusters {
			for i := 1; i <= c.Nodes; i++ {
				leases[c.Address(i)] = c.MAC(i)
				records = append(records, types.Record{Name: strings.TrimSuffix(c.Node(i), "."+platform.Domain), IP: net.ParseIP(c.Address(i))})
			}
		}
		for _, service := range []string{"public.", "nfs."} {
			records = append(records, types.Record{Name: service + name, IP: net.ParseIP(wiresAddress)})
		}
	}
	lan, err := virtualnetwork.New(&types.Configuration{
		MTU: 1500, Subnet: fmt.Sprintf("172.16.0.0/%d", wiresMask), GatewayIP: wiresAddress, GatewayMacAddress: "5a:94:ef:e4:0c:dd",
		DHCPStaticLeases: leases, DNS: []types.Zone{{Name: platform.Domain + ".", Records: records}}, Protocol: types.QemuProtocol,
	})
	if err != nil {
		return err
	}
	s.lan = lan
	l, err := lan.Listen("tcp", net.JoinHostPort(wiresAddress, "80"))
	if err != nil {
		return err
	}
	s.lanPublic = &http.Server{Handler: s.publicHandler(), ReadHeaderTimeout: time.Minute}
	s.work.Go(func() { _ = s.lanPublic.Serve(l) })
	return s.shareHomes()
}

// Whose files in homes are, as clients of NFS see it.
const homesOwner = 12345

// shareHomes serves the homes by NFS, at one address for all sites: a node's
// home is that of its site.
func (s *Simulator) shareHomes() error {
	s.homes = &share.Server{UID: homesOwner, GID: homesOwner, Open: s.openHome}
	for _, one := range []struct {
		port  int
		serve func(net.Listener) error
	}{
		{share.Port, func(l net.Listener) error { return s.homes.Serve(s.ctx, l) }}, {share.PortOfPorts, s.homes.ServePorts},
	} {
		l, err := s.lan.Listen("tcp", net.JoinHostPort(wiresAddress, strconv.Itoa(one.port)))
		if err != nil {
			return err
		}
		s.lanListeners = append(s.lanListeners, l)
		s.work.Go(func() { _ = one.serve(l) })
	}
	return nil
}

// openHome opens a folder of a home for a node that mounts it, which only
// nodes of a job of its owner's may.
func (s *Simulator) openHome(client net.IP, folder string) (*os.Root, error) {
	h := s.hostByAddress(client.String())
	rest, ok := strings.CutPrefix(folder, "/export/home/")
	user, below, _ := strings.Cut(rest, "/")
	if h == nil || !ok || user == "" {
		return nil, fs.ErrNotExist
	}
	if j, owned := h.site.owner(h.name); !owned || j.User != user || h.site.isDown() {
		return nil, fs.ErrPermission
	}
	return os.OpenRoot(filepath.Join(s.dir, "home", h.site.Name, user, filepath.FromSlash(below)))
}

// closeLAN ends what the network of machines serves.
func (s *Simulator) closeLAN() error {
	var errs []error
	for _, l := range s.lanListeners {
		errs = append(errs, l.Close())
	}
	if s.homes != nil {
		errs = append(errs, s.homes.Close())
	}
	return errors.Join(append(errs, s.lanPublic.Close())...)
}

// Console returns the path of a file with what a node's console said, when the
// node is a machine.
func (s *Simulator) Console(node string) string {
	h := s.host(node)
	if h == nil {
		return ""
	}
	return (&machineNode{node: h}).console()
}
