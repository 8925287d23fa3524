package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// attributes makes a sorted list from texts such as "name string required".
func attributes(texts ...string) []schema.Attribute {
	types := map[string]cty.Type{
		"string": cty.String, "number": cty.Number, "bool": cty.Bool, "any": cty.DynamicPseudoType,
		"map(string)": cty.Map(cty.String), "list(string)": cty.List(cty.String), "map(list(string))": cty.Map(cty.List(cty.String)),
		"limits": cty.ObjectWithOptionalAttrs(map[string]cty.Type{"memory": cty.String, "cpus": cty.Number}, []string{"cpus"}),
	}
	var all []schema.Attribute
	for _, text := range texts {
		words := strings.Fields(text)
		all = append(all, schema.Attribute{
			Name: words[0], Type: types[words[1]],
			Required: words[2] == "required", Optional: words[2] == "optional", Computed: words[2] == "computed",
		})
	}
	slices.SortFunc(all, func(a, b schema.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// schemas are the resource, data and flavour types of the tests.
var schemas = map[string]*schema.Block{
	"null_resource":  {Attributes: attributes("triggers map(string) optional", "id string computed")},
	"docker_network": {Attributes: attributes("name string required", "subnet string optional", "id string computed")},
	"docker_container": {
		Attributes: attributes("name string required", "image string optional", "command list(string) optional",
			"env map(string) optional", "limits limits optional", "replicas number optional", "anything any optional", "id string computed"),
		Blocks: []schema.NestedBlock{
			{Name: "port", Nesting: schema.List, Block: schema.Block{Attributes: attributes("inside number required", "outside number optional")}},
			{Name: "health", Nesting: schema.Single, Block: schema.Block{Attributes: attributes("command string required")}},
		},
	},
	"data.docker_engine": {Attributes: attributes("host string optional", "version string computed")},
	"docker":             {Attributes: attributes("ports map(list(string)) optional", "memory string optional")},
	"vm-ramdisk":         {Attributes: attributes("memory string optional")},
	"provider docker":    {Attributes: attributes("host string optional", "token string optional")},
}

// folder writes files into a folder of their own and goes there.
func folder(t testing.TB, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// load loads one file's text and wants no diagnostics.
func load(t testing.TB, text string) *config.Config {
	t.Helper()
	folder(t, map[string]string{"main.nxc.hcl": text, "composition.nix": "{ }"})
	c, diags := config.Load(".")
	if len(diags) > 0 {
		t.Fatal(render(c, diags))
	}
	return c
}

// render writes diagnostics as a person sees them.
func render(c *config.Config, diags hcl.Diagnostics) string {
	var b strings.Builder
	w := hcl.NewDiagnosticTextWriter(&b, c.Files, 100, false)
	for _, diag := range diags {
		diag.EvalContext = nil // the values are the view's matter
		if err := w.WriteDiagnostic(diag); err != nil {
			b.WriteString(err.Error())
		}
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// world evaluates a whole configuration as the conductor does, with blocks
// whose computed attributes are unknown, or a name once they are applied.
type world struct {
	*config.Config
	applied bool
	values  map[addr.Instance]cty.Value
	diags   hcl.Diagnostics
}

func (w *world) value(block addr.Instance) (cty.Value, bool) {
	v, ok := w.values[block]
	return v, ok
}

// run evaluates everything and returns the outputs.
func (w *world) run(o config.InputOptions, flavours []string) map[string]cty.Value {
	w.values = map[addr.Instance]cty.Value{}
	inputs, diags := w.Inputs(o)
	w.diags = append(w.diags, diags...)
	selection, diags := w.Select(flavours)
	w.diags = append(w.diags, diags...)
	if w.diags.HasErrors() {
		return nil
	}
	w.AssignProviders(func(flavour string) string {
		return map[string]string{"docker": "docker", "vm-ramdisk": "qemu"}[flavour]
	})
	levels, diags := w.Levels(selection)
	w.diags = append(w.diags, diags...)
	w.diags = append(w.diags, w.CheckUnselected(selection, func(addr.Instance) bool { return false })...)
	w.Version, w.Workspace = "0.1.0", "default"
	e := w.Evaluator(inputs, w.value)
	for _, name := range slices.Sorted(maps.Keys(w.Providers)) {
		if b := schemas["provider "+w.Providers[name].Name]; b != nil {
			_, diags := e.Provider(w.Providers[name], b)
			w.diags = append(w.diags, diags...)
		}
	}
	for _, level := range levels {
		for _, block := range level {
			if block.Deployment.IsTop() {
				w.resource(e, w.Resource(block))
			} else {
				w.deployment(e, block)
			}
		}
	}
	outputs := map[string]cty.Value{}
	for _, name := range slices.Sorted(maps.Keys(w.Outputs)) {
		value, diags := e.Output(w.Outputs[name], selectedOf(selection, w.Outputs[name].Composition))
		w.diags = append(w.diags, diags...)
		outputs[name] = value
	}
	for _, c := range w.Checks {
		w.diags = append(w.diags, e.Check(c, selectedOf(selection, c.Composition))...)
	}
	return outputs
}

// selectedOf returns the selected deployment of a composition, or nil.
func selectedOf(s config.Selection, composition string) *addr.Deployment {
	for _, d := range s.Deployments {
		if d.Composition == composition {
			return &d
		}
	}
	return nil
}

func (w *world) resource(e *config.Evaluator, r *config.Resource) {
	b := schemas[strings.TrimSuffix(r.Addr.String(), "."+r.Addr.Name)]
	if b == nil {
		w.diags = append(w.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "no such type in the test", Detail: r.Addr.String(), Subject: &r.DeclRange})
		return
	}
	x, diags := e.Expand(r)
	w.diags = append(w.diags, diags...)
	if diags.HasErrors() {
		return
	}
	objects := map[string]cty.Value{}
	var list []cty.Value
	for _, key := range x.Keys {
		v, diags := e.Resource(r, x, key, b)
		w.diags = append(w.diags, diags...)
		if !diags.HasErrors() {
			v = w.computed(r.Addr.String()+key.String(), v, b)
			w.diags = append(w.diags, e.Postconditions(r, x, key, v)...)
		}
		list = append(list, v)
		if text, ok := key.Text(); ok {
			objects[text] = v
		}
	}
	switch x.Kind {
	case config.Single:
		w.values[r.Addr] = list[0]
	case config.Count:
		w.values[r.Addr] = cty.TupleVal(list)
	case config.ForEach:
		w.values[r.Addr] = cty.ObjectVal(objects)
	}
}

// computed fills in what a provider decides.
func (w *world) computed(address string, v cty.Value, b *schema.Block) cty.Value {
	values := v.AsValueMap()
	for _, a := range b.Attributes {
		if a.Computed && w.applied {
			values[a.Name] = cty.StringVal(a.Name + " of " + address)
		} else if a.Computed {
			values[a.Name] = cty.UnknownVal(a.Type)
		}
	}
	return cty.ObjectVal(values)
}

// deployment evaluates a composition in one flavour. Its roles are server and
// client, one each unless the configuration says otherwise.
func (w *world) deployment(e *config.Evaluator, block addr.Instance) {
	c, f := w.Deployment(block.Deployment)
	v, diags := e.Composition(c)
	w.diags = append(w.diags, diags...)
	if diags.HasErrors() {
		return
	}
	roles, diags := w.Nodes(c, v.Roles, []string{"server", "client"}, nil)
	w.diags = append(w.diags, diags...)
	if b := schemas[f.Type]; b != nil {
		_, diags = e.Flavour(f, b)
		w.diags = append(w.diags, diags...)
	}
	nodes := map[string]cty.Value{}
	for _, role := range roles {
		for _, name := range role.Names {
			address := cty.UnknownVal(cty.String)
			if w.applied {
				address = cty.StringVal("address of " + name)
			}
			nodes[name] = cty.ObjectVal(map[string]cty.Value{"address": address, "role": cty.StringVal(role.Role)})
		}
	}
	w.values[block] = cty.ObjectVal(map[string]cty.Value{"node": cty.ObjectVal(nodes)})
}
