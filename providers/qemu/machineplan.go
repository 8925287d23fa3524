package qemu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Plan says early what is already certain: how the machine will run, its
// address, the ports that it takes, and that it is to run.
func (m machines) Plan(_ context.Context, op sdk.Operation, prior *Machine, p *sdk.Planned[Machine]) error {
	v := &p.Value
	v.Running, v.Trouble = true, ""
	p.SetKnown("running")
	p.SetKnown("trouble")
	if prior != nil && prior.Trouble == filesRemoved {
		p.Replace("trouble", filesRemoved)
	}
	if v.Accelerator == "" {
		v.Accelerator = m.accelerator
	}
	p.SetKnown("accelerator")
	if !p.Unknown("ip") {
		v.Address = v.IP
		p.SetKnown("address")
	}
	if !p.Unknown("forward") && !p.Unknown("disk") {
		m.decide(v)
		p.SetKnown("taken")
	}
	if prior == nil {
		if _, err := findProgram(m.program); err != nil {
			return err
		}
		if _, err := m.socket("0123456789ab", "00"); err != nil {
			return err
		}
		if v.Accelerator == "kvm" {
			if err := openKVM(kvmDevice); err != nil {
				return err
			}
		}
		if !p.Unknown("disk") {
			for i, d := range v.Disks {
				if err := m.findDrive(i, d); err != nil {
					return err
				}
			}
		}
	}
	if !p.Unknown("memory") && v.Memory != "" {
		if err := m.planMemory(op.UUID+" "+op.Address, v.Memory, prior == nil || !prior.Running); err != nil {
			return err
		}
	}
	if !p.Unknown("forward") {
		if err := m.checkForwards(v); err != nil {
			return err
		}
	}
	planSystem(prior, p)
	if prior != nil && prior.System == "" && (p.Unknown("initrd") || prior.Initrd != v.Initrd) {
		p.Replace("initrd", "its initrd changed")
	}
	return nil
}

// checkForwards refuses ports of this machine that somebody else has. Those of
// machines of ours are compared by nxc itself.
func (m machines) checkForwards(v *Machine) error {
	var ours []string
	machines, err := record.Folders(m.folders.State, kindMachine+"-")
	if err != nil {
		return err
	}
	for _, dir := range machines {
		if r, err := record.Read[Machine](dir); err == nil {
			ours = append(ours, r.Object.Taken...)
		}
	}
	for i, f := range v.Forwards {
		if slices.Contains(ours, f.claim()) {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(f.Listen, fmt.Sprint(f.Host)))
		if err != nil {
			return sdk.AttributeError(fmt.Sprintf("forward[%d].host", i), fmt.Sprintf("%s of this machine cannot lead to %s", f.claim(), v.Name),
				fmt.Sprintf("%v. Choose another port, or end what listens there.", err))
		}
		l.Close()
	}
	return nil
}

// Validate checks what the schema cannot say.
func (m machines) Validate(_ context.Context, config Machine) plugins.Diagnostics {
	var d plugins.Diagnostics
	note := func(err error) {
		var more plugins.Diagnostics
		if errors.As(err, &more) {
			d = append(d, more...)
		}
	}
	if u := config.Update; u != "" && u != sdk.UpdateReplace && u != sdk.UpdateSwitch {
		note(sdk.AttributeError("update", fmt.Sprintf("There is no update %q", u), "It is replace or switch."))
	}
	if config.Memory != "" {
		_, err := memoryBytes(config.Memory)
		note(err)
	}
	if config.VCPUs < 0 || config.VCPUs > 512 {
		note(sdk.AttributeError("vcpus", fmt.Sprintf("A machine cannot have %d processors", config.VCPUs), "Give a number from 1 on."))
	}
	if a := config.Accelerator; a != "" && a != "kvm" && a != "tcg" {
		note(sdk.AttributeError("accelerator", fmt.Sprintf("There is no accelerator %q", a), "It is kvm, tcg, or left out."))
	}
	if config.IP != "" {
		if a, err := netip.ParseAddr(config.IP); err != nil || !a.Is4() {
			note(sdk.AttributeError("ip", fmt.Sprintf("%q is not an IPv4 address", config.IP), "Write it as 10.97.0.2."))
		}
	}
	for i, f := range config.Forwards {
		for _, port := range []int64{f.Host, f.Port} {
			if port < 0 || port > 65535 {
				note(sdk.AttributeError(fmt.Sprintf("forward[%d]", i), fmt.Sprintf("There is no port %d", port), "Ports go from 1 to 65535."))
			}
		}
	}
	for i, n := range config.NICs {
		if _, err := netip.ParseAddr(n.IP); n.IP != "" && err != nil {
			note(sdk.AttributeError(fmt.Sprintf("nic[%d].ip", i), fmt.Sprintf("%q is not an address", n.IP), "Write it as 10.98.0.2."))
		}
	}
	for i, one := range config.Disks {
		note(checkDrive(i, one))
	}
	return d
}
