// Package lan is the user-space network of machines: a switch that needs no
// privilege, with DHCP, names, a way out through the host, and ports of the
// host that lead to machines.
//
// It runs as a process of its own (Serve), which outlives whoever started it.
// All that it knows stands in a folder, so that a switch that was killed goes
// on where it stopped when another is started on the same folder: machines
// listen for it, and it dials. It starts no machines.
package lan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config says what a network is like. It stands in its folder.
type Config struct {
	ID      string       // on the process's command line, by which it is known again
	Control string       // path of the socket that it listens on
	Subnet  netip.Prefix // the first address is the gateway's
	NAT     bool         // whether machines reach what the host reaches
}

// Gateway is the switch's own address.
func (c Config) Gateway() netip.Addr { return c.Subnet.Addr().Next() }

// Port is a place where one interface of a machine is plugged in.
type Port struct {
	ID       string // of the machine, with the interface's number
	Socket   string // on which QEMU listens
	MAC      string
	Address  netip.Addr
	Names    []string // by which other machines find it
	Forwards []Forward
	Link     Link
}

// Forward is a port of the host that leads to a machine.
type Forward struct {
	Listen netip.AddrPort
	Port   uint16
}

// Link is the quality of a port; the zero value is a perfect one. What nxc
// itself says to a machine by ssh is not touched by it.
type Link struct {
	Block bool          `json:",omitempty"`
	Delay time.Duration `json:",omitempty"` // of what the machine sends
	Loss  float64       `json:",omitempty"` // 0 to 1, of what the machine sends
	Rate  int64         `json:",omitempty"` // bits per second, each way
}

// MAC returns the hardware address that goes with an address, so that no two
// machines of a network share one.
func MAC(a netip.Addr) string {
	b := a.As4()
	return fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
}

const (
	configFile = "network.json"
	portFolder = "ports"
	lockFile   = "switch.lock"
	// LogFile holds what the switch has to say, in its folder.
	LogFile = "switch.log"
)

// Write makes a network's folder.
func Write(dir string, c Config) error {
	if err := os.MkdirAll(filepath.Join(dir, portFolder), 0o700); err != nil {
		return err
	}
	return writeJSON(filepath.Join(dir, configFile), c)
}

// Read reads a network's folder.
func Read(dir string) (Config, error) {
	var c Config
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
	}
	return c, nil
}

// Plug puts a port into a network's folder, or changes it. A switch that runs
// sees it at the next reload.
func Plug(dir string, p Port) error {
	return writeJSON(portFile(dir, p.ID), p)
}

// Unplug takes a port away.
func Unplug(dir, id string) error {
	err := os.Remove(portFile(dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Plugged returns one port.
func Plugged(dir, id string) (Port, error) {
	return readPort(portFile(dir, id))
}

// Ports lists the ports of a network's folder, by id.
func Ports(dir string) ([]Port, error) {
	entries, err := os.ReadDir(filepath.Join(dir, portFolder))
	if err != nil {
		return nil, err
	}
	var ports []Port
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		p, err := readPort(filepath.Join(dir, portFolder, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // unplugged meanwhile
		}
		if err != nil {
			return nil, err
		}
		ports = append(ports, p)
	}
	slices.SortFunc(ports, func(a, b Port) int { return strings.Compare(a.ID, b.ID) })
	return ports, nil
}

func readPort(file string) (Port, error) {
	var p Port
	text, err := os.ReadFile(file)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

func portFile(dir, id string) string { return filepath.Join(dir, portFolder, id+".json") }

// writeJSON replaces a file in one step.
func writeJSON(file string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(text, '\n'))
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		os.Remove(temporary.Name())
	}
	return err
}
