package plan

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// deferred reports whether a configuration holds unknown values that no
// reference fills.
func deferred(config cty.Value, references []Reference) bool {
	if config.IsWhollyKnown() {
		return false
	}
	for _, r := range references {
		at, ok := valueAt(config, r.Path)
		if !ok {
			continue
		}
		if without, err := setAt(config, r.Path, cty.NullVal(at.Type())); err == nil {
			config = without
		}
	}
	return !config.IsWhollyKnown()
}

// fill puts what a change's references point at into its configuration.
func fill(c *Change, objects *Objects) []Problem {
	var problems []Problem
	for _, r := range c.References {
		value, err := referenced(r, objects)
		if err == nil {
			var marks []cty.PathValueMarks
			value, marks = unmark(value)
			for i := range marks {
				marks[i].Path = append(r.Path.Copy(), marks[i].Path...)
			}
			c.Marks = append(c.Marks, marks...)
			c.Config, err = setAt(c.Config, r.Path, value)
		}
		if err != nil {
			problems = append(problems, Problem{
				Addr:    c.Addr,
				Path:    r.Path,
				Summary: "A reference leads nowhere",
				Detail:  fmt.Sprintf("%s of %s is to come from %s of %s: %s.", FormatPath(r.Path), c.Addr, r.Attribute, r.From, err),
			})
		}
	}
	return problems
}

func referenced(r Reference, objects *Objects) (cty.Value, error) {
	object, ok := objects.Object(r.From)
	if !ok {
		return cty.NilVal, fmt.Errorf("%s is not there", r.From)
	}
	object, marks := object.Unmark()
	if !object.IsKnown() {
		return cty.DynamicVal.WithMarks(marks), nil
	}
	if object.IsNull() || !object.Type().HasAttribute(r.Attribute) {
		return cty.NilVal, fmt.Errorf("it has no attribute %s", r.Attribute)
	}
	return object.GetAttr(r.Attribute).WithMarks(marks), nil
}
