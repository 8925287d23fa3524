package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Network is a switch in a namespace of its own.
type Network struct {
	Subnet string `nxc:"subnet,required,replace" doc:"IPv4 network in CIDR notation; its first address is the switch's."`
	ID     string `nxc:"id,computed" doc:"Name of its namespace."`
}

type networks struct{ *world }

var (
	_ sdk.Handler[Network]   = networks{}
	_ sdk.Validator[Network] = networks{}
)

// parse reads a subnet, and says of another text how one is written.
func parse(subnet string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(subnet)
	if err != nil || !p.Addr().Is4() || p.Bits() > 29 || p.Masked() != p {
		return p, sdk.AttributeError("subnet", fmt.Sprintf("%q is no IPv4 network", subnet),
			`Write one of at least eight addresses by its first, such as "10.76.0.0/24".`)
	}
	return p, nil
}

// Validate is asked before all is known: what is not yet is empty.
func (networks) Validate(_ context.Context, config Network) (d plugins.Diagnostics) {
	if config.Subnet != "" {
		_, err := parse(config.Subnet)
		errors.As(err, &d)
	}
	return d
}

func (n networks) Create(ctx context.Context, op sdk.Operation, want *Network) error {
	subnet, err := parse(want.Subnet)
	if err != nil {
		return err
	}
	want.ID = n.nameOf(op)
	if err := record.Begin(op, n.folder("networks", want.ID), *want); err != nil {
		return err
	}
	op.Phase("making the switch")
	in := "-n " + want.ID
	if err := ip(ctx,
		"netns add "+want.ID,
		in+" link add br0 type bridge",
		fmt.Sprintf("%s address add %s/%d dev br0", in, subnet.Addr().Next(), subnet.Bits()),
		in+" link set br0 up",
	); err != nil {
		return err
	}
	return record.Finish(n.folder("networks", want.ID), *want)
}

func (networks) Read(_ context.Context, _ sdk.Operation, have *Network) (bool, error) {
	return exists(have.ID), nil
}

func (n networks) Delete(ctx context.Context, op sdk.Operation, have *Network) error {
	return n.remove(ctx, op, "networks", have.ID)
}

func (n networks) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Network], error) {
	return record.Find[Network](n.folder("networks", ""), n.prefix, op.UUID)
}
