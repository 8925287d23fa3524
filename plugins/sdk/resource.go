package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/internal/typed"
)

// Resource is a type of managed resource. Managed makes one.
type Resource interface {
	resourceName() string
	describe() (*plugins.ResourceType, error)
	validate(ctx context.Context, config cty.Value) plugins.Diagnostics
	read(ctx context.Context, op Operation, object cty.Value) plugins.ReadResult
	plan(ctx context.Context, r plugins.PlanRequest) plugins.PlanResult
	apply(ctx context.Context, op Operation, r plugins.ApplyRequest) plugins.ApplyResult
	find(ctx context.Context, op Operation) ([]plugins.Found, plugins.Diagnostics)
	importObject(ctx context.Context, op Operation, id string) (cty.Value, plugins.Diagnostics)
	upgrade(ctx context.Context, r plugins.UpgradeRequest) plugins.UpgradeResult
	hands
}

// Managed returns a resource type. T is a struct with nxc tags; what else the
// type can do is told by the optional interfaces that h implements.
func Managed[T any](name string, h Handler[T], o ...Options) Resource {
	t, err := typed.For[T]()
	r := &managed[T]{name: name, h: h, typ: t, err: err}
	if len(o) > 0 {
		r.options = o[0]
	}
	return r
}

type managed[T any] struct {
	name    string
	h       Handler[T]
	options Options
	typ     *typed.Type
	err     error
}

func (m *managed[T]) resourceName() string { return m.name }

func (m *managed[T]) describe() (*plugins.ResourceType, error) {
	if m.err != nil {
		return nil, m.err
	}
	if m.h == nil {
		return nil, fmt.Errorf("it has no handler")
	}
	block := m.typ.Block
	block.Doc = m.options.Doc
	_, updates := m.h.(Updater[T])
	if !updates {
		block = typed.ReplaceAll(block)
	}
	_, plans := m.h.(Planner[T])
	hands := m.handsOffered()
	return &plugins.ResourceType{
		Version: m.options.Version, Block: block,
		Node: len(hands) > 0, Hands: hands, CustomPlan: plans,
		FindWindow: m.options.FindWindow, Timeouts: m.options.Timeouts,
	}, refuseReserved(&block, blockArguments...)
}

// decode fills a new T from a value.
func (m *managed[T]) decode(v cty.Value) (*T, map[string]bool, plugins.Diagnostics) {
	object := new(T)
	unknown, err := m.typ.Decode(v, object)
	return object, unknown, diagnose(err)
}

func (m *managed[T]) validate(ctx context.Context, config cty.Value) plugins.Diagnostics {
	object, _, d := m.decode(config)
	if d.HasErrors() {
		return d
	}
	v, ok := m.h.(Validator[T])
	if !ok {
		return d
	}
	d = guard(m.name, "Validate", func() error {
		if found := v.Validate(ctx, *object); len(found) > 0 {
			return found
		}
		return nil
	})
	return d
}

func (m *managed[T]) read(ctx context.Context, op Operation, object cty.Value) plugins.ReadResult {
	have, _, d := m.decode(object)
	if d.HasErrors() {
		return plugins.ReadResult{Object: object, Diagnostics: d}
	}
	var exists bool
	var reason string
	d = guard(m.name, "Read", func() (err error) {
		exists, err = m.h.Read(ctx, op, have)
		if !exists {
			reason, err = gone(err)
		}
		return err
	})
	if d.HasErrors() {
		return plugins.ReadResult{Object: object, Diagnostics: d}
	}
	if !exists {
		return plugins.ReadResult{Object: cty.NullVal(m.typ.Value()), Gone: reason, Diagnostics: d}
	}
	now, err := m.typ.Merge(have, object, nil)
	if err != nil {
		return plugins.ReadResult{Object: object, Diagnostics: append(d, diagnose(err)...)}
	}
	return plugins.ReadResult{Object: now, Diagnostics: d}
}

// plan asks the Planner; without one, the proposal stands.
func (m *managed[T]) plan(ctx context.Context, r plugins.PlanRequest) plugins.PlanResult {
	planner, ok := m.h.(Planner[T])
	if !ok {
		return plugins.PlanResult{Planned: r.Proposed}
	}
	proposed, unknown, d := m.decode(r.Proposed)
	if d.HasErrors() {
		return plugins.PlanResult{Planned: r.Proposed, Diagnostics: d}
	}
	var prior *T
	if !r.Prior.IsNull() {
		if prior, _, d = m.decode(r.Prior); d.HasErrors() {
			return plugins.PlanResult{Planned: r.Proposed, Diagnostics: d}
		}
	}
	p := &Planned[T]{Value: *proposed, unknown: unknown}
	d = guard(m.name, "Plan", func() error {
		return planner.Plan(ctx, Operation{Operation: r.Operation}, prior, p)
	})
	planned, err := m.typ.Merge(&p.Value, r.Proposed, p.unknown)
	if err != nil {
		return plugins.PlanResult{Planned: r.Proposed, Diagnostics: append(d, diagnose(err)...)}
	}
	return plugins.PlanResult{Planned: planned, Replace: p.replace, Diagnostics: d}
}

func (m *managed[T]) apply(ctx context.Context, op Operation, r plugins.ApplyRequest) plugins.ApplyResult {
	switch r.Action {
	case plugins.Create:
		return m.create(ctx, op, r)
	case plugins.Update:
		return m.update(ctx, op, r)
	case plugins.Delete:
		return m.remove(ctx, op, r)
	default:
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: plugins.NewError(fmt.Sprintf("Unknown action %q", r.Action), "")}
	}
}

func (m *managed[T]) create(ctx context.Context, op Operation, r plugins.ApplyRequest) plugins.ApplyResult {
	nothing := cty.NullVal(m.typ.Value())
	want, _, d := m.decode(r.Planned)
	if d.HasErrors() {
		return plugins.ApplyResult{Object: nothing, Diagnostics: d}
	}
	before := *want
	d = guard(m.name, "Create", func() error { return m.h.Create(ctx, op, want) })
	if d.HasErrors() && !m.typ.ComputedDiffers(want, &before) {
		return plugins.ApplyResult{Object: nothing, Diagnostics: d}
	}
	object, err := m.typ.Merge(want, r.Planned, nil)
	if err != nil {
		return plugins.ApplyResult{Object: nothing, Diagnostics: append(d, diagnose(err)...)}
	}
	return plugins.ApplyResult{Object: object, Diagnostics: d}
}

func (m *managed[T]) update(ctx context.Context, op Operation, r plugins.ApplyRequest) plugins.ApplyResult {
	updater, ok := m.h.(Updater[T])
	if !ok {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: plugins.NewError(m.name+" cannot change in place", "The change needs another object.")}
	}
	have, _, d := m.decode(r.Prior)
	if d.HasErrors() {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: d}
	}
	want, _, d := m.decode(r.Planned)
	if d.HasErrors() {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: d}
	}
	d = guard(m.name, "Update", func() error { return updater.Update(ctx, op, *have, want) })
	if d.HasErrors() {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: d}
	}
	object, err := m.typ.Merge(want, r.Planned, nil)
	if err != nil {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: append(d, diagnose(err)...)}
	}
	return plugins.ApplyResult{Object: object, Diagnostics: d}
}

func (m *managed[T]) remove(ctx context.Context, op Operation, r plugins.ApplyRequest) plugins.ApplyResult {
	have, _, d := m.decode(r.Prior)
	if d.HasErrors() {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: d}
	}
	d = guard(m.name, "Delete", func() error { return m.h.Delete(ctx, op, have) })
	if d.HasErrors() {
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: d}
	}
	return plugins.ApplyResult{Object: cty.NullVal(m.typ.Value()), Diagnostics: d}
}

func (m *managed[T]) find(ctx context.Context, op Operation) ([]plugins.Found, plugins.Diagnostics) {
	var objects []Found[T]
	d := guard(m.name, "Find", func() (err error) {
		objects, err = m.h.Find(ctx, op)
		return err
	})
	found := make([]plugins.Found, 0, len(objects))
	for i := range objects {
		v, err := m.typ.Encode(&objects[i].Object, typed.Result)
		if err != nil {
			d = append(d, diagnose(fmt.Errorf("found %s: %w", objects[i].Address, err))...)
			continue
		}
		found = append(found, plugins.Found{
			Type: m.name, Address: objects[i].Address, Attempt: objects[i].Attempt,
			Complete: objects[i].Complete, Object: v,
		})
	}
	return found, d
}

func (m *managed[T]) importObject(ctx context.Context, op Operation, id string) (cty.Value, plugins.Diagnostics) {
	importer, ok := m.h.(Importer[T])
	if !ok {
		return cty.NilVal, plugins.NewError(m.name+" cannot be imported", "The provider does not offer it for this type.")
	}
	var object *T
	d := guard(m.name, "Import", func() (err error) {
		object, err = importer.Import(ctx, op, id)
		return err
	})
	if d.HasErrors() {
		return cty.NilVal, d
	}
	if object == nil {
		return cty.NilVal, plugins.NewError(fmt.Sprintf("There is no %s %q", m.name, id), "Check the name.")
	}
	v, err := m.typ.Encode(object, typed.Result)
	return v, append(d, diagnose(err)...)
}

// upgrade asks the Upgrader, or, where the type has none, takes the attributes
// that are still there: enough as long as versions only add and drop some.
func (m *managed[T]) upgrade(ctx context.Context, r plugins.UpgradeRequest) plugins.UpgradeResult {
	var object *T
	var d plugins.Diagnostics
	if u, ok := m.h.(Upgrader[T]); ok {
		d = guard(m.name, "Upgrade", func() (err error) {
			object, err = u.Upgrade(ctx, r.Version, r.Object)
			return err
		})
		if d.HasErrors() {
			return plugins.UpgradeResult{Diagnostics: d}
		}
	}
	if object != nil {
		v, err := m.typ.Encode(object, typed.Result)
		return plugins.UpgradeResult{Object: v, Diagnostics: append(d, diagnose(err)...)}
	}
	var attrs map[string]json.RawMessage
	if err := json.Unmarshal(r.Object, &attrs); err != nil {
		return plugins.UpgradeResult{Diagnostics: plugins.NewError("The recorded object is not JSON", err.Error())}
	}
	v, err := m.typ.FromJSON(attrs)
	return plugins.UpgradeResult{Object: v, Diagnostics: diagnose(err)}
}

func sortedHands(h []plugins.Hand) []plugins.Hand {
	slices.Sort(h)
	return h
}
