package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/marks"
)

// InputPrefix begins the environment variables that give variables their values.
const InputPrefix = "NXC_VAR_"

// automaticFiles are read from the configuration's folder when they are there.
func automaticFiles() []string { return []string{"nxc.vars.hcl", "nxc.vars.json"} }

// InputOptions says where variables get their values from. Later ones win:
// Environ, then nxc.vars.hcl and nxc.vars.json in the folder, then Arguments
// in their order, then Saved. Whoever is there is asked for the rest.
type InputOptions struct {
	Environ   []string // NAME=value, as os.Environ
	Arguments []InputArgument
	Saved     map[string]cty.Value // by a saved plan, of the types that JSON has
	Withheld  []string             // sensitive variables that a saved plan had a value for: they must be given

	// Ask gives a variable a value that has none otherwise, and must have one.
	// Nil: nobody can be asked.
	Ask func(*Variable) (text string, ok bool)

	Unknown bool // variables may lack values, which are then not known
}

// InputArgument is a -var or -var-file on the command line.
type InputArgument struct {
	File bool   // Text is the path of a file, otherwise NAME=value
	Text string // a path is relative to the working directory
}

// input is a value for a variable that has not been converted yet.
type input struct {
	value cty.Value
	from  string // such as "-var", for messages
	at    *hcl.Range
}

// collector gathers the values of variables from all places.
type collector struct {
	*Config
	given map[string]input
	asked []InputArgument
	diags hcl.Diagnostics
}

// Inputs gives every variable its value. Sensitive ones are marked with
// marks.Sensitive. What is missing, unknown or wrong is reported at once.
func (c *Config) Inputs(o InputOptions) (map[string]cty.Value, hcl.Diagnostics) {
	in := &collector{Config: c, given: map[string]input{}, asked: o.Arguments}
	in.environment(o.Environ)
	for _, name := range automaticFiles() {
		path := filepath.Join(c.Dir, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			in.file(path)
		}
	}
	for _, argument := range o.Arguments {
		if argument.File {
			in.file(argument.Text)
		} else {
			in.argument(argument.Text)
		}
	}
	in.terraform(o.Environ)
	in.saved(o)
	in.ask(o)
	values := map[string]cty.Value{}
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		values[name] = in.value(c.Variables[name])
	}
	if !o.Unknown {
		in.missing()
	}
	if !in.diags.HasErrors() {
		in.validate(values)
	}
	return values, in.diags
}

// environment reads NXC_VAR_name. One that names no variable may be meant for
// another folder: only a likely slip is mentioned.
func (in *collector) environment(environ []string) {
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		name, ok := strings.CutPrefix(name, InputPrefix)
		if !ok {
			continue
		}
		if v := in.Variables[name]; v != nil {
			in.text(v, text, InputPrefix+name)
			continue
		}
		if near := Nearest(name, in.variableNames()); near != "" {
			in.diags = append(in.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  "Unknown variable in the environment",
				Detail:   fmt.Sprintf("%s%s is set, but there is no variable %q. Did you mean %s%s?", InputPrefix, name, name, InputPrefix, near),
			})
		}
	}
}

// terraform mentions values for variables where Terraform would look for them.
// They are not taken: what is read by itself has one name.
func (in *collector) terraform(environ []string) {
	warn := func(where, instead string) {
		in.diags = append(in.diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "Values of variables that are not read",
			Detail: fmt.Sprintf("%s is Terraform's, and nxc does not read it. %s", where, instead),
		})
	}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		short, is := strings.CutPrefix(name, "TF_VAR_")
		if _, given := in.given[short]; is && !given && in.Variables[short] != nil {
			warn(name, "Set "+InputPrefix+short+" instead.")
		}
	}
	for _, pattern := range []string{"terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json"} {
		found, _ := filepath.Glob(filepath.Join(in.Dir, pattern))
		for _, path := range found {
			if !slices.ContainsFunc(in.asked, func(a InputArgument) bool { return a.File && filepath.Clean(a.Text) == filepath.Clean(path) }) {
				warn(path, "Call it "+automaticFiles()[0]+", or give it with -var-file.")
			}
		}
	}
}

// saved takes the values of a saved plan, and demands those that it keeps to
// itself.
func (in *collector) saved(o InputOptions) {
	for _, name := range slices.Sorted(maps.Keys(o.Saved)) {
		if in.Variables[name] == nil {
			in.diags = append(in.diags, failure("The configuration changed since the plan was saved", "The saved plan gives var.%s a value, and no block declares it now. Plan again.", name)...)
			continue
		}
		in.given[name] = input{value: o.Saved[name], from: "the saved plan"}
	}
	for _, name := range o.Withheld {
		if _, given := in.given[name]; given || in.Variables[name] == nil || in.answered(o, name) {
			continue
		}
		in.given[name] = input{value: cty.DynamicVal, from: "nothing"}
		in.diags = append(in.diags, failure("A sensitive variable must be given again", "var.%s had a value when the plan was saved, which is not in the file because it is sensitive. Give it again: in %s%s, with -var-file, or with -var.", name, InputPrefix, name)...)
	}
}

func (in *collector) variableNames() []string { return slices.Sorted(maps.Keys(in.Variables)) }

// argument reads NAME=value of a -var.
func (in *collector) argument(text string) {
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		in.diags = append(in.diags, failure("Not a variable", "-var %q gives no variable a value. Write -var 'NAME=VALUE'.", text)...)
		return
	}
	if v := in.Variables[name]; v != nil {
		in.text(v, value, "-var "+name)
		return
	}
	in.diags = append(in.diags, failure("Unknown variable", "-var %s gives a value to a variable that no block declares.%s", name, in.orDeclare(name))...)
}

func (in *collector) orDeclare(name string) string {
	if hint := DidYouMean(name, in.variableNames()); hint != "" {
		return hint
	}
	if !hclsyntax.ValidIdentifier(name) {
		return ""
	}
	return fmt.Sprintf(" Declare it: variable %q {}.", name)
}

// text reads a value that stands outside of any file: literally where a string
// will do, otherwise as an expression.
func (in *collector) text(v *Variable, text, from string) {
	if !v.typed || v.Type.IsPrimitiveType() {
		in.given[v.Name] = input{value: cty.StringVal(text), from: from}
		return
	}
	name := "<" + from + ">"
	if !v.Sensitive { // otherwise a message would show its source
		in.Files[name] = &hcl.File{Bytes: []byte(text), Body: hcl.EmptyBody()}
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	if diags.HasErrors() {
		in.diags = append(in.diags, diags...)
		in.given[v.Name] = input{value: cty.DynamicVal, from: from}
		return
	}
	in.expression(v, expr, from)
}

// file reads the attributes of a file of variables.
func (in *collector) file(path string) {
	source, diags := readSource(path)
	if diags.HasErrors() {
		in.diags = append(in.diags, diags...)
		return
	}
	file, diags := parseSource(path, source)
	in.Files[path] = file
	in.diags = append(in.diags, diags...)
	if diags.HasErrors() {
		return
	}
	attrs, diags := file.Body.JustAttributes()
	in.diags = append(in.diags, diags...)
	for _, attr := range sortedAttributes(attrs) {
		v := in.Variables[attr.Name]
		if v == nil {
			in.diags = append(in.diags, errorAt(attr.NameRange, "Unknown variable", "No block declares a variable %q.%s", attr.Name, in.orDeclare(attr.Name)))
			continue
		}
		in.expression(v, attr.Expr, path)
	}
}

// expression takes a value that must be written out. A message about a
// sensitive one has no place, so that the line is not shown.
func (in *collector) expression(v *Variable, expr hcl.Expression, from string) {
	given := input{value: cty.DynamicVal, from: from}
	if !v.Sensitive {
		given.at = expr.Range().Ptr()
	}
	value, diags := expr.Value(nil)
	refs := expr.Variables()
	switch {
	case len(refs) > 0 && v.Sensitive:
		in.wrong(given, "Not a literal", "The value that %s gives var.%s refers to something. It must be written out; a string stands in quotes.", from, v.Name)
	case len(refs) > 0:
		in.diags = append(in.diags, errorAt(refs[0].SourceRange(), "Not a literal", "The value of var.%s cannot refer to %s. A string stands in quotes.", v.Name, spell(refs[0])))
	case diags.HasErrors() && v.Sensitive:
		in.wrong(given, "No value", "The value that %s gives var.%s cannot be evaluated.", from, v.Name)
	case diags.HasErrors():
		in.diags = append(in.diags, diags...)
	default:
		given.value = value
	}
	in.given[v.Name] = given
}

// value returns the value of one variable, of its type.
func (in *collector) value(v *Variable) cty.Value {
	value := v.Default
	if given, ok := in.given[v.Name]; ok {
		converted, err := v.convert(given.value)
		switch {
		case err != nil:
			in.wrong(given, "Wrong type", "var.%s must be %s, and what %s gives is not%s.", v.Name, article(v.TypeText()), given.from, reason(err))
			converted = cty.UnknownVal(v.valueType())
		case converted.IsNull() && !v.Nullable && v.Required():
			in.wrong(given, "Null not allowed", "var.%s must have a value; %s gives null.", v.Name, given.from)
		case converted.IsNull() && !v.Nullable:
			converted = v.Default
		}
		value = converted
	}
	if value == cty.NilVal {
		return cty.UnknownVal(v.valueType()) // reported as missing
	}
	if v.Sensitive {
		return value.Mark(marks.Sensitive)
	}
	return value
}

// wrong reports a value where it stands, or without a place.
func (in *collector) wrong(given input, summary, format string, args ...any) {
	diag := failure(summary, format, args...)[0]
	diag.Subject = given.at
	in.diags = append(in.diags, diag)
}

// missing lists all variables that have no value, in one message.
func (in *collector) missing() {
	var lines []string
	var first *Variable
	for _, name := range in.variableNames() {
		v := in.Variables[name]
		if _, given := in.given[name]; given || !v.Required() {
			continue
		}
		if first == nil {
			first = v
		}
		line := "\n  " + name
		if v.typed {
			line += " (" + v.TypeText() + ")"
		}
		if v.Description != "" {
			line += ": " + v.Description
		}
		lines = append(lines, line)
	}
	if first == nil {
		return
	}
	summary := "Variable without a value"
	if len(lines) > 1 {
		summary = "Variables without a value"
	}
	in.diags = append(in.diags, errorAt(first.DeclRange, summary, "These have no default, so a value must be given:%s\nGive it with -var '%s=…', in a file with -var-file or in %s%s.",
		strings.Join(lines, ""), first.Name, InputPrefix, first.Name))
}

// validate checks the values against the variables' validations.
func (in *collector) validate(values map[string]cty.Value) {
	ctx := &hcl.EvalContext{Functions: in.functions, Variables: map[string]cty.Value{"var": cty.ObjectVal(values)}}
	for _, name := range in.variableNames() {
		v := in.Variables[name]
		for _, validation := range v.Validations {
			in.diags = append(in.diags, validation.check(ctx, "Invalid value for var."+name, v.DeclRange)...)
		}
	}
}

// article puts "a" or "an" in front of a type's name.
func article(typ string) string {
	switch {
	case typ == "any":
		return "of any type"
	case strings.ContainsRune("aeiou", rune(typ[0])):
		return "an " + typ
	default:
		return "a " + typ
	}
}

// reason spells an error of a conversion after a sentence that names the type
// already: only what is wrong inside the value is worth saying then.
func reason(err error) string {
	var pathErr cty.PathError
	if errors.As(err, &pathErr) && len(pathErr.Path) > 0 || strings.Contains(err.Error(), ": ") {
		return ": " + typeError(err)
	}
	return ""
}

// typeError spells an error of a conversion, with the path inside the value.
func typeError(err error) string {
	var pathErr cty.PathError
	if errors.As(err, &pathErr) && len(pathErr.Path) > 0 {
		return strings.TrimPrefix(pathText(pathErr.Path), ".") + ": " + pathErr.Error()
	}
	return err.Error()
}

// pathText spells a path inside a value.
func pathText(path cty.Path) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + step.Name)
		case cty.IndexStep:
			b.WriteString(keyText(step.Key))
		}
	}
	return b.String()
}
