package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// SchemaTo returns the wire form of a schema; it is also what the host caches.
func SchemaTo(s *plugins.Schema) (*proto.SchemaResponse, error) {
	out := &proto.SchemaResponse{
		Provider: text(s.Provider), Version: text(s.Version),
		Resources: make(map[string]*proto.ResourceType, len(s.Resources)),
		Data:      make(map[string]*proto.DataType, len(s.Data)),
		Flavours:  make(map[string]*proto.Flavour, len(s.Flavours)),
	}
	var err error
	if out.Config, err = blockTo(&s.Config); err != nil {
		return nil, err
	}
	for name, r := range s.Resources {
		if out.Resources[name], err = resourceTypeTo(r); err != nil {
			return nil, fmt.Errorf("resource %s: %w", name, err)
		}
	}
	for name, d := range s.Data {
		b, err := blockTo(&d.Block)
		if err != nil {
			return nil, fmt.Errorf("data source %s: %w", name, err)
		}
		out.Data[name] = &proto.DataType{Block: b}
	}
	for name, f := range s.Flavours {
		b, err := blockTo(&f.Block)
		if err != nil {
			return nil, fmt.Errorf("flavour %s: %w", name, err)
		}
		out.Flavours[name] = &proto.Flavour{Block: b, Sources: f.Sources, Switches: f.Switches, Nodes: f.Nodes}
	}
	return out, nil
}

func resourceTypeTo(r *plugins.ResourceType) (*proto.ResourceType, error) {
	b, err := blockTo(&r.Block)
	if err != nil {
		return nil, err
	}
	hands := make([]string, len(r.Hands))
	for i, h := range r.Hands {
		hands[i] = string(h)
	}
	return &proto.ResourceType{
		Version: r.Version, Block: b, Node: r.Node, Hands: hands, CustomPlan: r.CustomPlan,
		FindWindowMs:    r.FindWindow.Milliseconds(),
		CreateTimeoutMs: r.Timeouts.Create.Milliseconds(),
		UpdateTimeoutMs: r.Timeouts.Update.Milliseconds(),
		DeleteTimeoutMs: r.Timeouts.Delete.Milliseconds(),
	}, nil
}

func blockTo(b *schema.Block) (*proto.Block, error) {
	out := &proto.Block{Doc: text(b.Doc)}
	for i := range b.Attributes {
		a := &b.Attributes[i]
		ty, err := a.Type.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", a.Name, err)
		}
		p := &proto.Attribute{
			Name: a.Name, Type: ty, Doc: text(a.Doc),
			Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, Replace: a.Replace, Exclusive: a.Exclusive,
		}
		if a.Default != cty.NilVal {
			if p.Default, err = encode(a.Default, a.Type); err != nil {
				return nil, fmt.Errorf("default of attribute %s: %w", a.Name, err)
			}
		}
		out.Attributes = append(out.Attributes, p)
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		nested, err := blockTo(&n.Block)
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", n.Name, err)
		}
		nesting := proto.NestedBlock_SINGLE
		if n.Nesting == schema.List {
			nesting = proto.NestedBlock_LIST
		}
		out.Blocks = append(out.Blocks, &proto.NestedBlock{Name: n.Name, Nesting: nesting, Block: nested, Required: n.Required})
	}
	return out, nil
}

// SchemaFrom reads a schema, and refuses one that would confuse the core.
func SchemaFrom(p *proto.SchemaResponse) (*plugins.Schema, error) {
	s := &plugins.Schema{
		Provider: p.GetProvider(), Version: p.GetVersion(),
		Resources: make(map[string]*plugins.ResourceType, len(p.GetResources())),
		Data:      make(map[string]*plugins.DataType, len(p.GetData())),
		Flavours:  make(map[string]*plugins.Flavour, len(p.GetFlavours())),
	}
	var err error
	if s.Config, err = blockFrom(p.GetConfig()); err != nil {
		return nil, fmt.Errorf("provider block: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(p.GetResources())) {
		if s.Resources[name], err = resourceTypeFrom(p.GetResources()[name]); err != nil {
			return nil, fmt.Errorf("resource %s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.GetData())) {
		b, err := blockFrom(p.GetData()[name].GetBlock())
		if err != nil {
			return nil, fmt.Errorf("data source %s: %w", name, err)
		}
		s.Data[name] = &plugins.DataType{Block: b}
	}
	for _, name := range slices.Sorted(maps.Keys(p.GetFlavours())) {
		f := p.GetFlavours()[name]
		b, err := blockFrom(f.GetBlock())
		if err != nil {
			return nil, fmt.Errorf("flavour %s: %w", name, err)
		}
		s.Flavours[name] = &plugins.Flavour{Block: b, Sources: f.GetSources(), Switches: f.GetSwitches(), Nodes: f.GetNodes()}
	}
	return s, nil
}

func resourceTypeFrom(r *proto.ResourceType) (*plugins.ResourceType, error) {
	b, err := blockFrom(r.GetBlock())
	if err != nil {
		return nil, err
	}
	hands := make([]plugins.Hand, len(r.GetHands()))
	for i, h := range r.GetHands() {
		hands[i] = plugins.Hand(h)
	}
	slices.Sort(hands)
	milliseconds := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	return &plugins.ResourceType{
		Version: r.GetVersion(), Block: b, Node: r.GetNode(), Hands: hands, CustomPlan: r.GetCustomPlan(),
		FindWindow: milliseconds(r.GetFindWindowMs()),
		Timeouts: plugins.Timeouts{
			Create: milliseconds(r.GetCreateTimeoutMs()),
			Update: milliseconds(r.GetUpdateTimeoutMs()),
			Delete: milliseconds(r.GetDeleteTimeoutMs()),
		},
	}, nil
}

func blockFrom(p *proto.Block) (schema.Block, error) {
	b := schema.Block{Doc: p.GetDoc()}
	for _, pa := range p.GetAttributes() {
		a, err := attributeFrom(pa)
		if err != nil {
			return b, fmt.Errorf("attribute %q: %w", pa.GetName(), err)
		}
		b.Attributes = append(b.Attributes, a)
	}
	slices.SortFunc(b.Attributes, func(x, y schema.Attribute) int { return strings.Compare(x.Name, y.Name) })
	for _, pn := range p.GetBlocks() {
		nested, err := blockFrom(pn.GetBlock())
		if err != nil {
			return b, fmt.Errorf("block %q: %w", pn.GetName(), err)
		}
		nesting := schema.Single
		if pn.GetNesting() == proto.NestedBlock_LIST {
			nesting = schema.List
		}
		b.Blocks = append(b.Blocks, schema.NestedBlock{Name: pn.GetName(), Nesting: nesting, Block: nested, Required: pn.GetRequired()})
	}
	return b, checkNames(&b)
}

func attributeFrom(p *proto.Attribute) (schema.Attribute, error) {
	a := schema.Attribute{
		Name: p.GetName(), Doc: p.GetDoc(),
		Required: p.GetRequired(), Optional: p.GetOptional(), Computed: p.GetComputed(),
		Sensitive: p.GetSensitive(), Replace: p.GetReplace(), Exclusive: p.GetExclusive(),
	}
	if err := a.Type.UnmarshalJSON(p.GetType()); err != nil {
		return a, fmt.Errorf("type %q: %w", p.GetType(), err)
	}
	if len(p.GetDefault()) > 0 {
		v, err := decode(p.GetDefault(), a.Type)
		if err != nil {
			return a, fmt.Errorf("default: %w", err)
		}
		a.Default = v
	}
	if !a.Required && !a.Optional && !a.Computed {
		return a, fmt.Errorf("is neither required, optional nor computed")
	}
	return a, nil
}

// checkNames refuses names that are missing or stand twice.
func checkNames(b *schema.Block) error {
	seen := map[string]bool{}
	for i := range b.Attributes {
		if name := b.Attributes[i].Name; name == "" || seen[name] {
			return fmt.Errorf("the attribute name %q is empty or stands twice", name)
		}
		seen[b.Attributes[i].Name] = true
	}
	for i := range b.Blocks {
		if name := b.Blocks[i].Name; name == "" || seen[name] {
			return fmt.Errorf("the block name %q is empty or stands twice", name)
		}
		seen[b.Blocks[i].Name] = true
	}
	return nil
}
