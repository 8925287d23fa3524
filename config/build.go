package config

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/nixos-compose/nxc/nix"
)

// BuildSetting is one of Nix's settings, as a build block has it.
type BuildSetting struct {
	Name  string // Nix's own, such as "max-jobs"
	Value string // as in nix.conf
}

// buildArgument is an argument of a build block, and how it reads.
type buildArgument struct {
	name    string
	setting string
	read    func(v cty.Value) (string, error)
}

// buildArguments are the arguments of a build block. What may be added to is
// added to: a project's binary cache comes beside the user's own.
func buildArguments() []buildArgument {
	return []buildArgument{
		{"max_jobs", "max-jobs", countOr("auto")},
		{"cores", "cores", countOr("")},
		{"builders", "builders", joined(" ; ", checkBuilder)},
		{"store", "store", checkStore},
		{"substituters", "extra-substituters", joined(" ", checkSubstituter)},
		{"trusted_public_keys", "extra-trusted-public-keys", joined(" ", checkPublicKey)},
		{"sandbox", "sandbox", readSandbox},
	}
}

// build decodes the settings of Nix. They are read before anything has a value.
func (d *decoder) build(b *hcl.Block) {
	if !d.declare("build block", b.DefRange) {
		return
	}
	var schema hcl.BodySchema
	arguments := buildArguments()
	for _, a := range arguments {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: a.name})
	}
	content := d.content(b.Body, &schema)
	for _, a := range arguments {
		attr := content.Attributes[a.name]
		if attr == nil {
			continue
		}
		if refs := attr.Expr.Variables(); len(refs) > 0 {
			d.add(errorAt(attr.Expr.Range(), "Not a literal", "%q must be written out: Nix is needed before anything has a value, so it cannot refer to %s. What differs from one user to another belongs into the user's nix.conf.", attr.Name, spell(refs[0])))
			continue
		}
		value, diags := attr.Expr.Value(nil)
		if diags.HasErrors() {
			d.diags = append(d.diags, diags...)
			continue
		}
		if value.IsNull() {
			continue
		}
		text, err := a.read(value)
		if err == nil && strings.ContainsAny(text, "\n\r") {
			err = fmt.Errorf("it has more than one line")
		}
		if err != nil {
			d.add(errorAt(attr.Expr.Range(), "Not a setting of Nix", "%q cannot be this: %s.", a.name, err))
			continue
		}
		d.config.Build = append(d.config.Build, BuildSetting{a.setting, text})
	}
}

// countOr reads a whole number from 0, or a word.
func countOr(word string) func(cty.Value) (string, error) {
	return func(v cty.Value) (string, error) {
		if word != "" && v.Type() == cty.String && v.AsString() == word {
			return word, nil
		}
		if n, ok := wholeNumber(v); ok && n >= 0 {
			return strconv.Itoa(n), nil
		}
		if word != "" {
			return "", fmt.Errorf("it is a whole number from 0, or %q", word)
		}
		return "", fmt.Errorf("it is a whole number from 0, where 0 means all processors")
	}
}

// joined reads a list of strings, each of which check accepts.
func joined(separator string, check func(string) error) func(cty.Value) (string, error) {
	return func(v cty.Value) (string, error) {
		list, err := convert.Convert(v, cty.List(cty.String))
		if err != nil || v.Type() == cty.String {
			return "", fmt.Errorf("it is a list of strings")
		}
		var all []string
		for _, one := range list.AsValueSlice() {
			if one.IsNull() {
				return "", fmt.Errorf("it has null among its strings")
			}
			if err := check(one.AsString()); err != nil {
				return "", err
			}
			all = append(all, one.AsString())
		}
		return strings.Join(all, separator), nil
	}
}

// checkBuilder accepts a line of Nix's machines file.
func checkBuilder(line string) error {
	words := strings.Fields(line)
	switch {
	case len(words) == 0 || strings.ContainsAny(line, ";#"):
		return fmt.Errorf("%q is no builder; it is the address of a machine and what it builds, such as \"ssh://build.example.org x86_64-linux - 8\", or \"@/path\" of a file with such lines", line)
	case strings.HasPrefix(line, "@"):
		if !strings.HasPrefix(line, "@/") || len(words) > 1 {
			return fmt.Errorf("%q names no file; write \"@/etc/nix/machines\"", line)
		}
	case len(words) > 8:
		return fmt.Errorf("%q has more than the eight fields of a builder", line)
	}
	return nil
}

// checkStore accepts the stores that nxc can find its way in.
func checkStore(v cty.Value) (string, error) {
	if v.Type() != cty.String {
		return "", fmt.Errorf("it is a string, such as \"daemon\"")
	}
	_, err := nix.ParseStoreAddress(v.AsString(), "/")
	return v.AsString(), err
}

func checkSubstituter(text string) error {
	if strings.ContainsAny(text, " \t") || !strings.Contains(text, "://") && !strings.HasPrefix(text, "/") {
		return fmt.Errorf("%q is no binary cache; write its address, such as \"https://cache.example.org\"", text)
	}
	return nil
}

func checkPublicKey(text string) error {
	name, key, ok := strings.Cut(text, ":")
	if raw, err := base64.StdEncoding.DecodeString(key); !ok || name == "" || strings.ContainsAny(text, " \t") || err != nil || len(raw) != 32 {
		return fmt.Errorf("%q is no public key of a binary cache; it is a name, a colon and 32 bytes in base64, such as \"cache.example.org-1:…\"", text)
	}
	return nil
}

func readSandbox(v cty.Value) (string, error) {
	if b, err := convert.Convert(v, cty.Bool); err == nil && !b.IsNull() {
		return strconv.FormatBool(b.True()), nil
	}
	if v.Type() == cty.String && v.AsString() == "relaxed" {
		return "relaxed", nil
	}
	return "", fmt.Errorf("it is true, false or \"relaxed\"")
}
