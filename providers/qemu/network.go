package qemu

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// Network is a switch of the user's own.
type Network struct {
	Name    string `nxc:"name,required,replace" doc:"What people call it."`
	Subnet  string `nxc:"subnet,optional,replace,default=10.97.0.0/24" doc:"The network's addresses in CIDR notation. Networks do not meet, so two may have the same."`
	NAT     *bool  `nxc:"nat,optional,replace,default=true" doc:"Whether machines reach what this machine reaches."`
	ID      string `nxc:"id,computed" doc:"Its name outside, by which machines are plugged in."`
	Gateway string `nxc:"gateway,computed" doc:"The switch's own address: router, name server and DHCP server."`
	Running bool   `nxc:"running,computed" doc:"Whether the switch runs. One that was ended is started again."`
}

// networks handles qemu_network.
type networks struct{ *host }

var (
	_ sdk.Handler[Network]   = networks{}
	_ sdk.Updater[Network]   = networks{}
	_ sdk.Planner[Network]   = networks{}
	_ sdk.Validator[Network] = networks{}
)

// Create makes the network's folder and starts its switch.
func (n networks) Create(ctx context.Context, op sdk.Operation, want *Network) error {
	subnet, err := parseSubnet(want.Subnet)
	if err != nil {
		return err
	}
	id := record.ID(op)
	dir := n.folderOf(kindNetwork, id)
	want.ID, want.Gateway = id, subnet.Addr().Next().String()
	if err := record.Begin(op, dir, *want); err != nil {
		return err
	}
	control, err := n.socket(id, "c")
	if err != nil {
		return err
	}
	if err := lan.Write(dir, lan.Config{ID: id, Control: control, Subnet: subnet, NAT: want.NAT == nil || *want.NAT}); err != nil {
		return fmt.Errorf("describe the network: %w", err)
	}
	op.Phase("starting the switch")
	if _, err := n.ensureSwitch(ctx, id); err != nil {
		return err
	}
	want.Running = true
	return record.Finish(dir, *want)
}

// Read looks whether the network is there, and whether its switch answers.
func (n networks) Read(ctx context.Context, op sdk.Operation, have *Network) (bool, error) {
	there, err := record.Exists[Network](op, n.folderOf(kindNetwork, have.ID))
	if err != nil {
		return false, err
	}
	if !there {
		return false, n.awaitEnd(ctx, have.ID)
	}
	_, err = n.askSwitch(ctx, have.ID, false)
	have.Running = err == nil
	return true, nil
}

// awaitEnd waits until a switch whose folder was removed has seen that, and
// ended by itself.
func (n networks) awaitEnd(ctx context.Context, id string) error {
	for started := time.Now(); findProcess(switchProgram, id) != 0; {
		if ctx.Err() != nil || time.Since(started) > 10*time.Second {
			return sdk.Error("A switch goes on without its network", fmt.Sprintf("End it: kill %d. Its folder was removed.", findProcess(switchProgram, id)))
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// Update starts a switch that was ended.
func (n networks) Update(ctx context.Context, op sdk.Operation, _ Network, want *Network) error {
	op.Phase("starting the switch")
	if _, err := n.ensureSwitch(ctx, want.ID); err != nil {
		return err
	}
	want.Running = true
	return record.Finish(n.folderOf(kindNetwork, want.ID), *want)
}

// Plan says that a switch is to run.
func (n networks) Plan(_ context.Context, _ sdk.Operation, prior *Network, p *sdk.Planned[Network]) error {
	if prior == nil {
		if _, err := n.socket("0123456789ab", "c"); err != nil {
			return err
		}
	}
	p.Value.Running = true
	p.SetKnown("running")
	if subnet, err := parseSubnet(p.Value.Subnet); err == nil && !p.Unknown("subnet") {
		p.Value.Gateway = subnet.Addr().Next().String()
		p.SetKnown("gateway")
	}
	return nil
}

// Validate checks the subnet.
func (n networks) Validate(_ context.Context, config Network) plugins.Diagnostics {
	if config.Subnet == "" {
		return nil
	}
	_, err := parseSubnet(config.Subnet)
	var d plugins.Diagnostics
	errors.As(err, &d)
	return d
}

// Delete ends the switch and removes the network's folder.
func (n networks) Delete(ctx context.Context, op sdk.Operation, have *Network) error {
	id := have.ID
	if id == "" {
		id = record.ID(op)
	}
	dir := n.folderOf(kindNetwork, id)
	if _, err := record.Exists[Network](op, dir); err != nil {
		return err
	}
	if control, err := n.socket(id, "c"); err == nil {
		stopping, cancel := context.WithTimeout(ctx, 3*time.Second)
		_ = lan.Stop(stopping, control) // one that does not answer is killed
		cancel()
	}
	if err := kill(ctx, findProcess(switchProgram, id), switchProgram, id); err != nil {
		return err
	}
	if err := n.removeSockets(id); err != nil {
		return err
	}
	return record.Remove(dir)
}

// Find lists the deployment's networks.
func (n networks) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Network], error) {
	return record.Find[Network](n.folders.State, kindNetwork+"-", op.UUID)
}

// The kinds of folders.
const (
	kindNetwork = "n"
	kindMachine = "m"
	kindDisk    = "d"
)

// parseSubnet reads a network's addresses.
func parseSubnet(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4():
		return p, sdk.AttributeError("subnet", fmt.Sprintf("%q is not a subnet", text), "Write it as 10.97.0.0/24.")
	case p.Masked() != p:
		return p, sdk.AttributeError("subnet", fmt.Sprintf("%s is an address within a subnet", text), fmt.Sprintf("The subnet is %s.", p.Masked()))
	case p.Bits() > 29 || p.Bits() < 8:
		return p, sdk.AttributeError("subnet", fmt.Sprintf("%s has no fitting size", text), "A network has between 8 addresses (/29) and 16 million (/8).")
	}
	return p, nil
}

// askSwitch asks a running switch for its status.
func (h *host) askSwitch(ctx context.Context, id string, reload bool) (*lan.Status, error) {
	control, err := h.socket(id, "c")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	status, err := lan.Ask(ctx, control, reload)
	if err == nil && status.ID != id {
		return nil, fmt.Errorf("the switch of %s answers for %s", id, status.ID)
	}
	return status, err
}

// ensureSwitch makes sure that a network's switch runs and knows its ports:
// one that was killed is started again.
func (h *host) ensureSwitch(ctx context.Context, id string) (*lan.Status, error) {
	if status, err := h.askSwitch(ctx, id, true); err == nil {
		return status, nil
	}
	// Many ask at one time, of many machines: one of them starts it.
	h.switches.Lock()
	defer h.switches.Unlock()
	if status, err := h.askSwitch(ctx, id, true); err == nil {
		return status, nil
	}
	dir := h.folderOf(kindNetwork, id)
	if _, err := lan.Read(dir); err != nil {
		return nil, sdk.Error("The network is gone", fmt.Sprintf("Its folder %s cannot be read: %v. Make it again with nxc apply.", dir, err))
	}
	// One that runs and does not answer cannot be asked to end.
	if err := kill(ctx, findProcess(switchProgram, id), switchProgram, id); err != nil {
		return nil, err
	}
	if err := h.moveControl(id, dir); err != nil {
		return nil, err
	}
	if err := h.startSwitch(id, dir); err != nil {
		return nil, err
	}
	for started := time.Now(); ; {
		status, err := h.askSwitch(ctx, id, true)
		if err == nil {
			h.arrive(id)
			return status, nil
		}
		waited := time.Since(started)
		ended := waited > 500*time.Millisecond && findProcess(switchProgram, id) == 0
		if ended || waited > 10*time.Second || ctx.Err() != nil {
			return nil, sdk.Error("The network's switch did not start",
				fmt.Sprintf("Waited for it to answer: %v.\nThe last lines of its log:\n%s", err, lastLines(filepath.Join(dir, lan.LogFile), 5)))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// moveControl gives a switch that is about to be started its socket where
// sockets lie now: it may be another place than when it was made.
func (h *host) moveControl(id, dir string) error {
	config, err := lan.Read(dir)
	if err == nil {
		err = h.settle(id, dir)
	}
	if err != nil {
		return err
	}
	control, err := h.socket(id, "c")
	if err != nil || control == config.Control {
		return err
	}
	config.Control = control
	return lan.Write(dir, config)
}

func (h *host) startSwitch(id, dir string) error {
	cmd, err := sdk.Program(switchProgram, switchProgram, id, dir)
	if err != nil {
		return err
	}
	// Its own arguments are the last two; the word before is for people.
	log, err := os.OpenFile(filepath.Join(dir, lan.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stderr, cmd.Dir = log, "/"
	return sdk.Detach(cmd)
}

// lastLines returns the end of a file, without a terminal's control codes.
func lastLines(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "(none)"
	}
	lines := strings.Split(strings.TrimSpace(plain(string(text))), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
