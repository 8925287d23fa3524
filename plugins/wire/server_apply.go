package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// progressQueue is how many progress events may wait to be sent; more are
// dropped, because an operation must not wait for who watches it.
const progressQueue = 256

func (s *server) Apply(stream grpc.BidiStreamingServer[proto.ApplyInput, proto.ApplyEvent]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	q := first.GetStart()
	ty, err := t.resource(q.GetType())
	if err != nil {
		return malformed("%v", err)
	}
	r := plugins.ApplyRequest{
		Type: q.GetType(), Operation: operationFrom(q.GetOperation()), Action: actionFrom(q.GetAction()),
		Context: contextFrom(q.GetContext()),
	}
	if r.Prior, err = decode(q.GetPrior(), ty); err != nil {
		return malformed("%s: prior: %v", q.GetType(), err)
	}
	if r.Planned, err = decode(q.GetPlanned(), ty); err != nil {
		return malformed("%s: planned: %v", q.GetType(), err)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go cancelWhenAsked(stream.Recv, cancel)

	progress, flush := sendProgress(func(p plugins.Progress) error {
		return stream.Send(&proto.ApplyEvent{Event: &proto.ApplyEvent_Progress{Progress: progressTo(p)}})
	})
	result := s.p.Apply(ctx, r, progress)
	flush()
	out := &proto.ApplyResult{}
	if out.Object, err = encode(result.Object, ty); err != nil {
		result.Diagnostics = append(result.Diagnostics, failed("The object", err)...)
		out.Object, _ = encode(r.Prior, ty)
	}
	out.Diagnostics = diagnosticsTo(result.Diagnostics)
	return stream.Send(&proto.ApplyEvent{Event: &proto.ApplyEvent_Result{Result: out}})
}

// cancelWhenAsked cancels the operation at a cancel message. A closed input
// asks for nothing; a broken one ends the operation through its own context.
func cancelWhenAsked(receive func() (*proto.ApplyInput, error), cancel context.CancelFunc) {
	for {
		m, err := receive()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				cancel()
			}
			return
		}
		if m.GetCancel() {
			cancel()
		}
	}
}

// sendProgress returns a function that queues events without waiting, and one
// that sends what is queued and ends; events after that are dropped.
func sendProgress(send func(plugins.Progress) error) (progress func(plugins.Progress), flush func()) {
	queue := make(chan plugins.Progress, progressQueue)
	end := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case p := <-queue:
				send(p)
			case <-end:
				for range len(queue) {
					send(<-queue)
				}
				return
			}
		}
	}()
	progress = func(p plugins.Progress) {
		select {
		case queue <- p:
		default:
		}
	}
	return progress, func() { close(end); <-ended }
}

func (s *server) Power(r *proto.PowerRequest, stream grpc.ServerStreamingServer[proto.PowerEvent]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	n, err := nodeFrom(r.GetNode(), t)
	if err != nil {
		return malformed("node: %v", err)
	}
	progress, flush := sendProgress(func(p plugins.Progress) error {
		return stream.Send(&proto.PowerEvent{Event: &proto.PowerEvent_Progress{Progress: progressTo(p)}})
	})
	d := s.p.Power(stream.Context(), n, plugins.PowerAction(r.GetAction()), progress)
	flush()
	return stream.Send(&proto.PowerEvent{Event: &proto.PowerEvent_Done{Done: &proto.PowerDone{Diagnostics: diagnosticsTo(d)}}})
}
