package sdktest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
)

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// checkSchema finds what would confuse users or the core.
func checkSchema(t *testing.T, s *plugins.Schema) {
	if s.Version == "" {
		t.Errorf("the provider has no version")
	}
	checkBlock(t, "provider "+s.Provider, &s.Config)
	for _, name := range slices.Sorted(maps.Keys(s.Resources)) {
		checkResource(t, s, name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Data)) {
		checkBlock(t, "data "+name, &s.Data[name].Block)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Flavours)) {
		f := s.Flavours[name]
		checkBlock(t, "flavour "+name, &f.Block)
		if f.Sources["default.nix"] == "" {
			t.Errorf("flavour %s: its sources lack default.nix, the entry", name)
		}
	}
}

func checkResource(t *testing.T, s *plugins.Schema, name string) {
	r := s.Resources[name]
	if !strings.HasPrefix(name, s.Provider+"_") {
		t.Errorf("resource %s: its name must begin with %s_, by which nxc finds the provider", name, s.Provider)
	}
	if r.Block.Doc == "" {
		t.Errorf("resource %s: Options.Doc says nothing", name)
	}
	checkBlock(t, "resource "+name, &r.Block)
	if r.Node != (len(r.Hands) > 0) {
		t.Errorf("resource %s: node is %v with hands %v", name, r.Node, r.Hands)
	}
	if r.Node && !slices.Contains(r.Hands, plugins.HandContext) {
		t.Errorf("resource %s: a node that takes no context (Contexter) never learns of its peers", name)
	}
}

func checkBlock(t *testing.T, where string, b *schema.Block) {
	for i := range b.Attributes {
		a := &b.Attributes[i]
		at := where + "." + a.Name
		if !validName.MatchString(a.Name) {
			t.Errorf("%s: not a name", at)
		}
		if a.Doc == "" {
			t.Errorf("%s: it has no doc tag", at)
		}
		if !a.Required && !a.Optional && a.Replace {
			t.Errorf("%s: replace needs an attribute that the user sets", at)
		}
	}
	for i := range b.Blocks {
		n := &b.Blocks[i]
		if n.Block.Doc == "" {
			t.Errorf("%s.%s: it has no doc tag", where, n.Name)
		}
		checkBlock(t, where+"."+n.Name, &n.Block)
	}
}
