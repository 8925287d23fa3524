package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// FuzzLoad wants no text to make nxc panic, in either syntax, and everything
// that loads to be ordered and evaluated without a panic.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"",
		"nxc {\n  required_version = \">= 0.1\"\n}",
		"variable \"a\" {\n  type = object({ b = optional(list(number), [1]) })\n  default = {}\n}",
		"resource \"a_b\" \"c\" {\n  count = 2\n  x = a_b.d[*].e\n  dynamic \"y\" {\n    for_each = [1]\n    content {\n      z = y.value\n    }\n  }\n}\nresource \"a_b\" \"d\" {}",
		"composition \"c\" {\n  source = \"x\"\n  roles = { a = 1 }\n  flavour \"d\" {}\n}\noutput \"o\" {\n  value = composition.c.node[\"a\"].x\n}",
		"locals {\n  a = local.b\n  b = templatefile(\"x\", { y = null })\n}",
		`{"resource": {"a_b": {"c": [{"for_each": {"k": "v"}, "dynamic": {"y": {"for_each": [], "content": {}}}}]}}}`,
		`{"locals": {"a": "${local.a}"}, "output": {"o": {"value": null}}}`,
		"\xef\xbb\xbfprovider \"a\" {\n  alias = \"b\"\n}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"fuzz.nxc.hcl", "fuzz.nxc.json"} {
			c, diags := parse("/nonexistent", []string{name}, map[string][]byte{name: []byte(text)})
			if diags.HasErrors() {
				continue
			}
			evaluateAll(c)
		}
	})
}

// evaluateAll evaluates all that a configuration has, with values that are
// not known.
func evaluateAll(c *Config) {
	inputs, _ := c.Inputs(InputOptions{})
	s, diags := c.Select(nil)
	if diags.HasErrors() {
		return
	}
	levels, diags := c.Levels(s)
	if diags.HasErrors() {
		panic(diags.Error()) // Load finds every cycle
	}
	e := c.Evaluator(inputs, func(addr.Instance) (cty.Value, bool) { return cty.NilVal, false })
	b := &schema.Block{Attributes: []schema.Attribute{{Name: "x", Type: cty.String, Optional: true}}}
	for _, level := range levels {
		for _, block := range level {
			c.Dependencies(block)
			if r := c.Resource(block); r != nil {
				if x, diags := e.Expand(r); !diags.HasErrors() {
					for _, key := range x.Keys[:min(2, len(x.Keys))] {
						e.Resource(r, x, key, b)
					}
				}
				continue
			}
			composition, f := c.Deployment(block.Deployment)
			e.Composition(composition)
			e.Flavour(f, b)
		}
	}
	for _, o := range c.Outputs {
		e.Output(o, nil)
	}
}

// manyBlocks writes n resources, each of which refers to the one before the
// last and to a local value.
func manyBlocks(n int) string {
	var b strings.Builder
	b.WriteString("locals {\n  zone = \"a\"\n}\n")
	for i := range n {
		fmt.Fprintf(&b, "\nresource \"null_resource\" \"r%d\" {\n  triggers = {\n    zone  = local.zone\n    index = \"%d\"\n", i, i)
		if i > 1 {
			fmt.Fprintf(&b, "    before = null_resource.r%d.id\n", i-2)
		}
		b.WriteString("  }\n}\n")
	}
	return b.String()
}

const counted = `
locals {
  hosts = { for i in range(10000) : "h${i}" => { zone = "a", index = i } }
}

resource "null_resource" "a" {
  count    = 10000
  triggers = { index = count.index, zone = "a" }
}

resource "null_resource" "b" {
  for_each = local.hosts
  triggers = { zone = each.value.zone, first = null_resource.a[each.value.index].id }
}
`

// plan loads a text and evaluates it as a plan does. It returns how many
// instances there are.
func planAll(b *testing.B, text string) int {
	c, diags := parse(".", []string{"main.nxc.hcl"}, map[string][]byte{"main.nxc.hcl": []byte(text)})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	s, _ := c.Select(nil)
	levels, diags := c.Levels(s)
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	block := &schema.Block{Attributes: []schema.Attribute{
		{Name: "id", Type: cty.String, Computed: true},
		{Name: "triggers", Type: cty.Map(cty.String), Optional: true},
	}}
	values := map[addr.Instance]cty.Value{}
	e := c.Evaluator(nil, func(a addr.Instance) (cty.Value, bool) { v, ok := values[a]; return v, ok })
	total := 0
	for _, level := range levels {
		for _, a := range level {
			r := c.Resource(a)
			x, diags := e.Expand(r)
			if diags.HasErrors() {
				b.Fatal(diags)
			}
			list := make([]cty.Value, len(x.Keys))
			for i, key := range x.Keys {
				v, diags := e.Resource(r, x, key, block)
				if diags.HasErrors() {
					b.Fatal(diags)
				}
				list[i] = cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("x"), "triggers": v.GetAttr("triggers")})
			}
			c.Dependencies(a)
			total += len(list)
			values[a] = list[0]
			if x.Kind == Count {
				values[a] = cty.TupleVal(list)
			}
		}
	}
	return total
}

func BenchmarkBlocks10000(b *testing.B) {
	text := manyBlocks(10000)
	b.ReportAllocs()
	for b.Loop() {
		if n := planAll(b, text); n != 10000 {
			b.Fatal(n)
		}
	}
}

func BenchmarkInstances20000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if n := planAll(b, counted); n != 20000 {
			b.Fatal(n)
		}
	}
}
