package sdk

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/internal/typed"
)

// Expansion collects the resources and nodes of a deployment. See Add.
type Expansion struct {
	result plugins.Expansion
	errs   plugins.Diagnostics
}

// Added is a resource that was added to an expansion.
type Added struct {
	expansion *Expansion
	index     int
}

// Add adds a resource. A field with its zero value was left out: the attribute
// has its default, or is null, and a computed one is then decided by the
// provider. Where zero itself is meant, the field is a pointer.
func Add[T any](e *Expansion, typ, key string, value T) *Added {
	v, err := encodeWish(value)
	if err != nil {
		e.fail(typ, key, err)
		v = cty.DynamicVal
	}
	e.result.Resources = append(e.result.Resources, plugins.ExpandedResource{
		ResourceKey: plugins.ResourceKey{Type: typ, Key: key},
		Values:      v,
	})
	return &Added{expansion: e, index: len(e.result.Resources) - 1}
}

func encodeWish[T any](value T) (cty.Value, error) {
	t, err := typed.For[T]()
	if err != nil {
		return cty.NilVal, err
	}
	return t.Encode(value, typed.Wish)
}

// Ref fills an attribute, which may be a path such as "port[0].host", from an
// attribute of another resource of the deployment, during the apply when it is
// not known before. It also makes that resource a dependency.
func (a *Added) Ref(attribute string, fromType, fromKey, fromAttribute string) *Added {
	r := a.resource()
	path, err := parsePath(attribute)
	if err == nil {
		r.Values, err = setUnknown(r.Values, path)
	}
	if err != nil {
		a.expansion.fail(r.Type, r.Key, err)
		return a
	}
	r.References = append(r.References, plugins.Reference{
		Path:      path,
		From:      plugins.ResourceKey{Type: fromType, Key: fromKey},
		Attribute: fromAttribute,
	})
	return a
}

// DependsOn says that the other resource must exist first, although none of
// its attributes is used.
func (a *Added) DependsOn(typ, key string) *Added {
	r := a.resource()
	r.DependsOn = append(r.DependsOn, plugins.ResourceKey{Type: typ, Key: key})
	return a
}

func (a *Added) resource() *plugins.ExpandedResource {
	return &a.expansion.result.Resources[a.index]
}

// Node says that a resource of the deployment is one of its nodes.
func (e *Expansion) Node(n plugins.ExpandedNode) {
	e.result.Nodes = append(e.result.Nodes, n)
}

// File adds a file for the user: the deployment in the form of another tool.
// Its path is relative and written with slashes. It holds nothing secret.
func (e *Expansion) File(path string, content []byte) {
	e.result.Files = append(e.result.Files, plugins.ExpandedFile{Path: path, Content: content})
}

func (e *Expansion) fail(typ, key string, err error) {
	e.errs = append(e.errs, plugins.NewError(fmt.Sprintf("The provider's expansion of %s[%q] is wrong", typ, key),
		fmt.Sprintf("%v. This is a mistake in the provider.", err))...)
}

// Prior returns the objects of a type that the deployment has now, by key.
func Prior[T any](r plugins.ExpandRequest, typ string) (map[string]T, error) {
	t, err := typed.For[T]()
	if err != nil {
		return nil, err
	}
	prior := map[string]T{}
	for _, p := range r.Prior {
		if p.Type != typ {
			continue
		}
		var object T
		if _, err := t.Decode(p.Object, &object); err != nil {
			return nil, fmt.Errorf("prior object %s[%q]: %w", typ, p.Key, err)
		}
		prior[p.Key] = object
	}
	return prior, nil
}

// setUnknown returns v with an unknown value at path.
func setUnknown(v cty.Value, path cty.Path) (cty.Value, error) {
	target, err := path.Apply(v)
	if err != nil {
		return v, fmt.Errorf("no attribute %s: %w", pathText(path), err)
	}
	want := cty.UnknownVal(target.Type())
	return cty.Transform(v, func(p cty.Path, v cty.Value) (cty.Value, error) {
		if p.Equals(path) {
			return want, nil
		}
		return v, nil
	})
}

// pathText writes a path as parsePath reads it.
func pathText(path cty.Path) string {
	text := ""
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			if text != "" {
				text += "."
			}
			text += step.Name
		case cty.IndexStep:
			if step.Key.Type() == cty.String {
				text += fmt.Sprintf("[%q]", step.Key.AsString())
			} else {
				text += "[" + step.Key.AsBigFloat().Text('f', 0) + "]"
			}
		}
	}
	return text
}
