package addr

import (
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// quote spells s as an HCL string literal.
func quote(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '$' || c == '%' {
			return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
		}
	}
	return `"` + s + `"`
}

// Parse reads an address as Instance.String writes it.
func Parse(s string) (Instance, error) {
	if a, ok := parsePlain(s); ok {
		return a, nil
	}
	return parseExpression(s)
}

// ParseBlock reads an address as Instance.String writes it, of an instance or of
// several at once: of a block (Instance.Block), also inside a deployment, or of
// a whole deployment (an Instance with nothing but Deployment set).
func ParseBlock(s string) (Instance, error) {
	a, err := Parse(s)
	if err == nil {
		return a, nil
	}
	names := strings.Split(s, ".")
	for _, n := range names {
		if !hclsyntax.ValidIdentifier(n) {
			return Instance{}, err
		}
	}
	if names[0] != "composition" || len(names) < 3 || len(names) > 4 {
		return Instance{}, err
	}
	a = Instance{Deployment: Deployment{Composition: names[1], Flavour: names[2]}}
	if len(names) == 4 {
		a.Type = names[3]
	}
	return a, nil
}

func parseExpression(s string) (Instance, error) {
	t, diags := hclsyntax.ParseTraversalAbs([]byte(s), "", hcl.InitialPos)
	if diags.HasErrors() {
		return Instance{}, fmt.Errorf("%q is not an address: %s", s, diags[0].Detail)
	}
	a, rest, err := FromTraversal(t)
	if err != nil {
		return Instance{}, fmt.Errorf("%q is not an address: %w", s, err)
	}
	if len(rest) > 0 {
		return Instance{}, fmt.Errorf("%q is not the address of a resource: it goes on into an attribute", s)
	}
	return a, nil
}

// FromTraversal reads the address that t begins with and returns what follows it.
func FromTraversal(t hcl.Traversal) (Instance, hcl.Traversal, error) {
	var a Instance
	names := leadingNames(t)
	if len(names) > 0 && names[0] == "composition" {
		if len(names) < 4 {
			return a, nil, fmt.Errorf("expected composition.NAME.FLAVOUR.TYPE[KEY]")
		}
		a.Deployment = Deployment{Composition: names[1], Flavour: names[2]}
		a.Type, t = names[3], t[4:]
		key, _ := keyOf(t)
		if _, ok := key.Text(); !ok {
			return a, nil, fmt.Errorf("a resource of a composition needs a key, such as %s[\"server\"]", a.Type)
		}
		a.Key = key
		return a, t[1:], nil
	}
	if len(names) > 0 && names[0] == "data" {
		a.Data, names, t = true, names[1:], t[1:]
	}
	if len(names) < 2 {
		return a, nil, fmt.Errorf("expected TYPE.NAME")
	}
	a.Type, a.Name, t = names[0], names[1], t[2:]
	if key, ok := keyOf(t); ok {
		a.Key, t = key, t[1:]
	}
	return a, t, nil
}

// ParseDeployment reads "webserver::docker".
func ParseDeployment(s string) (Deployment, error) {
	c, f, ok := strings.Cut(s, "::")
	if !ok || !hclsyntax.ValidIdentifier(c) || !hclsyntax.ValidIdentifier(f) {
		return Deployment{}, fmt.Errorf("%q is not a deployment: expected COMPOSITION::FLAVOUR", s)
	}
	return Deployment{Composition: c, Flavour: f}, nil
}

func leadingNames(t hcl.Traversal) []string {
	var names []string
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, step.Name)
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		default:
			return names
		}
	}
	return names
}

func keyOf(t hcl.Traversal) (Key, bool) {
	if len(t) == 0 {
		return NoKey, false
	}
	index, ok := t[0].(hcl.TraverseIndex)
	if !ok {
		return NoKey, false
	}
	switch {
	case index.Key.IsNull() || !index.Key.IsKnown():
		return NoKey, false
	case index.Key.Type() == cty.String:
		return StringKey(index.Key.AsString()), true
	case index.Key.Type() == cty.Number:
		n, acc := index.Key.AsBigFloat().Int64()
		if acc != big.Exact || n < 0 || n > math.MaxInt {
			return NoKey, false
		}
		return IntKey(int(n)), true
	default:
		return NoKey, false
	}
}
