package state

import (
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// unmarshalObject returns the object of type t whose attributes are the
// members of both JSON objects; what neither has is null. It reads what
// marshalObject wrote, in one pass: before a plan every object of a state goes
// through here, and cty's own reader takes ten times as long.
func unmarshalObject(t cty.Type, asked, observed json.RawMessage) (cty.Value, error) {
	types := t.AttributeTypes()
	attributes := make(map[string]cty.Value, len(types))
	for _, raw := range []json.RawMessage{asked, observed} {
		if len(raw) == 0 {
			continue
		}
		s := scanner{data: raw}
		if err := s.attributes(types, attributes); err != nil {
			return cty.NilVal, fmt.Errorf("the recorded object does not fit its schema: %w", err)
		}
	}
	for name, t := range types {
		if _, there := attributes[name]; !there {
			attributes[name] = cty.NullVal(t)
		}
	}
	return cty.ObjectVal(attributes), nil
}

// attributes reads an object's members into values.
func (s *scanner) attributes(types map[string]cty.Type, into map[string]cty.Value) error {
	return s.object(func(name string, _ int) error {
		t, known := types[name]
		if !known {
			return fmt.Errorf("it has an attribute %q, which the schema has not", name)
		}
		v, err := s.value(t)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
		into[name] = v
		return nil
	})
}

// value reads a value of type t.
func (s *scanner) value(t cty.Type) (cty.Value, error) {
	switch {
	case t.HasDynamicTypes():
		raw, err := s.raw()
		if err != nil {
			return cty.NilVal, err
		}
		return ctyjson.Unmarshal(raw, t)
	case s.space() == 'n':
		_, err := s.literal()
		return cty.NullVal(t), err
	case t.IsPrimitiveType():
		return s.primitive(t)
	case t.IsMapType():
		return s.mapValue(t.ElementType())
	case t.IsObjectType():
		return s.objectValue(t)
	case t.IsTupleType():
		return s.tupleValue(t.TupleElementTypes())
	case t.IsListType(), t.IsSetType():
		return s.sequence(t)
	}
	return cty.NilVal, fmt.Errorf("a %s cannot be recorded", t.FriendlyName())
}

func (s *scanner) primitive(t cty.Type) (cty.Value, error) {
	c := s.space()
	switch t {
	case cty.String:
		if c == '"' {
			text, err := s.str()
			return cty.StringVal(text), err
		}
	case cty.Bool:
		if c == 't' || c == 'f' {
			b, err := s.bool()
			return cty.BoolVal(b), err
		}
	case cty.Number:
		if c == '-' || '0' <= c && c <= '9' {
			text, err := s.number()
			if err != nil {
				return cty.NilVal, err
			}
			return cty.ParseNumberVal(text)
		}
	}
	return cty.NilVal, fmt.Errorf("it is not a %s", t.FriendlyName())
}

func (s *scanner) mapValue(t cty.Type) (cty.Value, error) {
	elements := map[string]cty.Value{}
	err := s.object(func(name string, _ int) (err error) {
		elements[name], err = s.value(t)
		return err
	})
	switch {
	case err != nil:
		return cty.NilVal, err
	case len(elements) == 0:
		return cty.MapValEmpty(t), nil
	}
	return cty.MapVal(elements), nil
}

func (s *scanner) objectValue(t cty.Type) (cty.Value, error) {
	types := t.AttributeTypes()
	attributes := make(map[string]cty.Value, len(types))
	if err := s.attributes(types, attributes); err != nil {
		return cty.NilVal, err
	}
	for name, t := range types {
		if _, there := attributes[name]; !there {
			attributes[name] = cty.NullVal(t)
		}
	}
	return cty.ObjectVal(attributes), nil
}

func (s *scanner) tupleValue(types []cty.Type) (cty.Value, error) {
	var elements []cty.Value
	err := s.array(func() error {
		if len(elements) == len(types) {
			return fmt.Errorf("it has more than %d elements", len(types))
		}
		v, err := s.value(types[len(elements)])
		elements = append(elements, v)
		return err
	})
	if err == nil && len(elements) < len(types) {
		err = fmt.Errorf("it has fewer than %d elements", len(types))
	}
	if err != nil {
		return cty.NilVal, err
	}
	return cty.TupleVal(elements), nil
}

func (s *scanner) sequence(t cty.Type) (cty.Value, error) {
	var elements []cty.Value
	err := s.array(func() error {
		v, err := s.value(t.ElementType())
		elements = append(elements, v)
		return err
	})
	switch {
	case err != nil:
		return cty.NilVal, err
	case t.IsListType() && len(elements) == 0:
		return cty.ListValEmpty(t.ElementType()), nil
	case t.IsListType():
		return cty.ListVal(elements), nil
	case len(elements) == 0:
		return cty.SetValEmpty(t.ElementType()), nil
	}
	return cty.SetVal(elements), nil
}
