package wire

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// Copy moves files to or from a node.
func (c *Client) Copy(ctx context.Context, n plugins.Node, cp plugins.Copy) plugins.Diagnostics {
	if (cp.In == nil) == (cp.Out == nil) {
		return plugins.NewError("Copy needs exactly one direction", "")
	}
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return d
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := c.rpc.Copy(ctx)
	if err != nil {
		return c.explain("Copy", err)
	}
	stream.Send(&proto.CopyInput{Input: &proto.CopyInput_Start{Start: &proto.CopyStart{
		Node: node, Path: cp.Path, FromNode: cp.Out != nil,
	}}})
	if cp.In != nil {
		go func() {
			if err := pump(cp.In, func(b []byte) error {
				return stream.Send(&proto.CopyInput{Input: &proto.CopyInput_Data{Data: b}})
			}); err != nil {
				// Half an archive must not look like a whole one.
				cancel(fmt.Errorf("reading what is to be copied: %w", err))
				return
			}
			stream.CloseSend()
		}()
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return c.explainStream(ctx, "Copy", err)
		}
		switch out := m.GetOutput().(type) {
		case *proto.CopyOutput_Data:
			if err := write(cp.Out, out.Data); err != nil {
				return plugins.NewError("Copy: what comes from the node cannot be written", err.Error())
			}
		case *proto.CopyOutput_Done:
			return diagnosticsFrom(out.Done.GetDiagnostics())
		}
	}
}

// pump sends what r holds in chunks, until its end or until nobody listens.
// The error is the reader's.
func pump(r io.Reader, send func([]byte) error) error {
	b := make([]byte, chunkSize)
	for {
		n, err := r.Read(b)
		if n > 0 && send(append([]byte(nil), b[:n]...)) != nil {
			return nil // receiving says why
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// explainStream prefers the reason for which we gave up ourselves.
func (c *Client) explainStream(ctx context.Context, verb string, err error) plugins.Diagnostics {
	if errors.Is(err, io.EOF) {
		return c.explain(verb, errNoEnd)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return plugins.NewError(verb+" failed", cause.Error())
	}
	return c.explain(verb, err)
}
