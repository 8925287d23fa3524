package simulator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
	"github.com/sirupsen/logrus"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
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
// each its address and its name, and serves the public folders.
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
		records = append(records, types.Record{Name: "public." + name, IP: net.ParseIP(wiresAddress)})
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
	return nil
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
