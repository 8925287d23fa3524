package wire

import (
	"context"

	"google.golang.org/grpc"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

func (s *server) Validate(stream grpc.BidiStreamingServer[proto.ValidateRequest, proto.ValidateResponse]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	return serveMany(stream, func(ctx context.Context, q *proto.ValidateRequest) (*proto.ValidateResponse, error) {
		kind := kindFrom(q.GetKind())
		ty, err := t.of(kind, q.GetType())
		if err != nil {
			return nil, malformed("%v", err)
		}
		config, err := decode(q.GetConfig(), ty)
		if err != nil {
			return nil, malformed("%s: %v", q.GetType(), err)
		}
		a := &proto.ValidateResponse{Id: q.GetId()}
		d := s.p.Validate(ctx, []plugins.ValidateRequest{{Kind: kind, Type: q.GetType(), Config: config}},
			func(_ int, d plugins.Diagnostics) { a.Diagnostics = diagnosticsTo(d) })
		a.Diagnostics = append(a.Diagnostics, diagnosticsTo(d)...)
		return a, nil
	})
}

func (s *server) Read(stream grpc.BidiStreamingServer[proto.ReadRequest, proto.ReadResponse]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	return serveMany(stream, func(ctx context.Context, q *proto.ReadRequest) (*proto.ReadResponse, error) {
		ty, err := t.resource(q.GetType())
		if err != nil {
			return nil, malformed("%v", err)
		}
		object, err := decode(q.GetObject(), ty)
		if err != nil {
			return nil, malformed("%s: %v", q.GetType(), err)
		}
		var r plugins.ReadResult
		d := s.p.Read(ctx, []plugins.ReadRequest{{Type: q.GetType(), Operation: operationFrom(q.GetOperation()), Object: object}},
			func(_ int, got plugins.ReadResult) { r = got })
		r.Diagnostics = append(r.Diagnostics, d...)
		a := &proto.ReadResponse{Id: q.GetId(), Gone: text(r.Gone)}
		if a.Object, err = encode(r.Object, ty); err != nil {
			a.Object = q.GetObject()
			r.Diagnostics = append(r.Diagnostics, failed("The object", err)...)
		}
		a.Diagnostics = diagnosticsTo(r.Diagnostics)
		return a, nil
	})
}

func (s *server) Plan(stream grpc.BidiStreamingServer[proto.PlanRequest, proto.PlanResponse]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	return serveMany(stream, func(ctx context.Context, q *proto.PlanRequest) (*proto.PlanResponse, error) {
		ty, err := t.resource(q.GetType())
		if err != nil {
			return nil, malformed("%v", err)
		}
		r := plugins.PlanRequest{Type: q.GetType(), Operation: operationFrom(q.GetOperation())}
		if r.Prior, err = decode(q.GetPrior(), ty); err != nil {
			return nil, malformed("%s: prior: %v", q.GetType(), err)
		}
		if r.Proposed, err = decode(q.GetProposed(), ty); err != nil {
			return nil, malformed("%s: proposed: %v", q.GetType(), err)
		}
		if r.Config, err = decode(q.GetConfig(), ty); err != nil {
			return nil, malformed("%s: configuration: %v", q.GetType(), err)
		}
		var p plugins.PlanResult
		d := s.p.Plan(ctx, []plugins.PlanRequest{r}, func(_ int, got plugins.PlanResult) { p = got })
		p.Diagnostics = append(p.Diagnostics, d...)
		a := &proto.PlanResponse{Id: q.GetId()}
		if a.Planned, err = encode(p.Planned, ty); err != nil {
			a.Planned = q.GetProposed()
			p.Diagnostics = append(p.Diagnostics, failed("The plan", err)...)
		}
		for _, replace := range p.Replace {
			a.Replace = append(a.Replace, &proto.Replace{Path: pathTo(replace.Path), Reason: text(replace.Reason)})
		}
		a.Diagnostics = diagnosticsTo(p.Diagnostics)
		return a, nil
	})
}

func (s *server) Upgrade(stream grpc.BidiStreamingServer[proto.UpgradeRequest, proto.UpgradeResponse]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	return serveMany(stream, func(ctx context.Context, q *proto.UpgradeRequest) (*proto.UpgradeResponse, error) {
		ty, err := t.resource(q.GetType())
		if err != nil {
			return nil, malformed("%v", err)
		}
		var r plugins.UpgradeResult
		d := s.p.Upgrade(ctx, []plugins.UpgradeRequest{{Type: q.GetType(), Version: q.GetVersion(), Object: q.GetObject()}},
			func(_ int, got plugins.UpgradeResult) { r = got })
		r.Diagnostics = append(r.Diagnostics, d...)
		a := &proto.UpgradeResponse{Id: q.GetId()}
		if !r.Diagnostics.HasErrors() {
			if a.Object, err = encode(r.Object, ty); err != nil {
				r.Diagnostics = append(r.Diagnostics, failed("The object", err)...)
			}
		}
		a.Diagnostics = diagnosticsTo(r.Diagnostics)
		return a, nil
	})
}
