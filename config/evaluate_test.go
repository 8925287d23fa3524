package config_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/marks"
)

const webserver = `
composition "web" {
  source = "./composition.nix"
  roles  = { server = 1, client = 2 }

  flavour "docker" {
    default = true
  }

  flavour "lab" {
    type = "vm-ramdisk"
  }
}
`

// TestValues evaluates the output "got" of whole configurations.
func TestValues(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		args    []string
		flavour string
		want    string
	}{
		"single": {
			text: `
				resource "docker_network" "lan" {
				  name = "lan"
				}
				output "got" {
				  value = docker_network.lan
				}`,
			want: `{"id":"id of docker_network.lan","name":"lan","subnet":null}`,
		},
		"count": {
			text: `
				resource "null_resource" "n" {
				  count    = 3
				  triggers = { index = count.index, all = "same" }
				}
				output "got" {
				  value = [null_resource.n[*].triggers.index, null_resource.n[1].id, length(null_resource.n)]
				}`,
			want: `[["0","1","2"],"id of null_resource.n[1]",3]`,
		},
		"count of zero": {
			text: `
				resource "null_resource" "n" {
				  count = 0
				}
				output "got" {
				  value = null_resource.n[*].id
				}`,
			want: `[]`,
		},
		"for_each over a map": {
			text: `
				resource "docker_container" "n" {
				  for_each = { b = { image = "two" }, a = { image = "one" } }
				  name     = "${each.key}-1"
				  image    = each.value.image
				}
				output "got" {
				  value = [for k, n in docker_container.n : "${k} ${n.name} ${n.image}"]
				}`,
			want: `["a a-1 one","b b-1 two"]`,
		},
		"for_each over a set": {
			text: `
				resource "null_resource" "n" {
				  for_each = toset(["x", "y"])
				  triggers = { is = each.key == each.value }
				}
				output "got" {
				  value = null_resource.n["y"].triggers.is
				}`,
			want: `"true"`,
		},
		"locals that build on each other": {
			text: `
				variable "n" {
				  type    = number
				  default = 2
				}
				locals {
				  double = var.n * 2
				  text   = "${local.double} clients"
				}
				output "got" {
				  value = local.text
				}`,
			args: []string{"n=5"},
			want: `"10 clients"`,
		},
		"blocks inside a body": {
			text: `
				resource "docker_container" "a" {
				  name = "a"
				  port {
				    inside = "80"
				  }
				  port {
				    inside  = 443
				    outside = 8443
				  }
				  health {
				    command = "true"
				  }
				  limits = { memory = "1G" }
				}
				output "got" {
				  value = [docker_container.a.port, docker_container.a.health.command, docker_container.a.limits]
				}`,
			want: `[[{"inside":80,"outside":null},{"inside":443,"outside":8443}],"true",{"cpus":null,"memory":"1G"}]`,
		},
		"dynamic blocks": {
			text: `
				variable "ports" {
				  default = [80, 443]
				}
				resource "docker_container" "a" {
				  count = 2
				  name  = "a"
				  dynamic "port" {
				    for_each = var.ports
				    iterator = p
				    content {
				      inside  = p.value
				      outside = p.value + count.index
				    }
				  }
				}
				output "got" {
				  value = docker_container.a[1].port[*].outside
				}`,
			want: `[81,444]`,
		},
		"what every flavour gives": {
			text: webserver + `
				resource "null_resource" "a" {
				  triggers = { server = composition.web.docker.node["server"].address }
				}
				output "got" {
				  value = [null_resource.a.triggers.server, keys(composition.web.docker.node)]
				}`,
			want: `["address of server",["client1","client2","server"]]`,
		},
		"the selected deployment": {
			text: webserver + `
				output "got" {
				  value = [for n in composition.web.node : n.address]
				}`,
			flavour: "lab",
			want:    `["address of client1","address of client2","address of server"]`,
		},
		"selected and named": {
			text: webserver + `
				output "got" {
				  value = composition.web.node["server"].address == composition.web.docker.node["server"].address
				}`,
			want: `true`,
		},
		"nxc and path": {
			text: `
				output "got" {
				  value = [nxc.version, nxc.workspace, file("${path.root}/composition.nix")]
				}`,
			want: `["0.1.0","default","{ }"]`,
		},
		"a variable of a type with defaults": {
			text: `
				variable "machine" {
				  type = object({ memory = optional(string, "1G"), cpus = number })
				}
				output "got" {
				  value = var.machine
				}`,
			args: []string{`machine={cpus="2"}`},
			want: `{"cpus":2,"memory":"1G"}`,
		},
		"a null that is not allowed is the default": {
			text: `
				variable "n" {
				  type     = list(number)
				  default  = [1]
				  nullable = false
				}
				output "got" {
				  value = var.n
				}`,
			args: []string{"n=null"},
			want: `[1]`,
		},
		"a variable without a type is text": {
			text: `
				variable "n" {}
				output "got" {
				  value = var.n
				}`,
			args: []string{"n=[1]"},
			want: `"[1]"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{Config: load(t, test.text), applied: true}
			var o config.InputOptions
			for _, arg := range test.args {
				o.Arguments = append(o.Arguments, config.InputArgument{Text: arg})
			}
			var flavours []string
			if test.flavour != "" {
				flavours = append(flavours, test.flavour)
			}
			outputs := w.run(o, flavours)
			if w.diags.HasErrors() {
				t.Fatal(render(w.Config, w.diags))
			}
			if got := toJSON(t, outputs["got"]); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func toJSON(t testing.TB, v cty.Value) string {
	t.Helper()
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJSONSyntax(t *testing.T) {
	document := map[string]any{
		"variable": map[string]any{"n": map[string]any{"type": "number", "default": 2}},
		"locals":   map[string]any{"page": "hello"},
		"provider": map[string]any{"docker": map[string]any{"alias": "lab", "host": "${local.page}"}},
		"resource": map[string]any{
			"docker_container": map[string]any{"a": map[string]any{
				"count": "${var.n}", "name": "a${count.index}", "provider": "docker.lab", "depends_on": []string{"docker_network.lan"},
				"port":      []any{map[string]any{"inside": 80}, map[string]any{"inside": "${count.index}"}},
				"lifecycle": map[string]any{"ignore_changes": []string{"image"}},
			}},
			"docker_network": map[string]any{"lan": map[string]any{"name": "lan"}},
		},
		"composition": map[string]any{"web": map[string]any{
			"source": "./composition.nix", "roles": map[string]any{"client": "${var.n}"},
			"flavour": map[string]any{"docker": map[string]any{"memory": "1G"}},
		}},
		"output": map[string]any{"got": map[string]any{
			"value": []any{"${docker_container.a[*].name}", "${docker_container.a[1].port[1].inside}", "${composition.web.node[\"client2\"].role}"},
		}},
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	folder(t, map[string]string{"main.nxc.json": string(text), "composition.nix": "{ }"})
	c, diags := config.Load(".")
	if diags.HasErrors() {
		t.Fatal(render(c, diags))
	}
	w := &world{Config: c, applied: true}
	outputs := w.run(config.InputOptions{}, nil)
	if w.diags.HasErrors() {
		t.Fatal(render(c, w.diags))
	}
	const want = `[["a0","a1"],1,"client"]`
	if got := toJSON(t, outputs["got"]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r := c.Resource(addr.Instance{Type: "docker_container", Name: "a"})
	if r.Provider != "docker.lab" || len(r.Lifecycle.IgnoreChanges) != 1 {
		t.Errorf("got provider %q, ignored %v", r.Provider, r.Lifecycle.IgnoreChanges)
	}
}

func TestUnknownAndSensitiveAreKept(t *testing.T) {
	c := load(t, `
		variable "token" {
		  sensitive = true
		}
		resource "docker_network" "lan" {
		  name = "lan"
		}
		resource "docker_container" "a" {
		  name  = var.token
		  image = "on ${docker_network.lan.id}"
		  dynamic "port" {
		    for_each = split(",", docker_network.lan.id)
		    content {
		      inside = 1
		    }
		  }
		}
		output "safe" {
		  value     = "${var.token}!"
		  sensitive = true
		}
		output "shown" {
		  value = nonsensitive(var.token)
		}
	`)
	w := &world{Config: c}
	outputs := w.run(config.InputOptions{Arguments: []config.InputArgument{{Text: "token=abc"}}}, nil)
	if w.diags.HasErrors() {
		t.Fatal(render(c, w.diags))
	}
	got := w.values[addr.Instance{Type: "docker_container", Name: "a"}]
	if name := got.GetAttr("name"); !name.HasMark(marks.Sensitive) {
		t.Errorf("name is %#v, want it sensitive", name)
	}
	for _, name := range []string{"image", "port"} {
		if v := got.GetAttr(name); v.IsKnown() {
			t.Errorf("%s is %#v, want it unknown", name, v)
		}
	}
	if v := got.GetAttr("command"); !v.IsNull() || v.Type() != cty.List(cty.String) {
		t.Errorf("command is %#v, want a null list of strings", v)
	}
	if !marks.IsSensitive(outputs["safe"]) || marks.IsSensitive(outputs["shown"]) {
		t.Errorf("got outputs %#v", outputs)
	}
}

func TestNothingThere(t *testing.T) {
	// A failed evaluation of a missing value must not pass for a value.
	c := load(t, webserver+`
		output "got" {
		  value = composition.web.node["server"].address
		}`)
	e := c.Evaluator(nil, func(addr.Instance) (cty.Value, bool) { return cty.NilVal, false })
	v, diags := e.Output(c.Outputs["got"], &addr.Deployment{Composition: "web", Flavour: "docker"})
	if diags.HasErrors() || v.IsKnown() {
		t.Errorf("got %#v, %v, want it unknown", v, diags)
	}
	if got := c.Outputs["got"].Composition; got != "web" {
		t.Errorf("the output belongs to %q, want web", got)
	}
}

// TestEachValueOfApply wants values of for_each that were unknown when the
// block was expanded to be there when it is evaluated again.
func TestEachValueOfApply(t *testing.T) {
	c := load(t, `
		resource "docker_network" "lan" {
		  name = "lan"
		}
		resource "null_resource" "a" {
		  for_each = { lan = docker_network.lan.id }
		  triggers = { id = each.value }
		}`)
	lan := cty.ObjectVal(map[string]cty.Value{"id": cty.UnknownVal(cty.String)})
	values := func(addr.Instance) (cty.Value, bool) { return lan, true }
	r := c.Resource(addr.Instance{Type: "null_resource", Name: "a"})
	x, diags := c.Evaluator(nil, values).Expand(r)
	if diags.HasErrors() {
		t.Fatal(render(c, diags))
	}
	lan = cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("n1")})
	v, diags := c.Evaluator(nil, values).Resource(r, x, x.Keys[0], schemas["null_resource"])
	if diags.HasErrors() {
		t.Fatal(render(c, diags))
	}
	if got := v.GetAttr("triggers").Index(cty.StringVal("id")); !got.RawEquals(cty.StringVal("n1")) {
		t.Errorf("got %#v, want n1", got)
	}
}

func TestUnreadable(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T)
		want    string
	}{
		"UTF-16": {
			prepare: func(t *testing.T) { write(t, "a.nxc.hcl", "\xff\xfen\x00x\x00") },
			want:    "a.nxc.hcl is written in UTF-16. Save it as UTF-8.",
		},
		"binary": {
			prepare: func(t *testing.T) { write(t, "a.nxc.hcl", "nxc {}\x00") },
			want:    "holds a zero byte at offset 6",
		},
		"folder": {
			prepare: func(t *testing.T) {
				if err := os.Mkdir("a.nxc.hcl", 0o755); err != nil {
					t.Fatal(err)
				}
			},
			want: "a.nxc.hcl is a folder",
		},
		"dangling link": {
			prepare: func(t *testing.T) {
				if err := os.Symlink("nowhere", "a.nxc.hcl"); err != nil {
					t.Fatal(err)
				}
			},
			want: "a.nxc.hcl: no such file or directory",
		},
		"too big": {
			prepare: func(t *testing.T) {
				write(t, "a.nxc.hcl", "")
				if err := os.Truncate("a.nxc.hcl", 65<<20); err != nil {
					t.Fatal(err)
				}
			},
			want: "has 65 MiB, and a configuration file at most 64 MiB",
		},
		"hidden files and others are left alone": {
			prepare: func(t *testing.T) {
				write(t, ".nxc.lock.hcl", "syntax error")
				write(t, ".a.nxc.hcl", "syntax error")
				write(t, "nxc.state.json", "syntax error")
			},
			want: "This folder has no *.nxc.hcl",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			test.prepare(t)
			c, diags := config.Load(".")
			if got := diags.Error(); !diags.HasErrors() || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q in it", got, test.want)
			}
			if c == nil || c.Files == nil {
				t.Error("got no configuration to show sources of")
			}
		})
	}
	_, diags := config.Load("/nonexistent/folder")
	if !diags.HasErrors() || diags[0].Summary != "Folder not found" {
		t.Errorf("got %v", diags)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestByteOrderMark(t *testing.T) {
	for _, name := range []string{"a.nxc.hcl", "a.nxc.json"} {
		t.Chdir(t.TempDir())
		text := `output "a" { value = 1 }`
		if strings.HasSuffix(name, "json") {
			text = `{"output": {"a": {"value": 1}}}`
		}
		write(t, name, "\xef\xbb\xbf"+text)
		c, diags := config.Load(".")
		if diags.HasErrors() || c.Outputs["a"] == nil {
			t.Errorf("%s: got %v, outputs %v", name, diags, c.Outputs)
		}
	}
}
