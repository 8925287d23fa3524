package planfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/marks"
)

// Value is a value as JSON. What is not known yet and what is sensitive is null
// there, and its places are listed. A place inside a set is the set's, whose
// elements have no names.
type Value struct {
	JSON      json.RawMessage `json:"value"`
	Unknown   []Path          `json:"unknown,omitempty"`
	Sensitive []Path          `json:"sensitive,omitempty"`
}

// Path is a place inside a value: names and numbers.
type Path cty.Path

// MarshalJSON writes the steps as an array.
func (p Path) MarshalJSON() ([]byte, error) {
	steps := make([]any, 0, len(p))
	for _, step := range p {
		switch step := step.(type) {
		case cty.GetAttrStep:
			steps = append(steps, step.Name)
		case cty.IndexStep:
			key, _ := step.Key.Unmark()
			switch {
			case !key.IsKnown() || key.IsNull():
				return nil, errors.New("a path has a key that is not known")
			case key.Type() == cty.String:
				steps = append(steps, key.AsString())
			case key.Type() == cty.Number:
				steps = append(steps, json.Number(key.AsBigFloat().Text('f', -1)))
			default:
				return json.Marshal(steps) // an element of a set: the set
			}
		}
	}
	return json.Marshal(steps)
}

// UnmarshalJSON reads an array of names and numbers.
func (p *Path) UnmarshalJSON(data []byte) error {
	var steps []any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&steps); err != nil {
		return err
	}
	*p = make(Path, 0, len(steps))
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			*p = append(*p, cty.GetAttrStep{Name: step})
		case json.Number:
			n, err := step.Int64()
			if err != nil || n < 0 {
				return fmt.Errorf("%s is no place in a list", step)
			}
			*p = append(*p, cty.IndexStep{Key: cty.NumberIntVal(n)})
		default:
			return errors.New("a path consists of names and numbers")
		}
	}
	return nil
}

// NewValue returns a value's record, nil where there is nothing.
func NewValue(v cty.Value) (*Value, error) {
	if v == cty.NilVal || !v.IsMarked() && v.IsKnown() && v.IsNull() {
		return nil, nil
	}
	out := &Value{}
	tree, err := out.walk(v, nil)
	if err == nil {
		out.JSON, err = compact(tree)
	}
	return out, err
}

// compact is json.Marshal without escapes for HTML.
func compact(tree any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(tree)
	return bytes.TrimSpace(b.Bytes()), err
}

func (o *Value) walk(v cty.Value, path cty.Path) (any, error) {
	switch {
	case v.IsMarked():
		o.Sensitive = append(o.Sensitive, Path(path.Copy()))
		return nil, nil
	case !v.IsKnown(), v.Type().IsSetType() && !v.IsWhollyKnown():
		o.Unknown = append(o.Unknown, Path(path.Copy()))
		return nil, nil
	case v.IsNull():
		return nil, nil
	}
	t := v.Type()
	switch {
	case t == cty.String:
		return v.AsString(), nil
	case t == cty.Bool:
		return v.True(), nil
	case t == cty.Number:
		return json.Number(v.AsBigFloat().Text('g', -1)), nil
	case t.IsObjectType() || t.IsMapType():
		all := v.AsValueMap()
		tree := make(map[string]any, len(all))
		for _, name := range sortedNames(all) { // the lists of places are in order
			e, err := o.walk(all[name], append(path, cty.GetAttrStep{Name: name}))
			if err != nil {
				return nil, err
			}
			tree[name] = e
		}
		return tree, nil
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		tree := make([]any, 0, v.LengthInt())
		for i, e := range v.AsValueSlice() {
			e, err := o.walk(e, append(path, cty.IndexStep{Key: cty.NumberIntVal(int64(i))}))
			if err != nil {
				return nil, err
			}
			tree = append(tree, e)
		}
		return tree, nil
	}
	return nil, fmt.Errorf("a %s cannot be written to a saved plan", t.FriendlyName())
}

func sortedNames(m map[string]cty.Value) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Cty returns the value for showing: objects for what may have been maps, and
// tuples for lists. In the place of what is sensitive stands a marked string;
// nothing is null.
func (o *Value) Cty(hidden string) (cty.Value, error) {
	if o == nil {
		return cty.NullVal(cty.DynamicPseudoType), nil
	}
	v, err := FromJSON(o.JSON)
	if err != nil {
		return cty.NilVal, err
	}
	at := func(list []Path, p cty.Path) bool {
		return slices.ContainsFunc(list, func(q Path) bool { return p.Equals(cty.Path(q)) })
	}
	return cty.Transform(v, func(p cty.Path, e cty.Value) (cty.Value, error) {
		switch {
		case !e.IsNull():
			return e, nil
		case at(o.Sensitive, p):
			return cty.StringVal(hidden).Mark(marks.Sensitive), nil
		case at(o.Unknown, p):
			return cty.DynamicVal, nil
		}
		return e, nil
	})
}

// FromJSON returns the value of the type that the JSON suggests.
func FromJSON(raw json.RawMessage) (cty.Value, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return cty.NilVal, err
	}
	return implied(tree)
}

func implied(tree any) (cty.Value, error) {
	switch tree := tree.(type) {
	case nil:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case string:
		return cty.StringVal(tree), nil
	case bool:
		return cty.BoolVal(tree), nil
	case json.Number:
		return number(string(tree))
	case []any:
		list := make([]cty.Value, len(tree))
		for i := range tree {
			var err error
			if list[i], err = implied(tree[i]); err != nil {
				return cty.NilVal, err
			}
		}
		return cty.TupleVal(list), nil
	case map[string]any:
		all := make(map[string]cty.Value, len(tree))
		for name, e := range tree {
			v, err := implied(e)
			if err != nil {
				return cty.NilVal, err
			}
			all[cty.NormalizeString(name)] = v
		}
		return cty.ObjectVal(all), nil
	}
	return cty.NilVal, fmt.Errorf("there is no value for %T", tree)
}

// number reads a number. One with an exponent that nothing real has is refused:
// it is shown with all its digits, which would be millions.
func number(text string) (cty.Value, error) {
	if _, exponent, has := strings.Cut(strings.ToLower(text), "e"); has {
		if n, err := strconv.Atoi(exponent); err != nil || n > 9999 || n < -9999 {
			return cty.NilVal, fmt.Errorf("the number %.40s is out of all bounds", text)
		}
	}
	return cty.ParseNumberVal(text)
}
