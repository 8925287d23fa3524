package wire

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// Client is a provider at the other end of a connection.
type Client struct {
	rpc     proto.ProviderClient
	explain func(verb string, err error) plugins.Diagnostics

	mu    sync.Mutex
	known *plugins.Schema
	types *types
}

var _ plugins.Provider = (*Client)(nil)

// NewClient returns a provider behind rpc. explain turns the failure of a call
// into diagnostics, for a caller that knows more about the other end; it may
// be nil. schema may be nil too: the client then asks when it needs it.
func NewClient(rpc proto.ProviderClient, schema *plugins.Schema, explain func(verb string, err error) plugins.Diagnostics) *Client {
	c := &Client{rpc: rpc, explain: explain}
	if c.explain == nil {
		c.explain = Explain
	}
	if schema != nil {
		c.known, c.types = schema, typesOf(schema)
	}
	return c
}

// Explain says what a failed call means, as far as the call itself tells.
func Explain(verb string, err error) plugins.Diagnostics {
	switch {
	case errors.Is(err, context.Canceled), status.Code(err) == codes.Canceled:
		return plugins.NewError(verb+" was interrupted", "")
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return plugins.NewError(verb+": the provider did not answer in time", "")
	case status.Code(err) == codes.Unimplemented:
		return plugins.NewError("The provider does not offer "+verb, "A newer version of the provider may.")
	case status.Code(err) == codes.ResourceExhausted:
		return plugins.NewError(verb+": a message is too large", fmt.Sprintf("One message may have %d MiB. %s.", MaxMessage>>20, status.Convert(err).Message()))
	default:
		return plugins.NewError(verb+": the call to the provider failed", status.Convert(err).Message())
	}
}

// Schema asks once and keeps the answer.
func (c *Client) Schema(ctx context.Context) (*plugins.Schema, plugins.Diagnostics) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known != nil {
		return c.known, nil
	}
	response, err := c.rpc.Schema(ctx, &proto.SchemaRequest{})
	if err != nil {
		return nil, c.explain("Schema", err)
	}
	d := diagnosticsFrom(response.GetDiagnostics())
	if d.HasErrors() {
		return nil, d
	}
	s, err := SchemaFrom(response)
	if err != nil {
		return nil, append(d, plugins.NewError("The provider's schema is wrong", err.Error()+". This is a mistake in the provider.")...)
	}
	c.known, c.types = s, typesOf(s)
	return s, d
}

// typesFor returns the schema's types, asking for the schema when necessary.
func (c *Client) typesFor(ctx context.Context) (*types, plugins.Diagnostics) {
	if _, d := c.Schema(ctx); d.HasErrors() {
		return nil, d
	}
	return c.types, nil
}

// Configure connects the provider.
func (c *Client) Configure(ctx context.Context, r plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics) {
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		return plugins.Location{}, d
	}
	config, err := encode(r.Config, t.config)
	if err != nil {
		return plugins.Location{}, failed("The configuration", err)
	}
	response, err := c.rpc.Configure(ctx, &proto.ConfigureRequest{
		Config: config, Project: r.Folders.Project, State: r.Folders.State,
		Runtime: r.Folders.Runtime, Cache: r.Folders.Cache, Keys: r.Folders.Keys, StoreRoot: r.Folders.StoreRoot,
	})
	if err != nil {
		return plugins.Location{}, c.explain("Configure", err)
	}
	l := response.GetLocation()
	return plugins.Location{Kind: l.GetKind(), ID: l.GetId(), Label: l.GetLabel()}, diagnosticsFrom(response.GetDiagnostics())
}

// Expand turns a deployment into resources.
func (c *Client) Expand(ctx context.Context, r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics) {
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		return nil, d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Expand(ctx)
	if err != nil {
		return nil, c.explain("Expand", err)
	}
	if d := sendExpand(stream.Send, &r, t); d.HasErrors() {
		return nil, d
	}
	stream.CloseSend()
	e := &plugins.Expansion{}
	err = receiveAll(stream.Recv, func(m *proto.ExpandResponse) error {
		switch part := m.GetPart().(type) {
		case *proto.ExpandResponse_Resource:
			r, err := expandedResourceFrom(part.Resource, t)
			if err != nil {
				d = append(d, failed(fmt.Sprintf("%s[%q]", r.Type, r.Key), err)...)
				return nil
			}
			e.Resources = append(e.Resources, r)
		case *proto.ExpandResponse_Node:
			e.Nodes = append(e.Nodes, expandedNodeFrom(part.Node))
		case *proto.ExpandResponse_File:
			e.Files = append(e.Files, plugins.ExpandedFile{Path: part.File.GetPath(), Content: part.File.GetContent()})
		case *proto.ExpandResponse_Diagnostic:
			d = append(d, diagnosticFrom(part.Diagnostic))
		}
		return nil
	})
	if err != nil {
		return nil, append(d, c.explain("Expand", err)...)
	}
	if d.HasErrors() {
		return nil, d
	}
	return e, d
}

// sendExpand sends the header and the prior objects. When the call breaks
// meanwhile, receiving says why.
func sendExpand(send func(*proto.ExpandRequest) error, r *plugins.ExpandRequest, t *types) plugins.Diagnostics {
	ty, err := t.of(plugins.KindFlavour, r.Flavour)
	if err != nil {
		return failed("The flavour", err)
	}
	config, err := encode(r.Config, ty)
	if err != nil {
		return failed("The flavour block", err)
	}
	h := &proto.ExpandHeader{
		Composition: r.Composition, Label: r.Label, Flavour: r.Flavour, Config: config,
		Artifacts: r.Artifacts, Extra: r.Extra,
	}
	for i := range r.Roles {
		h.Roles = append(h.Roles, roleTo(&r.Roles[i]))
	}
	if send(&proto.ExpandRequest{Part: &proto.ExpandRequest_Header{Header: h}}) != nil {
		return nil
	}
	for i := range r.Prior {
		p := &r.Prior[i]
		ty, err := t.resource(p.Type)
		if err != nil {
			return failed("A prior object", err)
		}
		object, err := encode(p.Object, ty)
		if err != nil {
			return failed(fmt.Sprintf("The prior object %s[%q]", p.Type, p.Key), err)
		}
		prior := &proto.PriorObject{Resource: resourceKeyTo(p.ResourceKey), Object: object}
		if send(&proto.ExpandRequest{Part: &proto.ExpandRequest_Prior{Prior: prior}}) != nil {
			return nil
		}
	}
	return nil
}

// ReadData reads a data source.
func (c *Client) ReadData(ctx context.Context, r plugins.ReadDataRequest) (cty.Value, plugins.Diagnostics) {
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		return cty.NilVal, d
	}
	ty, err := t.of(plugins.KindData, r.Type)
	if err != nil {
		return cty.NilVal, failed("The data source", err)
	}
	config, err := encode(r.Config, ty)
	if err != nil {
		return cty.NilVal, failed("The data source's block", err)
	}
	response, err := c.rpc.ReadData(ctx, &proto.ReadDataRequest{Type: r.Type, Config: config})
	if err != nil {
		return cty.NilVal, c.explain("ReadData of "+r.Type, err)
	}
	return valueFrom(response.GetValue(), ty, diagnosticsFrom(response.GetDiagnostics()))
}

// valueFrom decodes an answer unless there are errors instead of one.
func valueFrom(b []byte, ty cty.Type, d plugins.Diagnostics) (cty.Value, plugins.Diagnostics) {
	if d.HasErrors() {
		return cty.NilVal, d
	}
	v, err := decode(b, ty)
	if err != nil {
		return cty.NilVal, append(d, failed("The answer", err)...)
	}
	return v, d
}

// Import reads an object by the provider's own name for it.
func (c *Client) Import(ctx context.Context, r plugins.ImportRequest) (cty.Value, plugins.Diagnostics) {
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		return cty.NilVal, d
	}
	ty, err := t.resource(r.Type)
	if err != nil {
		return cty.NilVal, failed("The resource", err)
	}
	response, err := c.rpc.Import(ctx, &proto.ImportRequest{Type: r.Type, Id: r.ID, Operation: operationTo(r.Operation)})
	if err != nil {
		return cty.NilVal, c.explain("Import of "+r.Type, err)
	}
	return valueFrom(response.GetObject(), ty, diagnosticsFrom(response.GetDiagnostics()))
}

// Find lists what exists outside.
func (c *Client) Find(ctx context.Context, r plugins.FindRequest) ([]plugins.Found, plugins.Diagnostics) {
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		return nil, d
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Find(ctx, &proto.FindRequest{Uuid: r.UUID, Types: r.Types})
	if err != nil {
		return nil, c.explain("Find", err)
	}
	var found []plugins.Found
	err = receiveAll(stream.Recv, func(m *proto.FindResponse) error {
		switch part := m.GetPart().(type) {
		case *proto.FindResponse_Diagnostic:
			d = append(d, diagnosticFrom(part.Diagnostic))
		case *proto.FindResponse_Found:
			f := part.Found
			ty, err := t.resource(f.GetType())
			if err != nil {
				d = append(d, failed("What was found", err)...)
				return nil
			}
			object, err := decode(f.GetObject(), ty)
			if err != nil {
				d = append(d, failed("What was found", err)...)
				return nil
			}
			found = append(found, plugins.Found{
				Type: f.GetType(), Address: f.GetAddress(), Attempt: f.GetAttempt(),
				Complete: f.GetComplete(), Object: object,
			})
		}
		return nil
	})
	if err != nil {
		d = append(d, c.explain("Find", err)...)
	}
	return found, d
}

// SetContext delivers a context to a node.
func (c *Client) SetContext(ctx context.Context, n plugins.Node, nc plugins.Context) plugins.Diagnostics {
	node, d := c.node(ctx, n)
	if d.HasErrors() {
		return d
	}
	response, err := c.rpc.SetContext(ctx, &proto.SetContextRequest{Node: node, Context: contextTo(&nc)})
	if err != nil {
		return c.explain("SetContext", err)
	}
	return diagnosticsFrom(response.GetDiagnostics())
}

// Stop asks for a graceful end.
func (c *Client) Stop(ctx context.Context) error {
	_, err := c.rpc.Stop(ctx, &proto.StopRequest{})
	return err
}

// node returns a node's wire form.
func (c *Client) node(ctx context.Context, n plugins.Node) (*proto.Node, plugins.Diagnostics) {
	t, d := c.typesFor(ctx)
	if d.HasErrors() {
		return nil, d
	}
	node, err := nodeTo(n, t)
	if err != nil {
		return nil, failed("The node", err)
	}
	return node, nil
}
