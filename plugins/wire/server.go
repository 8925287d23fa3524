package wire

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// parallelism bounds how many answers of one stream are worked on at once.
const parallelism = 16

// NewServer returns the service that answers with p.
func NewServer(p plugins.Provider) proto.ProviderServer {
	s := &server{p: p}
	s.describe = sync.OnceValues(s.askSchema)
	return s
}

type server struct {
	proto.UnimplementedProviderServer
	p        plugins.Provider
	describe func() (*described, plugins.Diagnostics)
}

// described is the provider's schema in the forms that the server needs.
type described struct {
	response *proto.SchemaResponse
	types    *types
}

func (s *server) askSchema() (*described, plugins.Diagnostics) {
	schema, d := s.p.Schema(context.Background())
	if d.HasErrors() {
		return nil, d
	}
	response, err := SchemaTo(schema)
	if err != nil {
		return nil, failed("The schema", err)
	}
	response.Diagnostics = diagnosticsTo(d)
	return &described{response: response, types: typesOf(schema)}, nil
}

// types returns the schema's types, or the status that ends a call.
func (s *server) types() (*types, error) {
	d, diags := s.describe()
	if diags.HasErrors() {
		return nil, status.Error(codes.FailedPrecondition, text("schema: "+diags.Error()))
	}
	return d.types, nil
}

// malformed is the status of a call that a client of this protocol never makes.
func malformed(format string, args ...any) error {
	return status.Error(codes.InvalidArgument, text(fmt.Sprintf(format, args...)))
}

func (s *server) Schema(context.Context, *proto.SchemaRequest) (*proto.SchemaResponse, error) {
	d, diags := s.describe()
	if diags.HasErrors() {
		return &proto.SchemaResponse{Diagnostics: diagnosticsTo(diags)}, nil
	}
	return d.response, nil
}

func (s *server) Configure(ctx context.Context, r *proto.ConfigureRequest) (*proto.ConfigureResponse, error) {
	t, err := s.types()
	if err != nil {
		return nil, err
	}
	config, err := decode(r.GetConfig(), t.config)
	if err != nil {
		return nil, malformed("configuration: %v", err)
	}
	l, d := s.p.Configure(ctx, plugins.ConfigureRequest{
		Config: config,
		Folders: plugins.Folders{
			Project: r.GetProject(), State: r.GetState(), Runtime: r.GetRuntime(), Cache: r.GetCache(), Keys: r.GetKeys(), StoreRoot: r.GetStoreRoot(),
		},
	})
	return &proto.ConfigureResponse{
		Location:    &proto.Location{Kind: text(l.Kind), Id: text(l.ID), Label: text(l.Label)},
		Diagnostics: diagnosticsTo(d),
	}, nil
}

func (s *server) Expand(stream grpc.BidiStreamingServer[proto.ExpandRequest, proto.ExpandResponse]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	request, err := receiveExpand(stream, t)
	if err != nil {
		return err
	}
	e, d := s.p.Expand(stream.Context(), *request)
	for i := range d {
		if err := stream.Send(&proto.ExpandResponse{Part: &proto.ExpandResponse_Diagnostic{Diagnostic: diagnosticTo(&d[i])}}); err != nil {
			return err
		}
	}
	if e == nil || d.HasErrors() {
		return nil
	}
	for i := range e.Resources {
		r, err := expandedResourceTo(&e.Resources[i], t)
		if err != nil {
			bad := failed(fmt.Sprintf("%s[%q]", e.Resources[i].Type, e.Resources[i].Key), err)
			return stream.Send(&proto.ExpandResponse{Part: &proto.ExpandResponse_Diagnostic{Diagnostic: diagnosticTo(&bad[0])}})
		}
		if err := stream.Send(&proto.ExpandResponse{Part: &proto.ExpandResponse_Resource{Resource: r}}); err != nil {
			return err
		}
	}
	for i := range e.Nodes {
		if err := stream.Send(&proto.ExpandResponse{Part: &proto.ExpandResponse_Node{Node: expandedNodeTo(&e.Nodes[i])}}); err != nil {
			return err
		}
	}
	for _, f := range e.Files {
		part := &proto.ExpandResponse_File{File: &proto.ExpandedFile{Path: text(f.Path), Content: f.Content}}
		if err := stream.Send(&proto.ExpandResponse{Part: part}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) ReadData(ctx context.Context, r *proto.ReadDataRequest) (*proto.ReadDataResponse, error) {
	t, err := s.types()
	if err != nil {
		return nil, err
	}
	ty, err := t.of(plugins.KindData, r.GetType())
	if err != nil {
		return nil, malformed("%v", err)
	}
	config, err := decode(r.GetConfig(), ty)
	if err != nil {
		return nil, malformed("%s: %v", r.GetType(), err)
	}
	v, d := s.p.ReadData(ctx, plugins.ReadDataRequest{Type: r.GetType(), Config: config})
	out := &proto.ReadDataResponse{}
	if !d.HasErrors() {
		if out.Value, err = encode(v, ty); err != nil {
			d = append(d, failed("The data", err)...)
		}
	}
	out.Diagnostics = diagnosticsTo(d)
	return out, nil
}

func (s *server) Import(ctx context.Context, r *proto.ImportRequest) (*proto.ImportResponse, error) {
	t, err := s.types()
	if err != nil {
		return nil, err
	}
	ty, err := t.resource(r.GetType())
	if err != nil {
		return nil, malformed("%v", err)
	}
	v, d := s.p.Import(ctx, plugins.ImportRequest{Type: r.GetType(), ID: r.GetId(), Operation: operationFrom(r.GetOperation())})
	out := &proto.ImportResponse{}
	if !d.HasErrors() {
		if out.Object, err = encode(v, ty); err != nil {
			d = append(d, failed("The object", err)...)
		}
	}
	out.Diagnostics = diagnosticsTo(d)
	return out, nil
}

func (s *server) Find(r *proto.FindRequest, stream grpc.ServerStreamingServer[proto.FindResponse]) error {
	t, err := s.types()
	if err != nil {
		return err
	}
	found, d := s.p.Find(stream.Context(), plugins.FindRequest{UUID: r.GetUuid(), Types: r.GetTypes()})
	for i := range found {
		f := &found[i]
		ty, err := t.resource(f.Type)
		if err != nil {
			d = append(d, failed("What was found", err)...)
			continue
		}
		object, err := encode(f.Object, ty)
		if err != nil {
			d = append(d, failed("What was found", err)...)
			continue
		}
		out := &proto.Found{Type: f.Type, Address: text(f.Address), Attempt: text(f.Attempt), Complete: f.Complete, Object: object}
		if err := stream.Send(&proto.FindResponse{Part: &proto.FindResponse_Found{Found: out}}); err != nil {
			return err
		}
	}
	for i := range d {
		if err := stream.Send(&proto.FindResponse{Part: &proto.FindResponse_Diagnostic{Diagnostic: diagnosticTo(&d[i])}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) SetContext(ctx context.Context, r *proto.SetContextRequest) (*proto.SetContextResponse, error) {
	t, err := s.types()
	if err != nil {
		return nil, err
	}
	n, err := nodeFrom(r.GetNode(), t)
	if err != nil {
		return nil, malformed("node: %v", err)
	}
	var c plugins.Context
	if given := contextFrom(r.GetContext()); given != nil {
		c = *given
	}
	return &proto.SetContextResponse{Diagnostics: diagnosticsTo(s.p.SetContext(ctx, n, c))}, nil
}

func (s *server) Stop(ctx context.Context, _ *proto.StopRequest) (*proto.StopResponse, error) {
	return &proto.StopResponse{}, s.p.Stop(ctx)
}

// receiveExpand collects the header and the prior objects.
func receiveExpand(stream grpc.BidiStreamingServer[proto.ExpandRequest, proto.ExpandResponse], t *types) (*plugins.ExpandRequest, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	h := first.GetHeader()
	ty, err := t.of(plugins.KindFlavour, h.GetFlavour())
	if err != nil {
		return nil, malformed("%v", err)
	}
	config, err := decode(h.GetConfig(), ty)
	if err != nil {
		return nil, malformed("flavour %s: %v", h.GetFlavour(), err)
	}
	r := &plugins.ExpandRequest{
		Composition: h.GetComposition(), Label: h.GetLabel(), Flavour: h.GetFlavour(), Config: config,
		Artifacts: h.GetArtifacts(), Extra: h.GetExtra(),
	}
	for _, role := range h.GetRoles() {
		r.Roles = append(r.Roles, roleFrom(role))
	}
	return r, receiveAll(stream.Recv, func(m *proto.ExpandRequest) error {
		key := resourceKeyFrom(m.GetPrior().GetResource())
		ty, err := t.resource(key.Type)
		if err != nil {
			return malformed("%v", err)
		}
		object, err := decode(m.GetPrior().GetObject(), ty)
		if err != nil {
			return malformed("prior object %s[%q]: %v", key.Type, key.Key, err)
		}
		r.Prior = append(r.Prior, plugins.PriorObject{ResourceKey: key, Object: object})
		return nil
	})
}
