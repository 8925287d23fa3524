package host

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// Validate checks configurations.
func (c *Client) Validate(ctx context.Context, rs []plugins.ValidateRequest, result func(int, plugins.Diagnostics)) plugins.Diagnostics {
	names := addressesOf(len(rs), func(i int) string { return rs[i].Type })
	ctx, w := c.await(ctx, "Validate", "checking", names...)
	return w.end(c.Client.Validate(ctx, rs, func(i int, d plugins.Diagnostics) {
		w.answered(names[i])
		result(i, d)
	}))
}

// Expand turns a deployment into resources.
func (c *Client) Expand(ctx context.Context, r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics) {
	ctx, w := c.await(ctx, "Expand", "expanding", r.Composition+"::"+r.Label)
	e, d := c.Client.Expand(ctx, r)
	return e, w.end(d)
}

// Read asks for objects.
func (c *Client) Read(ctx context.Context, rs []plugins.ReadRequest, result func(int, plugins.ReadResult)) plugins.Diagnostics {
	names := addressesOf(len(rs), func(i int) string { return rs[i].Operation.Address })
	ctx, w := c.await(ctx, "Read", "reading", names...)
	return w.end(c.Client.Read(ctx, rs, func(i int, r plugins.ReadResult) {
		w.answered(names[i])
		result(i, r)
	}))
}

// Plan refines proposals.
func (c *Client) Plan(ctx context.Context, rs []plugins.PlanRequest, result func(int, plugins.PlanResult)) plugins.Diagnostics {
	names := addressesOf(len(rs), func(i int) string { return rs[i].Operation.Address })
	ctx, w := c.await(ctx, "Plan", "planning", names...)
	return w.end(c.Client.Plan(ctx, rs, func(i int, r plugins.PlanResult) {
		w.answered(names[i])
		result(i, r)
	}))
}

// ReadData reads a data source.
func (c *Client) ReadData(ctx context.Context, r plugins.ReadDataRequest) (cty.Value, plugins.Diagnostics) {
	name := r.Address
	if name == "" {
		name = "data." + r.Type
	}
	ctx, w := c.await(ctx, "Read", "reading", name)
	v, d := c.Client.ReadData(ctx, r)
	return v, w.end(d)
}

// Import reads an object by the provider's own name for it.
func (c *Client) Import(ctx context.Context, r plugins.ImportRequest) (cty.Value, plugins.Diagnostics) {
	ctx, w := c.await(ctx, "Import", "importing", r.Operation.Address)
	v, d := c.Client.Import(ctx, r)
	return v, w.end(d)
}

// Upgrade brings objects to today's schema.
func (c *Client) Upgrade(ctx context.Context, rs []plugins.UpgradeRequest, result func(int, plugins.UpgradeResult)) plugins.Diagnostics {
	names := addressesOf(len(rs), func(i int) string { return rs[i].Type })
	ctx, w := c.await(ctx, "Upgrade", "upgrading", names...)
	return w.end(c.Client.Upgrade(ctx, rs, func(i int, r plugins.UpgradeResult) {
		w.answered(names[i])
		result(i, r)
	}))
}

// Find lists what exists outside.
func (c *Client) Find(ctx context.Context, r plugins.FindRequest) ([]plugins.Found, plugins.Diagnostics) {
	ctx, w := c.await(ctx, "Find", "looking for", r.Types...)
	found, d := c.Client.Find(ctx, r)
	return found, w.end(d)
}

// SetContext delivers a context to a node.
func (c *Client) SetContext(ctx context.Context, n plugins.Node, nc plugins.Context) plugins.Diagnostics {
	ctx, w := c.await(ctx, "SetContext", "delivering the context of", n.Operation.Address)
	return w.end(c.Client.SetContext(ctx, n, nc))
}

// Power starts, stops, crashes or resets a node.
func (c *Client) Power(ctx context.Context, n plugins.Node, a plugins.PowerAction, progress func(plugins.Progress)) plugins.Diagnostics {
	ctx, w := c.await(ctx, "Power ("+string(a)+")", "waiting for the power of", n.Operation.Address)
	return w.end(c.Client.Power(ctx, n, a, func(p plugins.Progress) {
		w.answered("")
		if progress != nil {
			progress(p)
		}
	}))
}

// Link changes the quality of a node's network.
func (c *Client) Link(ctx context.Context, n plugins.Node, l plugins.Link) plugins.Diagnostics {
	ctx, w := c.await(ctx, "Link", "changing the network of", n.Operation.Address)
	return w.end(c.Client.Link(ctx, n, l))
}

// Monitor tells what runs a node a command.
func (c *Client) Monitor(ctx context.Context, n plugins.Node, command string) (string, plugins.Diagnostics) {
	ctx, w := c.await(ctx, "Monitor", "asking the monitor of", n.Operation.Address)
	answer, d := c.Client.Monitor(ctx, n, command)
	return answer, w.end(d)
}

func addressesOf(n int, address func(int) string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = address(i)
	}
	return list
}
