package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Import takes in what nxc did not create: one object, or one for each key.
type Import struct {
	To        addr.Instance  // without a key where Key gives it
	Key       hcl.Expression // nil: To is the whole address
	ID        hcl.Expression // the provider's name for the object
	ForEach   hcl.Expression // nil without
	DeclRange hcl.Range
}

// Imported is one object that an import block takes in.
type Imported struct {
	To addr.Instance
	ID string
}

func (i *Import) entity() entity { return entity{kind: importEntity, name: i.DeclRange.String()} }

// imported decodes an import block.
func (d *decoder) imported(b *hcl.Block) {
	content := d.content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "to", Required: true}, {Name: "id", Required: true}, {Name: "for_each"}}})
	to, id, each := content.Attributes["to"], content.Attributes["id"], content.Attributes["for_each"]
	if to == nil || id == nil {
		return
	}
	i := &Import{ID: id.Expr, DeclRange: b.DefRange}
	if index := indexed(to.Expr); index != nil {
		to = &hcl.Attribute{Name: to.Name, Expr: index.Collection}
		i.Key = index.Key
	}
	var ok bool
	if i.To, ok = d.address(to); !ok {
		return
	}
	if each != nil {
		i.ForEach = each.Expr
		if i.Key == nil {
			d.add(errorAt(to.Expr.Range(), "Several objects, one address", "for_each takes in an object for each key, and all would become %s. Name them by it: to = %s[each.key].", i.To, i.To.Block()))
			return
		}
	}
	if i.Key == nil && !d.declare("import to "+i.To.String(), b.DefRange) {
		return
	}
	if len(i.ID.Variables()) == 0 {
		_, diags := i.id(scope{EvalContext: &hcl.EvalContext{Functions: d.config.functions}})
		d.diags = append(d.diags, diags...)
	}
	d.config.Imports = append(d.config.Imports, i)
}

// indexed reads TYPE.NAME[EXPRESSION], or returns nil. JSON has it in a string.
func indexed(expr hcl.Expression) *hclsyntax.IndexExpr {
	if hcljson.IsJSONExpression(expr) {
		text, diags := expr.Value(nil)
		if diags.HasErrors() || text.IsNull() || text.Type() != cty.String {
			return nil
		}
		r := expr.Range()
		parsed, diags := hclsyntax.ParseExpression([]byte(text.AsString()), r.Filename, r.Start)
		if diags.HasErrors() {
			return nil
		}
		expr = parsed
	}
	index, _ := expr.(*hclsyntax.IndexExpr)
	return index
}

// Imported lists what an import block takes in, which must be known before
// anything is read.
func (e *Evaluator) Imported(i *Import) ([]Imported, hcl.Diagnostics) {
	s, diags := e.scope(i.entity())
	if diags.HasErrors() {
		return nil, diags
	}
	if i.ForEach == nil {
		one, diags := i.object(s)
		return []Imported{one}, diags
	}
	repeated, diags := e.collect(e.config.references[i.entity()], inRepetition, nil)
	if diags.HasErrors() {
		return nil, diags
	}
	x, diags := expandForEach("the import to "+i.To.String(), i.ForEach, repeated)
	var all []Imported
	for n, key := range x.Keys {
		text, _ := key.Text()
		child := s.NewChild()
		child.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(text), "value": x.values[n]})}
		one, more := i.object(scope{EvalContext: child})
		diags = append(diags, more...)
		if more.HasErrors() {
			return nil, diags // the others would say the same
		}
		all = append(all, one)
	}
	return all, diags
}

// object evaluates address and id of one object.
func (i *Import) object(s scope) (Imported, hcl.Diagnostics) {
	out := Imported{To: i.To}
	var diags hcl.Diagnostics
	if i.Key != nil {
		out.To.Key, diags = i.key(s)
	}
	id, more := i.id(s)
	out.ID = id
	return out, append(diags, more...)
}

func (i *Import) key(s scope) (addr.Key, hcl.Diagnostics) {
	value, diags := evaluate(i.Key, s.EvalContext)
	if diags.HasErrors() {
		return addr.NoKey, diags
	}
	if diag := usable(i.Key, value, s, "The key in \"to\"", "which object it becomes"); diag != nil {
		return addr.NoKey, append(diags, diag)
	}
	if n, ok := wholeNumber(value); ok && n >= 0 && value.Type() == cty.Number {
		return addr.IntKey(n), diags
	}
	if value.IsNull() || value.Type() != cty.String {
		return addr.NoKey, append(diags, errorAt(i.Key.Range(), "Not a key", "The key in \"to\" is a string, or a whole number from 0; this is %s.", typeName(value)))
	}
	return addr.StringKey(value.AsString()), diags
}

func (i *Import) id(s scope) (string, hcl.Diagnostics) {
	value, diags := evaluate(i.ID, s.EvalContext)
	if diags.HasErrors() {
		return "", diags
	}
	if diag := usable(i.ID, value, s, "\"id\"", "which object it is"); diag != nil {
		return "", append(diags, diag)
	}
	text, err := convert.Convert(value, cty.String)
	switch {
	case err != nil:
		return "", append(diags, errorAt(i.ID.Range(), "Wrong type", "\"id\" must be a string; this is %s.", typeName(value)))
	case text.IsNull() || text.AsString() == "":
		return "", append(diags, errorAt(i.ID.Range(), "Nothing to import", "The id is empty. It is the provider's own name for the object, such as a container's identifier."))
	}
	return text.AsString(), diags
}
