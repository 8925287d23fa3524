package config_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
)

func texts[T fmt.Stringer](list []T) string {
	var all []string
	for _, item := range list {
		all = append(all, strings.TrimSuffix(item.String(), "."))
	}
	return strings.Join(all, " ")
}

func TestSelect(t *testing.T) {
	c := load(t, webserver+`
		composition "db" {
		  source = "./composition.nix"
		  flavour "docker" {}
		}`)
	gone := addr.Deployment{Composition: "old", Flavour: "lab"}
	for name, test := range map[string]struct {
		flavours                 []string
		recorded                 []addr.Deployment
		deployments, left, gone_ string
		topLevel                 bool
	}{
		"defaults":       {deployments: "db::docker web::docker", left: "web::lab", topLevel: true},
		"a flavour":      {flavours: []string{"docker"}, deployments: "db::docker web::docker", left: "web::lab"},
		"one deployment": {flavours: []string{"web::lab"}, deployments: "web::lab", left: "db::docker web::docker"},
		"several":        {flavours: []string{"lab", "db::docker", "lab"}, deployments: "db::docker web::lab", left: "web::docker"},
		"gone":           {recorded: []addr.Deployment{gone, {}}, deployments: "db::docker web::docker", left: "web::lab", gone_: "old::lab", topLevel: true},
		"gone, chosen":   {flavours: []string{"lab"}, recorded: []addr.Deployment{gone}, deployments: "web::lab", left: "db::docker web::docker", gone_: "old::lab"},
		"gone, left":     {flavours: []string{"web::lab"}, recorded: []addr.Deployment{gone}, deployments: "web::lab", left: "db::docker old::lab web::docker"},
	} {
		s, diags := c.Select(test.flavours, test.recorded...)
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
		}
		if texts(s.Deployments) != test.deployments || texts(s.Left) != test.left || texts(s.Gone) != test.gone_ || s.TopLevel != test.topLevel {
			t.Errorf("%s: got %+v", name, s)
		}
	}
}

const layered = `
provider "docker" {
  host = data.docker_engine.here.version
}

data "docker_engine" "here" {
  provider = docker.plain
}

provider "docker" {
  alias = "plain"
}

locals {
  net   = docker_network.lan.id
  again = local.net
}

resource "docker_network" "lan" {
  name = "lan"
}

resource "null_resource" "late" {
  triggers   = { net = local.again }
  depends_on = [composition.web.docker]
}

resource "null_resource" "early" {}
` + webserver

func TestLevels(t *testing.T) {
	c := load(t, layered)
	c.AssignProviders(func(string) string { return "docker" })
	for name, test := range map[string]struct {
		flavours []string
		want     []string
	}{
		"all":          {want: []string{"data.docker_engine.here null_resource.early", "docker_network.lan composition.web.docker", "null_resource.late"}},
		"a deployment": {flavours: []string{"lab"}, want: []string{"composition.web.lab"}},
	} {
		s, diags := c.Select(test.flavours)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		levels, diags := c.Levels(s)
		if diags.HasErrors() {
			t.Fatal(render(c, diags))
		}
		var got []string
		for _, level := range levels {
			got = append(got, texts(level))
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestDependencies(t *testing.T) {
	c := load(t, layered)
	for block, want := range map[string]string{
		"docker_network.lan":  "data.docker_engine.here",
		"null_resource.late":  "docker_network.lan composition.web.docker",
		"null_resource.early": "",
	} {
		a, err := addr.Parse(block)
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(c.Dependencies(a)); got != want {
			t.Errorf("%s: got %q, want %q", block, got, want)
		}
	}
	late := addr.Instance{Type: "null_resource", Name: "late"}
	if got := texts(c.DependsOn(late)); got != "composition.web.docker" {
		t.Errorf("depends_on: got %q", got)
	}
}

func TestAssignProviders(t *testing.T) {
	c := load(t, `
		provider "docker" {
		  alias = "lab"
		}
		composition "web" {
		  source   = "./composition.nix"
		  provider = docker.lab
		  flavour "docker" {
		    default = true
		  }
		  flavour "vm-ramdisk" {}
		  flavour "own" {
		    type     = "docker"
		    provider = docker
		  }
		}`)
	c.AssignProviders(func(flavour string) string {
		return map[string]string{"docker": "docker", "vm-ramdisk": "qemu"}[flavour]
	})
	for label, want := range map[string]string{"docker": "docker.lab", "vm-ramdisk": "qemu", "own": "docker"} {
		if got := c.Compositions["web"].Flavour(label).Provider; got != want {
			t.Errorf("%s: got %q, want %q", label, got, want)
		}
	}
}

func TestRangeOf(t *testing.T) {
	c := load(t, `
resource "docker_container" "a" {
  name = "a"
  env  = { A = "1", "B" = "2" }
  port {
    inside = 80
  }
  port {
    inside = 443
  }
  command = ["x",
    "y"]
}

composition "web" {
  source = "./composition.nix"
  flavour "docker" {
    ports = {
      server = ["80:80",
        "81:81"]
    }
  }
}`)
	a := addr.Instance{Type: "docker_container", Name: "a"}
	web := addr.Instance{Deployment: addr.Deployment{Composition: "web", Flavour: "docker"}}
	for name, test := range map[string]struct {
		at   addr.Instance
		path cty.Path
		want string
	}{
		"the block":           {at: a, want: "2,1-32"},
		"an instance":         {at: addr.Instance{Type: "docker_container", Name: "a", Key: addr.IntKey(3)}, want: "2,1-32"},
		"an argument":         {at: a, path: cty.GetAttrPath("name"), want: "3,3-13"},
		"inside a map":        {at: a, path: cty.GetAttrPath("env").IndexString("B"), want: "4,27-30"},
		"inside a list":       {at: a, path: cty.GetAttrPath("command").IndexInt(1), want: "12,5-8"},
		"a nested block":      {at: a, path: cty.GetAttrPath("port").IndexInt(1), want: "8,3-7"},
		"in a nested block":   {at: a, path: cty.GetAttrPath("port").IndexInt(1).GetAttr("inside"), want: "9,5-17"},
		"not written":         {at: a, path: cty.GetAttrPath("id"), want: "2,1-32"},
		"past the end":        {at: a, path: cty.GetAttrPath("command").IndexInt(7), want: "11,13-12,9"},
		"a flavour":           {at: web, want: "17,3-19"},
		"inside a flavour":    {at: web, path: cty.GetAttrPath("ports").IndexString("server").IndexInt(1), want: "20,9-16"},
		"made by a flavour":   {at: addr.In(web.Deployment, "docker_container", "server"), path: cty.GetAttrPath("ports"), want: "17,3-19"},
		"nowhere":             {at: addr.Instance{Type: "x", Name: "y"}, want: ""},
		"a flavour that went": {at: addr.In(addr.Deployment{Composition: "web", Flavour: "vm"}, "x", "y"), want: ""},
	} {
		got := ""
		if r := c.RangeOf(test.at, test.path); r != nil {
			got = strings.TrimPrefix(r.String(), "main.nxc.hcl:")
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestNodes(t *testing.T) {
	c := load(t, webserver)
	composition := c.Compositions["web"]
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	known := []string{"server", "client", "db"}
	for name, test := range map[string]struct {
		specs        map[string]config.RoleSpec
		distribution map[string]json.RawMessage
		want         string
	}{
		"one each": {want: "client[client] db[db] server[server]"},
		"the configuration wins": {
			specs:        map[string]config.RoleSpec{"client": {Count: 2}, "db": {Count: 0}},
			distribution: map[string]json.RawMessage{"client": raw("5"), "server": raw(`["alice", "bob"]`), "db": raw("2")},
			want:         "client[client1 client2] db[] server[alice bob]",
		},
		"names": {specs: map[string]config.RoleSpec{"client": {Names: []string{"x"}}}, want: "client[x] db[db] server[server]"},
		"rest":  {specs: map[string]config.RoleSpec{"client": {Rest: true, Min: 2}}, want: "client[]+2 db[db] server[server]"},
	} {
		roles, diags := c.Nodes(composition, test.specs, known, test.distribution)
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
		}
		var got []string
		for _, r := range roles {
			text := fmt.Sprintf("%s%v", r.Role, r.Names)
			if r.Rest {
				text += fmt.Sprintf("+%d", r.Min)
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	for name, test := range map[string]struct {
		specs        map[string]config.RoleSpec
		distribution map[string]json.RawMessage
		want         string
	}{
		"two rests":             {specs: map[string]config.RoleSpec{"client": {Rest: true}, "db": {Rest: true}}, want: "both take the nodes that remain"},
		"numbers meet names":    {specs: map[string]config.RoleSpec{"client": {Count: 2}, "db": {Names: []string{"client1"}}}, want: `would be called "client1"`},
		"a distribution of -1":  {distribution: map[string]json.RawMessage{"db": raw("-1")}, want: `gives role "db" -1`},
		"a distribution of {}":  {distribution: map[string]json.RawMessage{"db": raw("{}")}, want: `gives role "db" {}`},
		"a distribution of 1.5": {distribution: map[string]json.RawMessage{"db": raw("1.5")}, want: `gives role "db" 1.5`},
	} {
		_, diags := c.Nodes(composition, test.specs, known, test.distribution)
		if !strings.Contains(diags.Error(), test.want) {
			t.Errorf("%s: got %q, want %q in it", name, diags.Error(), test.want)
		}
	}
}

func TestInputsPrecedence(t *testing.T) {
	folder(t, map[string]string{
		"main.nxc.hcl": `
			variable "a" { default = "default" }
			variable "b" { default = "default" }
			variable "c" { default = "default" }
			variable "d" { default = "default" }
			variable "e" { default = "default" }
			variable "n" {
			  type      = list(number)
			  default   = []
			  sensitive = true
			}`,
		"nxc.vars.hcl":  `c = "automatic"`,
		"nxc.vars.json": `{"d": "automatic", "n": ["1", 2]}`,
		"lab.hcl":       "d = \"file\"\ne = \"file\"",
	})
	c, diags := config.Load(".")
	if diags.HasErrors() {
		t.Fatal(render(c, diags))
	}
	values, diags := c.Inputs(config.InputOptions{
		Environ:   []string{"NXC_VAR_b=environment", "NXC_VAR_c=environment", "PATH=/bin", "NXC_VAR_other=1"},
		Arguments: []config.InputArgument{{Text: "e=flag"}, {File: true, Text: "lab.hcl"}, {Text: "d=flag"}},
	})
	if len(diags) > 0 {
		t.Fatal(render(c, diags))
	}
	for name, want := range map[string]string{"a": "default", "b": "environment", "c": "automatic", "d": "flag", "e": "file"} {
		if got := values[name]; !got.RawEquals(cty.StringVal(want)) {
			t.Errorf("%s: got %#v, want %q", name, got, want)
		}
	}
	want := cty.ListVal([]cty.Value{cty.NumberIntVal(1), cty.NumberIntVal(2)}).Mark(marks.Sensitive)
	if got := values["n"]; !got.RawEquals(want) {
		t.Errorf("n: got %#v, want %#v", got, want)
	}
}

func TestSensitiveInputsAreNotShown(t *testing.T) {
	folder(t, map[string]string{
		"main.nxc.hcl": "variable \"token\" {\n  type      = map(number)\n  sensitive = true\n}",
		"type.hcl":     `token = { a = "hunter2" }`,
		"refers.hcl":   "token = hunter2",
		"call.hcl":     "token = upper(\"hunter2\")",
	})
	for _, argument := range []config.InputArgument{
		{Text: `token={a="hunter2"}`}, {Text: "token=hunter2"}, {Text: `token="hunter2`},
		{File: true, Text: "type.hcl"}, {File: true, Text: "refers.hcl"}, {File: true, Text: "call.hcl"},
	} {
		c, diags := config.Load(".")
		if diags.HasErrors() {
			t.Fatal(render(c, diags))
		}
		_, diags = c.Inputs(config.InputOptions{Arguments: []config.InputArgument{argument}})
		if got := render(c, diags); !diags.HasErrors() || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got:\n%s", argument.Text, got)
		}
	}
}

func TestComposition(t *testing.T) {
	folder(t, map[string]string{
		"main.nxc.hcl": `
			variable "clients" { default = 3 }
			composition "web" {
			  source    = "./nix/composition.nix"
			  attribute = "web"
			  nixpkgs   = "./flake.lock#nixpkgs"
			  roles     = { client = var.clients, server = ["alice"], db = { rest = true, min = 2 }, none = null }
			  params    = { page = upper("hello"), sizes = [1, 2] }
			  modules   = ["./nix/module.nix"]
			  overlays  = []
			  flavour "docker" {}
			}`,
		"nix/composition.nix": "{ }",
		"nix/module.nix":      "{ }",
	})
	c, diags := config.Load(".")
	if diags.HasErrors() {
		t.Fatal(render(c, diags))
	}
	inputs, _ := c.Inputs(config.InputOptions{})
	v, diags := c.Evaluator(inputs, func(addr.Instance) (cty.Value, bool) { return cty.NilVal, false }).Composition(c.Compositions["web"])
	if diags.HasErrors() {
		t.Fatal(render(c, diags))
	}
	if !strings.HasPrefix(v.Source, "/") || !strings.HasSuffix(v.Source, "/nix/composition.nix") {
		t.Errorf("source: got %s", v.Source)
	}
	if len(v.Modules) != 1 || !strings.HasPrefix(v.Modules[0], "/") {
		t.Errorf("modules: got %v", v.Modules)
	}
	if v.Attribute != "web" || v.Nixpkgs != "./flake.lock#nixpkgs" || v.NixpkgsRange.Start.Line != 6 {
		t.Errorf("got attribute %q, nixpkgs %q at %v", v.Attribute, v.Nixpkgs, v.NixpkgsRange)
	}
	if got := toJSON(t, v.Params); got != `{"page":"HELLO","sizes":[1,2]}` {
		t.Errorf("params: got %s", got)
	}
	want := map[string]config.RoleSpec{"client": {Count: 3}, "server": {Names: []string{"alice"}}, "db": {Rest: true, Min: 2}}
	for name, spec := range v.Roles {
		if spec.Range.Start.Line != 7 {
			t.Errorf("%s: got range %v", name, spec.Range)
		}
		spec.Range = want[name].Range
		v.Roles[name] = spec
	}
	if !reflect.DeepEqual(v.Roles, want) {
		t.Errorf("roles: got %+v, want %+v", v.Roles, want)
	}
}

func TestCheckVersion(t *testing.T) {
	for constraint, allowed := range map[string]map[string]bool{
		">= 0.1":   {"0.1.0": true, "0.1.0-dev": true, "0.0.9": false, "2.0.0": true},
		"~> 0.1.2": {"0.1.2": true, "0.1.9": true, "0.2.0": false},
		"":         {"0.0.1": true},
	} {
		text := "nxc {}"
		if constraint != "" {
			text = fmt.Sprintf("nxc {\n  required_version = %q\n}", constraint)
		}
		c := load(t, text)
		for v, want := range allowed {
			if got := !c.CheckVersion(v).HasErrors(); got != want {
				t.Errorf("%s with %q: got %t, want %t", v, constraint, got, want)
			}
		}
	}
}

func TestLifecycle(t *testing.T) {
	c := load(t, `
		resource "null_resource" "a" {
		  lifecycle {
		    create_before_destroy = true
		    prevent_destroy       = true
		    ignore_changes        = [triggers["x"], port[0].inside]
		  }
		}
		resource "null_resource" "b" {
		  lifecycle {
		    ignore_changes = all
		  }
		}`)
	l := c.Resources[0].Lifecycle
	want := []cty.Path{cty.GetAttrPath("triggers").IndexString("x"), cty.GetAttrPath("port").IndexInt(0).GetAttr("inside")}
	if !l.CreateBeforeDestroy || !l.PreventDestroy || l.IgnoreAll || len(l.IgnoreChanges) != 2 || !l.IgnoreChanges[0].Equals(want[0]) || !l.IgnoreChanges[1].Equals(want[1]) {
		t.Errorf("got %+v", l)
	}
	if !c.Resources[1].Lifecycle.IgnoreAll {
		t.Error("all is not ignored")
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"client", "docker", "memory", "name", "port"}
	for given, want := range map[string]string{
		"clinet": "client", "dokcer": "docker", "DOCKER": "docker", "nmae": "name", "prot": "port", "ports": "port",
		"": "", "x": "", "page": "", "walltime": "", "memry": "memory",
	} {
		if got := config.Nearest(given, candidates); got != want {
			t.Errorf("%s: got %q, want %q", given, got, want)
		}
	}
}
