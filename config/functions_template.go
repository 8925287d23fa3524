package config

import (
	"errors"
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// maxTemplates bounds how deep templates include others. Each is rendered once
// for the type of the result and once for its value.
const maxTemplates = 10

var errTooDeep = fmt.Errorf("templates include each other more than %d deep; one may include itself without an end", maxTemplates)

// withTemplates adds the functions that render templates, in which all of the
// functions can be called, these too.
func withTemplates(dir string, others map[string]function.Function, depth int) map[string]function.Function {
	all := maps.Clone(others)
	render := func(source []byte, name string, variables cty.Value) (cty.Value, error) {
		if depth > maxTemplates {
			return cty.DynamicVal, errTooDeep
		}
		return renderTemplate(source, name, variables, withTemplates(dir, others, depth+1))
	}
	all["templatefile"] = templateFunc("path", func(path string, variables cty.Value) (cty.Value, error) {
		content, err := readFile(dir, path)
		if err != nil {
			return cty.DynamicVal, function.NewArgError(0, err)
		}
		return render(content, path, variables)
	})
	all["templatestring"] = templateFunc("template", func(text string, variables cty.Value) (cty.Value, error) {
		return render([]byte(text), "the template", variables)
	})
	return all
}

// templateFunc makes a function of a template and its variables.
func templateFunc(parameter string, render func(template string, variables cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: parameter, Type: cty.String}, {Name: "variables", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			if typ := args[1].Type(); !typ.IsObjectType() && !typ.IsMapType() {
				return cty.NilType, function.NewArgErrorf(1, "it must be an object with the template's variables, and is %s", article(typ.FriendlyName()))
			}
			value, err := render(args[0].AsString(), args[1])
			return value.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args[0].AsString(), args[1]) },
	})
}

// renderTemplate evaluates a template that messages call by name.
func renderTemplate(source []byte, name string, given cty.Value, functions map[string]function.Function) (cty.Value, error) {
	expr, diags := hclsyntax.ParseTemplate(source, name, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.DynamicVal, function.NewArgError(0, diags)
	}
	variables := map[string]cty.Value{}
	for key, value := range given.Elements() {
		variables[key.AsString()] = value
	}
	known := keysOf(given)
	for _, t := range expr.Variables() {
		if name := t.RootName(); variables[name] == cty.NilVal {
			return cty.DynamicVal, function.NewArgErrorf(1, "%s wants %q, which is not given; given is %s", place(t.SourceRange()), name, listedOrNothing(known))
		}
	}
	value, diags := expr.Value(&hcl.EvalContext{Variables: variables, Functions: functions})
	for _, diag := range diags {
		if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](diag); ok && errors.Is(call.FunctionCallError(), errTooDeep) {
			return cty.DynamicVal, errTooDeep // how it came to this is the same over and over
		}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, function.NewArgError(0, diags)
	}
	return value, nil
}
