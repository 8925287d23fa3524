package plan

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Objects holds the value of every object, and builds from them the values
// that expressions see. A block's value is built when it is first asked for
// and kept until one of its instances changes, so that asking is cheap however
// many instances there are. It is not safe for concurrent use.
type Objects struct {
	blocks map[addr.Instance]*block
	values map[addr.Instance]cty.Value

	types  Types
	mark   any // put on sensitive attributes; nil: none
	shapes shapes
}

var _ Values = (*Objects)(nil)

// block is the shape of one block's value, and that value once it was built.
type block struct {
	kind      Kind
	failed    bool
	instances []addr.Instance // sorted
	node      func(map[addr.Instance]cty.Value) cty.Value
	built     cty.Value
}

func newObjects(types Types, mark any) *Objects {
	return &Objects{
		blocks: map[addr.Instance]*block{},
		values: map[addr.Instance]cty.Value{},
		types:  types, mark: mark, shapes: shapes{},
	}
}

// BlockOf returns the address of the block that an instance belongs to, as
// Source and Values name it: the address without key, or the deployment.
func BlockOf(a addr.Instance) addr.Instance {
	if !a.Deployment.IsTop() {
		return addr.Instance{Deployment: a.Deployment}
	}
	return a.Block()
}

// Clone returns a copy that may be changed on its own.
func (o *Objects) Clone() *Objects {
	c := newObjects(o.types, o.mark)
	c.values = maps.Clone(o.values)
	for a, b := range o.blocks {
		copied := *b
		c.blocks[a] = &copied
	}
	return c
}

// Object returns the value of one object.
func (o *Objects) Object(a addr.Instance) (cty.Value, bool) {
	v, ok := o.values[a]
	return v, ok
}

// Set changes the value of one object. The value comes without marks; they
// are put back, and the attributes that the schema calls sensitive are marked.
func (o *Objects) Set(a addr.Instance, provider string, v cty.Value, marks []cty.PathValueMarks) {
	if len(marks) > 0 {
		v = v.MarkWithPaths(marks)
	}
	o.put(a, o.hide(a, provider, v))
}

// forget makes the value of an object one of which nothing is known.
func (o *Objects) forget(a addr.Instance) { o.put(a, cty.DynamicVal) }

func (o *Objects) put(a addr.Instance, v cty.Value) {
	o.values[a] = v
	if b := o.blocks[BlockOf(a)]; b != nil {
		b.built = cty.NilVal
	}
}

// hide marks the sensitive attributes of a value.
func (o *Objects) hide(a addr.Instance, provider string, v cty.Value) cty.Value {
	if o.mark == nil || o.types == nil {
		return v
	}
	describe := o.types.Resource
	if a.Data {
		describe = o.types.Data
	}
	t, ok := describe(provider, a.Type)
	if !ok {
		return v
	}
	return markSensitive(o.shapes.of(t.Block), v, o.mark)
}

// Block implements Values.
func (o *Objects) Block(a addr.Instance) (cty.Value, bool) {
	b, ok := o.blocks[a]
	if !ok {
		return cty.NilVal, false
	}
	if b.failed {
		return cty.DynamicVal, true
	}
	if b.built == cty.NilVal {
		b.built = o.build(b)
	}
	return b.built, true
}

func (o *Objects) declare(a addr.Instance, kind Kind, instances []addr.Instance, node func(map[addr.Instance]cty.Value) cty.Value) {
	slices.SortFunc(instances, addr.Instance.Compare)
	o.blocks[a] = &block{kind: kind, instances: instances, node: node}
}

func (o *Objects) fail(a addr.Instance) { o.blocks[a] = &block{failed: true} }

func (o *Objects) build(b *block) cty.Value {
	switch b.kind {
	case Single:
		if len(b.instances) == 0 {
			return cty.DynamicVal
		}
		return o.value(b.instances[0])
	case Count:
		return o.tuple(b)
	case ForEach:
		values := make(map[string]cty.Value, len(b.instances))
		for _, a := range b.instances {
			key, _ := a.Key.Text()
			values[key] = o.value(a)
		}
		return cty.ObjectVal(values)
	default:
		return o.deployment(b)
	}
}

func (o *Objects) tuple(b *block) cty.Value {
	var values []cty.Value
	for _, a := range b.instances {
		n, _ := a.Key.Int()
		for len(values) < n { // only where recorded objects leave gaps
			values = append(values, cty.DynamicVal)
		}
		values = append(values, o.value(a))
	}
	return cty.TupleVal(values)
}

func (o *Objects) deployment(b *block) cty.Value {
	types := map[string]cty.Value{}
	for i := 0; i < len(b.instances); {
		typ, values := b.instances[i].Type, map[string]cty.Value{}
		for ; i < len(b.instances) && b.instances[i].Type == typ; i++ {
			key, _ := b.instances[i].Key.Text()
			values[key] = o.value(b.instances[i])
		}
		types[typ] = cty.ObjectVal(values)
	}
	if b.node != nil {
		objects := make(map[addr.Instance]cty.Value, len(b.instances))
		for _, a := range b.instances {
			objects[a] = o.value(a)
		}
		types["node"] = b.node(objects)
	}
	return cty.ObjectVal(types)
}

func (o *Objects) value(a addr.Instance) cty.Value {
	if v, ok := o.values[a]; ok {
		return v
	}
	return cty.DynamicVal
}
