package plan

import "github.com/zclconf/go-cty/cty"

// ignore returns the configuration with what the user does not want to see
// changed replaced by the prior value. Without a prior object the
// configuration counts as it is.
func ignore(s *shape, config, prior cty.Value, l *Lifecycle) cty.Value {
	if prior.IsNull() || !l.IgnoreAll && len(l.IgnoreChanges) == 0 {
		return config
	}
	if l.IgnoreAll {
		return ignoreAll(s, config, prior)
	}
	for _, path := range l.IgnoreChanges {
		config = ignoreAt(config, prior, path)
	}
	return config
}

// ignoreAll takes everything that a configuration may set from the prior object.
func ignoreAll(s *shape, config, prior cty.Value) cty.Value {
	values := config.AsValueMap()
	for i := range s.Attributes {
		if a := &s.Attributes[i]; a.Required || a.Optional {
			values[a.Name] = prior.GetAttr(a.Name)
		}
	}
	for i := range s.nested {
		values[s.nested[i].name] = prior.GetAttr(s.nested[i].name)
	}
	return cty.ObjectVal(values)
}

// ignoreAt takes one place from the prior object. A key that the prior map
// lacks goes away, and one that only the prior map has comes back; a place
// that is not there in one of them in another way leaves the configuration as
// it is.
func ignoreAt(config, prior cty.Value, path cty.Path) cty.Value {
	before, ok := valueAt(prior, path)
	if !ok {
		if !endsInMap(config, path) {
			return config
		}
		before = cty.NilVal
	}
	config, path = wholeMap(config, path, &before)
	result, err := setAt(config, path, before)
	if err != nil {
		return config
	}
	return result
}

// endsInMap reports whether the last step of path is the key of a map.
func endsInMap(v cty.Value, path cty.Path) bool {
	if len(path) == 0 {
		return false
	}
	holder, ok := valueAt(v, path[:len(path)-1])
	return ok && holder.Type().IsMapType()
}

// wholeMap turns "this key of a map that is null" into "a map with this key".
func wholeMap(config cty.Value, path cty.Path, value *cty.Value) (cty.Value, cty.Path) {
	if len(path) == 0 || *value == cty.NilVal || !endsInMap(config, path) {
		return config, path
	}
	parent := path[:len(path)-1]
	if holder, _ := valueAt(config, parent); !holder.IsNull() {
		return config, path
	}
	key, ok := path[len(path)-1].(cty.IndexStep)
	if !ok || key.Key.Type() != cty.String {
		return config, path
	}
	*value = cty.MapVal(map[string]cty.Value{key.Key.AsString(): *value})
	return config, parent
}
