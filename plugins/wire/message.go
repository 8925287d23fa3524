package wire

import (
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

func operationTo(o plugins.Operation) *proto.Operation {
	return &proto.Operation{
		Address: o.Address, Deployment: o.Deployment, Uuid: o.UUID, Attempt: o.Attempt,
		TimeoutMs: o.Timeout.Milliseconds(),
	}
}

func operationFrom(o *proto.Operation) plugins.Operation {
	return plugins.Operation{
		Address: o.GetAddress(), Deployment: o.GetDeployment(), UUID: o.GetUuid(), Attempt: o.GetAttempt(),
		Timeout: time.Duration(o.GetTimeoutMs()) * time.Millisecond,
	}
}

func progressTo(p plugins.Progress) *proto.Progress {
	return &proto.Progress{Phase: text(p.Phase), Done: p.Done, Expected: p.Expected, Unit: text(p.Unit), Log: text(p.Log), Note: text(p.Note), Idle: p.Idle}
}

func progressFrom(p *proto.Progress) plugins.Progress {
	return plugins.Progress{Phase: p.GetPhase(), Done: p.GetDone(), Expected: p.GetExpected(), Unit: p.GetUnit(), Log: p.GetLog(), Note: p.GetNote(), Idle: p.GetIdle()}
}

func contextTo(c *plugins.Context) *proto.Context {
	if c == nil {
		return nil
	}
	out := &proto.Context{Digest: c.Digest}
	for i := range c.Files {
		f := &c.Files[i]
		out.Files = append(out.Files, &proto.ContextFile{Path: f.Path, Mode: f.Mode, Private: f.Private, Content: f.Content})
	}
	return out
}

func contextFrom(p *proto.Context) *plugins.Context {
	if p == nil {
		return nil
	}
	c := &plugins.Context{Digest: p.GetDigest()}
	for _, f := range p.GetFiles() {
		c.Files = append(c.Files, plugins.ContextFile{Path: f.GetPath(), Mode: f.GetMode(), Private: f.GetPrivate(), Content: f.GetContent()})
	}
	return c
}

func resourceKeyTo(k plugins.ResourceKey) *proto.ResourceKey {
	return &proto.ResourceKey{Type: k.Type, Key: k.Key}
}

func resourceKeyFrom(k *proto.ResourceKey) plugins.ResourceKey {
	return plugins.ResourceKey{Type: k.GetType(), Key: k.GetKey()}
}

func roleTo(r *plugins.Role) *proto.Role {
	return &proto.Role{Name: r.Name, System: r.System, Nodes: r.Nodes, Rest: r.Rest, Min: int64(r.Min), Options: r.Options, Switch: r.Switch}
}

func roleFrom(r *proto.Role) plugins.Role {
	return plugins.Role{Name: r.GetName(), System: r.GetSystem(), Nodes: r.GetNodes(), Rest: r.GetRest(), Min: int(r.GetMin()), Options: r.GetOptions(), Switch: r.GetSwitch()}
}

func windowSizeTo(w *plugins.WindowSize) *proto.WindowSize {
	if w == nil {
		return nil
	}
	return &proto.WindowSize{Columns: uint32(w.Columns), Rows: uint32(w.Rows)}
}

func windowSizeFrom(w *proto.WindowSize) *plugins.WindowSize {
	if w == nil {
		return nil
	}
	return &plugins.WindowSize{Columns: uint16(w.GetColumns()), Rows: uint16(w.GetRows())}
}

func nodeTo(n plugins.Node, t *types) (*proto.Node, error) {
	ty, err := t.resource(n.Type)
	if err != nil {
		return nil, err
	}
	object, err := encode(n.Object, ty)
	if err != nil {
		return nil, err
	}
	return &proto.Node{Type: n.Type, Operation: operationTo(n.Operation), Object: object}, nil
}

func nodeFrom(n *proto.Node, t *types) (plugins.Node, error) {
	ty, err := t.resource(n.GetType())
	if err != nil {
		return plugins.Node{}, err
	}
	object, err := decode(n.GetObject(), ty)
	return plugins.Node{Type: n.GetType(), Operation: operationFrom(n.GetOperation()), Object: object}, err
}

func expandedResourceTo(r *plugins.ExpandedResource, t *types) (*proto.ExpandedResource, error) {
	ty, err := t.resource(r.Type)
	if err != nil {
		return nil, err
	}
	values, err := encode(r.Values, ty)
	if err != nil {
		return nil, err
	}
	out := &proto.ExpandedResource{Resource: resourceKeyTo(r.ResourceKey), Values: values}
	for _, ref := range r.References {
		out.References = append(out.References, &proto.Reference{
			Path: pathTo(ref.Path), From: resourceKeyTo(ref.From), Attribute: ref.Attribute,
		})
	}
	for _, on := range r.DependsOn {
		out.DependsOn = append(out.DependsOn, resourceKeyTo(on))
	}
	return out, nil
}

func expandedResourceFrom(p *proto.ExpandedResource, t *types) (plugins.ExpandedResource, error) {
	r := plugins.ExpandedResource{ResourceKey: resourceKeyFrom(p.GetResource())}
	ty, err := t.resource(r.Type)
	if err != nil {
		return r, err
	}
	if r.Values, err = decode(p.GetValues(), ty); err != nil {
		return r, err
	}
	for _, ref := range p.GetReferences() {
		r.References = append(r.References, plugins.Reference{
			Path: pathFrom(ref.GetPath()), From: resourceKeyFrom(ref.GetFrom()), Attribute: ref.GetAttribute(),
		})
	}
	for _, on := range p.GetDependsOn() {
		r.DependsOn = append(r.DependsOn, resourceKeyFrom(on))
	}
	return r, nil
}

func expandedNodeTo(n *plugins.ExpandedNode) *proto.ExpandedNode {
	return &proto.ExpandedNode{
		Name: n.Name, Role: n.Role, Index: int64(n.Index), System: n.System,
		Resource: resourceKeyTo(n.Resource), Address: n.Address,
	}
}

func expandedNodeFrom(n *proto.ExpandedNode) plugins.ExpandedNode {
	return plugins.ExpandedNode{
		Name: n.GetName(), Role: n.GetRole(), Index: int(n.GetIndex()), System: n.GetSystem(),
		Resource: resourceKeyFrom(n.GetResource()), Address: n.GetAddress(),
	}
}

// kinds pairs the two forms of what a type name names.
var kinds = map[plugins.Kind]proto.ValidateRequest_Kind{
	plugins.KindResource: proto.ValidateRequest_RESOURCE,
	plugins.KindData:     proto.ValidateRequest_DATA,
	plugins.KindFlavour:  proto.ValidateRequest_FLAVOUR,
}

func kindFrom(k proto.ValidateRequest_Kind) plugins.Kind {
	switch k {
	case proto.ValidateRequest_DATA:
		return plugins.KindData
	case proto.ValidateRequest_FLAVOUR:
		return plugins.KindFlavour
	default:
		return plugins.KindResource
	}
}

var actions = map[plugins.Action]proto.ApplyRequest_Action{
	plugins.Create: proto.ApplyRequest_CREATE,
	plugins.Update: proto.ApplyRequest_UPDATE,
	plugins.Delete: proto.ApplyRequest_DELETE,
}

func actionFrom(a proto.ApplyRequest_Action) plugins.Action {
	switch a {
	case proto.ApplyRequest_UPDATE:
		return plugins.Update
	case proto.ApplyRequest_DELETE:
		return plugins.Delete
	default:
		return plugins.Create
	}
}
