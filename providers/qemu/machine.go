package qemu

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// Machine is a QEMU machine: one node of a composition, or any other that a
// user wants.
type Machine struct {
	Name         string    `nxc:"name,required,replace" doc:"Host name inside the machine, and its name in the network."`
	System       string    `nxc:"system,optional" doc:"Store path of the system that it boots."`
	Update       string    `nxc:"update,optional,default=replace" doc:"What happens when its system changes: replace makes another machine; switch has the running one take on the new system, where its kernel and its first stage stay."`
	Modules      []string  `nxc:"modules,optional" doc:"Modules of the kernel that its first stage loads beside the usual ones."`
	Kernel       string    `nxc:"kernel,required" doc:"Kernel. Like the initrd it may hold other roles' systems, too: a newer one is used at the machine's next start."`
	Initrd       string    `nxc:"initrd,required" doc:"Initrd, behind which the node's context is put."`
	Store        string    `nxc:"store,optional" doc:"Image of the store: the first disk, which is only read. A newer one is used at the machine's next start."`
	KernelParams []string  `nxc:"kernel_params,optional,replace" doc:"Parameters of the kernel, beside those for the console."`
	Memory       string    `nxc:"memory,optional,replace,default=512M" doc:"Memory, such as 512M or 2G."`
	VCPUs        int64     `nxc:"vcpus,optional,replace,default=1" doc:"Processors."`
	Accelerator  string    `nxc:"accelerator,optional,computed" doc:"kvm or tcg; by default what works here."`
	MachineType  string    `nxc:"machine_type,optional,replace" doc:"QEMU's machine type: q35 or pc, for instance."`
	Network      string    `nxc:"network,optional,replace" doc:"Network to join: qemu_network.X.id. Without one there is no ssh, and nothing waits for the machine."`
	IP           string    `nxc:"ip,optional,replace" doc:"Address in the network."`
	Aliases      []string  `nxc:"aliases,optional" doc:"Further names in the network."`
	Forwards     []Forward `nxc:"forward,block" doc:"Ports of this machine that lead to it."`
	NICs         []NIC     `nxc:"nic,block,replace" doc:"Further interfaces: eth1, eth2, …"`
	Disks        []Drive   `nxc:"disk,block,replace" doc:"Disks: vda, vdb, …, behind the store's image."`
	Shares       []Share   `nxc:"share,block,replace" doc:"Folders of this machine, offered by 9p."`
	Arguments    []string  `nxc:"arguments,optional,replace" doc:"Further arguments of QEMU."`

	ID      string   `nxc:"id,computed" doc:"Its name outside."`
	UUID    string   `nxc:"uuid,computed" doc:"QEMU's -uuid."`
	Address string   `nxc:"address,computed" doc:"IPv4 address in the network."`
	Running bool     `nxc:"running,computed" doc:"Whether it runs. One that ended is started again."`
	Trouble string   `nxc:"trouble,computed" doc:"What is wrong with it, in a few words; nothing when all is well."`
	Taken   []string `nxc:"taken,computed,exclusive" doc:"What no other machine can have: ports of this machine, as ADDRESS:PORT, and disks that are written."`
}

// Forward is a port of this machine that leads to a machine.
type Forward struct {
	Listen string `nxc:"listen,optional,default=127.0.0.1" doc:"Address of this machine."`
	Host   int64  `nxc:"host,required" doc:"Port of this machine."`
	Port   int64  `nxc:"port,required" doc:"Port of the node, TCP."`
}

// NIC is a further interface.
type NIC struct {
	Network string `nxc:"network,required" doc:"Network to join: qemu_network.X.id."`
	IP      string `nxc:"ip,required" doc:"Address in that network."`
}

// Share is a folder that the machine mounts by 9p.
type Share struct {
	Tag      string `nxc:"tag,required" doc:"Name by which the machine mounts it."`
	Source   string `nxc:"source,required" doc:"Folder of this machine. A relative path begins at the configuration's folder."`
	ReadOnly bool   `nxc:"read_only,optional,default=true" doc:"The machine may not write."`
}

// machines handles qemu_machine, whose objects are nodes.
type machines struct{ *host }

// The hands that a machine has: all there are.
var (
	_ sdk.Handler[Machine]   = machines{}
	_ sdk.Updater[Machine]   = machines{}
	_ sdk.Planner[Machine]   = machines{}
	_ sdk.Validator[Machine] = machines{}
	_ sdk.Execer[Machine]    = machines{}
	_ sdk.Copier[Machine]    = machines{}
	_ sdk.Powerer[Machine]   = machines{}
	_ sdk.Consoler[Machine]  = machines{}
	_ sdk.Linker[Machine]    = machines{}
	_ sdk.Monitorer[Machine] = machines{}
	_ sdk.Contexter[Machine] = machines{}
)

// Files of a machine's folder.
const (
	serialFile  = "serial.log"
	contextFile = "context.json"
	qemuLog     = "qemu.log"
	initrdFile  = "initrd"
)

// Create puts the context in place, plugs the machine in, starts it, and waits
// until it answers.
func (m machines) Create(ctx context.Context, op sdk.Operation, want *Machine) error {
	id := record.ID(op)
	dir := m.folderOf(kindMachine, id)
	want.ID, want.UUID = id, uuidOf(id)
	m.decide(want)
	if err := record.Begin(op, dir, *want); err != nil {
		return err
	}
	if op.Context != nil {
		if err := saveContext(dir, *op.Context); err != nil {
			return fmt.Errorf("keep the context of %s: %w", want.Name, err)
		}
	}
	if err := m.start(ctx, op, want); err != nil {
		return err
	}
	return record.Finish(dir, *want)
}

// decide fills what is known without asking anybody.
func (m machines) decide(v *Machine) {
	if v.Accelerator == "" {
		v.Accelerator = m.accelerator
	}
	v.Address = v.IP
	v.Taken = []string{}
	for _, f := range v.Forwards {
		v.Taken = append(v.Taken, f.claim())
	}
	for _, d := range v.Disks {
		if claim := d.claim(); claim != "" {
			v.Taken = append(v.Taken, claim)
		}
	}
}

func (f Forward) claim() string { return fmt.Sprintf("%s:%d", f.Listen, f.Host) }

// Read looks whether the machine is there, and whether it runs.
func (m machines) Read(ctx context.Context, op sdk.Operation, have *Machine) (bool, error) {
	return m.look(ctx, op, have)
}

// Update has a machine take on another system, and starts one that ended. What
// else differs is plugged in anew, or is used at the machine's next start.
func (m machines) Update(ctx context.Context, op sdk.Operation, have Machine, want *Machine) error {
	m.decide(want)
	dir := m.folderOf(kindMachine, want.ID)
	if m.runs(ctx, want) && m.adrift(want) {
		if err := m.crash(ctx, want); err != nil {
			return err
		}
	}
	if m.runs(ctx, want) {
		if err := m.plugIn(ctx, want, true); err != nil {
			return err
		}
		if have.System != want.System {
			if err := m.switchSystem(ctx, op, have, want); err != nil {
				return err
			}
		}
		want.Running = true
		return record.Finish(dir, *want)
	}
	if err := m.start(ctx, op, want); err != nil {
		return err
	}
	return record.Finish(dir, *want)
}

// Delete ends the machine at once and removes all that it had.
func (m machines) Delete(ctx context.Context, op sdk.Operation, have *Machine) error {
	if have.ID == "" {
		have.ID = record.ID(op)
	}
	dir := m.folderOf(kindMachine, have.ID)
	have.UUID = uuidOf(have.ID)
	if _, err := record.Exists[Machine](op, dir); err != nil {
		return err
	}
	op.Phase("ending the machine")
	if err := m.crash(ctx, have); err != nil {
		return err
	}
	if err := m.unplug(ctx, have); err != nil {
		return err
	}
	if err := m.removeSockets(have.ID); err != nil {
		return err
	}
	return record.Remove(dir)
}

// sockets are the endings of a machine's sockets: QMP, serial console, and one
// for each interface.
func sockets(have *Machine) []string {
	all := []string{"q", "s"}
	for i := range have.interfaces() {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// Find lists the deployment's machines.
func (m machines) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Machine], error) {
	return record.Find[Machine](m.folders.State, kindMachine+"-", op.UUID)
}

// interfaces are the machine's network interfaces, eth0 first.
func (v *Machine) interfaces() []NIC {
	if v.Network == "" {
		return v.NICs
	}
	return append([]NIC{{Network: v.Network, IP: v.IP}}, v.NICs...)
}

// plugIn puts each interface into its network, and makes sure that its switch
// runs. What nxc link said holds as long as the machine runs.
func (m machines) plugIn(ctx context.Context, have *Machine, runs bool) error {
	for i, nic := range have.interfaces() {
		a, err := netip.ParseAddr(nic.IP)
		if err != nil {
			return sdk.AttributeError("ip", fmt.Sprintf("%q is not an address", nic.IP), "A machine in a network needs one of its addresses.")
		}
		socket, err := m.socket(have.ID, fmt.Sprint(i))
		if err != nil {
			return err
		}
		dir := m.folderOf(kindNetwork, nic.Network)
		p := lan.Port{ID: portID(have, i), Socket: socket, MAC: lan.MAC(a), Address: a, Names: append([]string{have.Name}, have.Aliases...)}
		if before, err := lan.Plugged(dir, p.ID); err == nil && runs {
			p.Link = before.Link
		}
		if i == 0 && have.Network != "" {
			for _, f := range have.Forwards {
				listen, err := netip.ParseAddr(f.Listen)
				if err != nil {
					return sdk.AttributeError("forward", fmt.Sprintf("%q is not an address", f.Listen), "Write one of this machine's addresses, such as 127.0.0.1.")
				}
				p.Forwards = append(p.Forwards, lan.Forward{Listen: netip.AddrPortFrom(listen, uint16(f.Host)), Port: uint16(f.Port)})
			}
		}
		if err := lan.Plug(dir, p); err != nil {
			return sdk.Error(fmt.Sprintf("%s cannot be plugged into its network", have.Name), fmt.Sprintf("%v. Is the network gone? nxc apply makes it again.", err))
		}
		if err := m.checkPort(ctx, nic.Network, p.ID, have); err != nil {
			return err
		}
	}
	return nil
}

// portID names the place where one of a machine's interfaces is plugged in.
func portID(have *Machine, i int) string { return fmt.Sprintf("%s-%d", have.ID, i) }

// checkPort has the switch take a port, and reports ports of the host that
// somebody else has.
func (m machines) checkPort(ctx context.Context, network, id string, have *Machine) error {
	status, err := m.ensureSwitch(ctx, network)
	if err != nil {
		return err
	}
	for _, p := range status.Ports {
		if p.ID == id && len(p.Failed) > 0 {
			return sdk.AttributeError("forward", fmt.Sprintf("%s of this machine cannot lead to %s", p.Failed[0].Listen, have.Name),
				fmt.Sprintf("%s. Choose another port, or end what listens there.", p.Failed[0].Reason))
		}
	}
	return nil
}

// unplug takes the machine's interfaces out of their networks.
func (m machines) unplug(ctx context.Context, have *Machine) error {
	for i, nic := range have.interfaces() {
		dir := m.folderOf(kindNetwork, nic.Network)
		if err := lan.Unplug(dir, portID(have, i)); err != nil {
			return err
		}
		_, _ = m.askSwitch(ctx, nic.Network, true) // one that is dead has nothing plugged in
	}
	return nil
}
