//go:build ignore

// This program writes what the website's tables of attributes show: the
// schemas of the providers that come with nxc, as they describe themselves.
//
// usage: go run .ci/reference.go FILE
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers"
)

// attribute is a row of a table.
type attribute struct {
	Name string `json:"name"` // with the names of the blocks around it
	Type string `json:"type"`
	Doc  string `json:"doc"`
	Is   string `json:"is"` // "required, replace"
}

// entry is one thing that has a table.
type entry struct {
	Doc        string      `json:"doc"`
	Node       bool        `json:"node"`
	Hands      []string    `json:"hands,omitempty"`
	Attributes []attribute `json:"attributes"`
}

// provider is all of one provider, by name.
type provider struct {
	Config    entry            `json:"config"`
	Resources map[string]entry `json:"resources"`
	Data      map[string]entry `json:"data"`
	Flavours  map[string]entry `json:"flavours"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run .ci/reference.go FILE")
	}
	all := map[string]provider{}
	for name, declared := range providers.Builtin() {
		described, err := describe(declared())
		if err != nil {
			log.Fatalf("provider %s: %v", name, err)
		}
		all[name] = described
	}
	content, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(os.Args[1]), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(os.Args[1], append(content, '\n'), 0o644); err != nil {
		log.Fatal(err)
	}
}

func describe(declared sdk.Provider) (provider, error) {
	p, err := sdk.New(declared)
	if err != nil {
		return provider{}, err
	}
	s, diags := p.Schema(context.Background())
	if diags.HasErrors() {
		return provider{}, fmt.Errorf("%v", diags)
	}
	result := provider{
		Config:    entryOf(s.Config),
		Resources: map[string]entry{}, Data: map[string]entry{}, Flavours: map[string]entry{},
	}
	for name, r := range s.Resources {
		e := entryOf(r.Block)
		e.Node = r.Node
		for _, h := range r.Hands {
			e.Hands = append(e.Hands, string(h))
		}
		result.Resources[name] = e
	}
	for name, d := range s.Data {
		result.Data[name] = entryOf(d.Block)
	}
	for name, f := range s.Flavours {
		result.Flavours[name] = entryOf(f.Block)
	}
	return result, nil
}

func entryOf(b schema.Block) entry {
	return entry{Doc: b.Doc, Attributes: rows(b, "")}
}

func rows(b schema.Block, prefix string) []attribute {
	list := []attribute{}
	for _, a := range b.Attributes {
		list = append(list, attribute{Name: prefix + a.Name, Type: typeName(a.Type), Doc: a.Doc, Is: properties(a)})
	}
	for _, n := range b.Blocks {
		is := "optional"
		if n.Required {
			is = "required"
		}
		kind := "block"
		if n.Nesting == schema.List {
			kind = "blocks"
		}
		list = append(list, attribute{Name: prefix + n.Name, Type: kind, Doc: n.Block.Doc, Is: is})
		list = append(list, rows(n.Block, prefix+n.Name+".")...)
	}
	return list
}

func properties(a schema.Attribute) string {
	var words []string
	for _, p := range []struct {
		is   bool
		word string
	}{
		{a.Required, "required"}, {a.Optional && !a.Computed, "optional"}, {a.Optional && a.Computed, "optional, else computed"},
		{a.Computed && !a.Optional, "computed"}, {a.Replace, "replace"}, {a.Exclusive, "exclusive"}, {a.Sensitive, "sensitive"},
	} {
		if p.is {
			words = append(words, p.word)
		}
	}
	if d := a.Default; d != cty.NilVal && !d.IsNull() {
		if text, err := ctyjson.Marshal(d, a.Type); err == nil && !slices.Contains([]string{`""`, "[]", "{}"}, string(text)) {
			words = append(words, "default "+string(text))
		}
	}
	return strings.Join(words, ", ")
}

// typeName writes a type as it stands in a configuration.
func typeName(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any"
	case t.IsPrimitiveType():
		return t.FriendlyName()
	case t.IsListType():
		return "list(" + typeName(t.ElementType()) + ")"
	case t.IsSetType():
		return "set(" + typeName(t.ElementType()) + ")"
	case t.IsMapType():
		return "map(" + typeName(t.ElementType()) + ")"
	case t.IsObjectType():
		types := t.AttributeTypes()
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(types)) {
			parts = append(parts, name+" = "+typeName(types[name]))
		}
		return "object({ " + strings.Join(parts, ", ") + " })"
	}
	return t.FriendlyName()
}
