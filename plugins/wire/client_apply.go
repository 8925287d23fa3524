package wire

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// Apply creates, updates or deletes one object. When ctx ends the operation is
// asked to end as soon as it safely can, and its result is still awaited: only
// the end of the provider itself ends the wait before.
func (c *Client) Apply(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
	result := plugins.ApplyResult{Object: r.Prior}
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		result.Diagnostics = d
		return result
	}
	ty, err := t.resource(r.Type)
	if err != nil {
		result.Diagnostics = failed("The resource", err)
		return result
	}
	if result.Object == cty.NilVal {
		result.Object = cty.NullVal(ty)
	}
	start, err := applyRequestTo(&r, ty)
	if err != nil {
		result.Diagnostics = failed(r.Type, err)
		return result
	}
	verb := fmt.Sprintf("Apply (%s) of %s", r.Action, r.Type)
	if err := ctx.Err(); err != nil { // nothing was begun, nothing is lost
		result.Diagnostics = c.explain(verb, err)
		return result
	}
	call, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stream, err := c.rpc.Apply(call)
	if err == nil {
		err = stream.Send(&proto.ApplyInput{Input: &proto.ApplyInput_Start{Start: start}})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		result.Diagnostics = c.explain(verb, err)
		return result
	}
	defer context.AfterFunc(ctx, func() {
		stream.Send(&proto.ApplyInput{Input: &proto.ApplyInput_Cancel{Cancel: true}})
	})()
	return c.awaitResult(stream.Recv, verb, ty, result, progress)
}

func applyRequestTo(r *plugins.ApplyRequest, ty cty.Type) (*proto.ApplyRequest, error) {
	action, ok := actions[r.Action]
	if !ok {
		return nil, fmt.Errorf("unknown action %q", r.Action)
	}
	prior, err := encode(r.Prior, ty)
	if err != nil {
		return nil, fmt.Errorf("prior object: %w", err)
	}
	planned, err := encode(r.Planned, ty)
	if err != nil {
		return nil, fmt.Errorf("planned object: %w", err)
	}
	return &proto.ApplyRequest{
		Type: r.Type, Operation: operationTo(r.Operation), Action: action,
		Prior: prior, Planned: planned, Context: contextTo(r.Context),
	}, nil
}

// awaitResult hands progress on until the result comes. Without one the result
// is lost: what exists now is not known here.
func (c *Client) awaitResult(receive func() (*proto.ApplyEvent, error), verb string, ty cty.Type, result plugins.ApplyResult, progress func(plugins.Progress)) plugins.ApplyResult {
	for {
		m, err := receive()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = status.Error(codes.Internal, "the provider sent no result")
			}
			result.Lost, result.Diagnostics = true, c.explain(verb, err)
			return result
		}
		switch e := m.GetEvent().(type) {
		case *proto.ApplyEvent_Progress:
			if progress != nil {
				progress(progressFrom(e.Progress))
			}
		case *proto.ApplyEvent_Result:
			result.Diagnostics = diagnosticsFrom(e.Result.GetDiagnostics())
			object, err := decode(e.Result.GetObject(), ty)
			if err != nil {
				result.Lost, result.Diagnostics = true, append(result.Diagnostics, failed("The object", err)...)
				return result
			}
			result.Object = object
			return result
		}
	}
}
