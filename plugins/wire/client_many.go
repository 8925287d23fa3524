package wire

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// Validate checks configurations on one stream.
func (c *Client) Validate(ctx context.Context, rs []plugins.ValidateRequest, result func(int, plugins.Diagnostics)) plugins.Diagnostics {
	t, d := c.typesFor(ctx)
	if d.HasErrors() || len(rs) == 0 {
		return d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Validate(ctx)
	if err != nil {
		return c.explain("Validate", err)
	}
	m := newMany(len(rs), result)
	err = callMany(stream, len(rs), func(i int) (*proto.ValidateRequest, bool) {
		ty, err := t.of(rs[i].Kind, rs[i].Type)
		if err != nil {
			return nil, m.skip(i, failed("A configuration", err))
		}
		config, err := encode(rs[i].Config, ty)
		if err != nil {
			return nil, m.skip(i, failed("A configuration of "+rs[i].Type, err))
		}
		return &proto.ValidateRequest{Id: int64(i), Kind: kinds[rs[i].Kind], Type: rs[i].Type, Config: config}, false
	}, func(a *proto.ValidateResponse) error {
		return m.answer(a.GetId(), diagnosticsFrom(a.GetDiagnostics()))
	})
	if err != nil {
		return c.explain("Validate", err)
	}
	return nil
}

// Read asks for objects on one stream.
func (c *Client) Read(ctx context.Context, rs []plugins.ReadRequest, result func(int, plugins.ReadResult)) plugins.Diagnostics {
	t, d := c.typesFor(ctx)
	if d.HasErrors() || len(rs) == 0 {
		return d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Read(ctx)
	if err != nil {
		return c.explain("Read", err)
	}
	m := newMany(len(rs), result)
	// What comes back as it was sent, as most objects do, needs no decoding.
	sent := make([]atomic.Pointer[[]byte], len(rs)) // nil: it cannot be compared
	err = callMany(stream, len(rs), func(i int) (*proto.ReadRequest, bool) {
		ty, err := t.resource(rs[i].Type)
		if err != nil {
			return nil, m.skip(i, plugins.ReadResult{Object: rs[i].Object, Diagnostics: failed(rs[i].Operation.Address, err)})
		}
		object, same, err := encodeAs(rs[i].Object, ty)
		if err != nil {
			return nil, m.skip(i, plugins.ReadResult{Object: rs[i].Object, Diagnostics: failed(rs[i].Operation.Address, err)})
		}
		if same {
			sent[i].Store(&object)
		}
		return &proto.ReadRequest{Id: int64(i), Type: rs[i].Type, Operation: operationTo(rs[i].Operation), Object: object}, false
	}, func(a *proto.ReadResponse) error {
		if err := m.taken.take(a.GetId()); err != nil {
			return err
		}
		r := &rs[a.GetId()]
		out := plugins.ReadResult{Gone: a.GetGone(), Diagnostics: diagnosticsFrom(a.GetDiagnostics())}
		if was := sent[a.GetId()].Load(); was != nil && bytes.Equal(*was, a.GetObject()) {
			out.Object = r.Object
		} else if out.Object, err = decode(a.GetObject(), t.resources[r.Type]); err != nil {
			out.Object = r.Object
			out.Diagnostics = append(out.Diagnostics, failed(r.Operation.Address, err)...)
		}
		m.deliver(int(a.GetId()), out)
		return nil
	})
	if err != nil {
		return c.explain("Read", err)
	}
	return nil
}

// Plan refines proposals on one stream.
func (c *Client) Plan(ctx context.Context, rs []plugins.PlanRequest, result func(int, plugins.PlanResult)) plugins.Diagnostics {
	t, d := c.typesFor(ctx)
	if d.HasErrors() || len(rs) == 0 {
		return d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Plan(ctx)
	if err != nil {
		return c.explain("Plan", err)
	}
	m := newMany(len(rs), result)
	err = callMany(stream, len(rs), func(i int) (*proto.PlanRequest, bool) {
		q, err := planRequestTo(t, &rs[i])
		if err != nil {
			return nil, m.skip(i, plugins.PlanResult{Planned: rs[i].Proposed, Diagnostics: failed(rs[i].Operation.Address, err)})
		}
		q.Id = int64(i)
		return q, false
	}, func(a *proto.PlanResponse) error {
		if err := m.taken.take(a.GetId()); err != nil {
			return err
		}
		r := &rs[a.GetId()]
		out := plugins.PlanResult{Diagnostics: diagnosticsFrom(a.GetDiagnostics())}
		for _, replace := range a.GetReplace() {
			out.Replace = append(out.Replace, plugins.Replace{Path: pathFrom(replace.GetPath()), Reason: replace.GetReason()})
		}
		if out.Planned, err = decode(a.GetPlanned(), t.resources[r.Type]); err != nil {
			out.Planned = r.Proposed
			out.Diagnostics = append(out.Diagnostics, failed(r.Operation.Address, err)...)
		}
		m.deliver(int(a.GetId()), out)
		return nil
	})
	if err != nil {
		return c.explain("Plan", err)
	}
	return nil
}

func planRequestTo(t *types, r *plugins.PlanRequest) (*proto.PlanRequest, error) {
	q := &proto.PlanRequest{Type: r.Type, Operation: operationTo(r.Operation)}
	var err error
	if q.Prior, err = encodeResource(t, r.Type, r.Prior); err != nil {
		return nil, err
	}
	if q.Proposed, err = encodeResource(t, r.Type, r.Proposed); err != nil {
		return nil, err
	}
	q.Config, err = encodeResource(t, r.Type, r.Config)
	return q, err
}

// Upgrade brings old objects to today's schema on one stream.
func (c *Client) Upgrade(ctx context.Context, rs []plugins.UpgradeRequest, result func(int, plugins.UpgradeResult)) plugins.Diagnostics {
	t, d := c.typesFor(ctx)
	if d.HasErrors() || len(rs) == 0 {
		return d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Upgrade(ctx)
	if err != nil {
		return c.explain("Upgrade", err)
	}
	m := newMany(len(rs), result)
	err = callMany(stream, len(rs), func(i int) (*proto.UpgradeRequest, bool) {
		if _, err := t.resource(rs[i].Type); err != nil {
			return nil, m.skip(i, plugins.UpgradeResult{Diagnostics: failed("An object", err)})
		}
		return &proto.UpgradeRequest{Id: int64(i), Type: rs[i].Type, Version: rs[i].Version, Object: rs[i].Object}, false
	}, func(a *proto.UpgradeResponse) error {
		if err := m.taken.take(a.GetId()); err != nil {
			return err
		}
		var out plugins.UpgradeResult
		out.Object, out.Diagnostics = valueFrom(a.GetObject(), t.resources[rs[a.GetId()].Type], diagnosticsFrom(a.GetDiagnostics()))
		m.deliver(int(a.GetId()), out)
		return nil
	})
	if err != nil {
		return c.explain("Upgrade", err)
	}
	return nil
}

func encodeResource(t *types, name string, v cty.Value) ([]byte, error) {
	ty, err := t.resource(name)
	if err != nil {
		return nil, err
	}
	return encode(v, ty)
}

// many hands results on, one at a time and one for each request.
type many[R any] struct {
	mu     sync.Mutex
	result func(int, R)
	taken  once // by the receiving side only
}

func newMany[R any](n int, result func(int, R)) *many[R] {
	return &many[R]{result: result, taken: make(once, n)}
}

func (m *many[R]) deliver(i int, r R) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.result(i, r)
}

// skip delivers the result of a request that cannot be sent.
func (m *many[R]) skip(i int, r R) bool {
	m.deliver(i, r)
	return true
}

func (m *many[R]) answer(i int64, r R) error {
	if err := m.taken.take(i); err != nil {
		return err
	}
	m.deliver(int(i), r)
	return nil
}
