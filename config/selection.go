package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Selection is the part of a configuration that a command is about.
type Selection struct {
	Deployments []addr.Deployment // sorted; each has a flavour block
	TopLevel    bool              // resources outside of compositions take part
	Gone        []addr.Deployment // sorted; recorded, without a block any more
	Left        []addr.Deployment // sorted; left alone
}

// Select chooses deployments as -flavour says: FLAVOUR or
// COMPOSITION::FLAVOUR. Without any, it chooses the default flavour of each
// composition, the top level, and recorded deployments whose block is gone.
// recorded are the deployments that the state knows.
func (c *Config) Select(flavours []string, recorded ...addr.Deployment) (Selection, hcl.Diagnostics) {
	declared := c.deployments()
	var gone []addr.Deployment
	for _, d := range recorded {
		if !d.IsTop() && !slices.Contains(declared, d) {
			gone = append(gone, d)
		}
	}
	slices.SortFunc(gone, addr.Deployment.Compare)
	gone = slices.Compact(gone)
	if len(flavours) == 0 {
		return c.selectDefaults(declared, gone)
	}
	chosen := map[addr.Deployment]bool{}
	var diags hcl.Diagnostics
	for _, flavour := range flavours {
		matched := false
		for _, d := range slices.Concat(declared, gone) {
			if d.String() == flavour || d.Flavour == flavour {
				chosen[d], matched = true, true
			}
		}
		if !matched {
			diags = append(diags, unknownFlavour(flavour, slices.Concat(declared, gone))...)
		}
	}
	return divide(declared, gone, chosen, false), diags
}

// divide sorts deployments into those that are chosen and those that are left.
func divide(declared, gone []addr.Deployment, chosen map[addr.Deployment]bool, topLevel bool) Selection {
	s := Selection{TopLevel: topLevel}
	for _, d := range declared {
		if chosen[d] {
			s.Deployments = append(s.Deployments, d)
		} else {
			s.Left = append(s.Left, d)
		}
	}
	for _, d := range gone {
		if chosen[d] {
			s.Gone = append(s.Gone, d)
		} else {
			s.Left = append(s.Left, d)
		}
	}
	slices.SortFunc(s.Left, addr.Deployment.Compare)
	return s
}

func (c *Config) selectDefaults(declared, gone []addr.Deployment) (Selection, hcl.Diagnostics) {
	chosen := map[addr.Deployment]bool{}
	for _, d := range gone {
		chosen[d] = true
	}
	var diags hcl.Diagnostics
	for _, name := range slices.Sorted(maps.Keys(c.Compositions)) {
		composition := c.Compositions[name]
		if f := composition.defaultFlavour(); f != nil {
			chosen[f.Deployment()] = true
			continue
		}
		var choices []string
		for _, f := range composition.Flavours {
			choices = append(choices, "-flavour "+f.Label)
		}
		diags = append(diags, errorAt(composition.DeclRange, "No default flavour",
			"Composition %q has %d flavours and none is the default. Choose with %s, or set default = true in one of the flavour blocks.", name, len(choices), strings.Join(choices, " or ")))
	}
	return divide(declared, gone, chosen, true), diags
}

// defaultFlavour returns the only flavour or the one that is marked, or nil.
func (c *Composition) defaultFlavour() *Flavour {
	if len(c.Flavours) == 1 {
		return c.Flavours[0]
	}
	for _, f := range c.Flavours {
		if f.Default {
			return f
		}
	}
	return nil
}

// deployments lists what the configuration declares, sorted.
func (c *Config) deployments() []addr.Deployment {
	var all []addr.Deployment
	for _, composition := range c.Compositions {
		for _, f := range composition.Flavours {
			all = append(all, f.Deployment())
		}
	}
	slices.SortFunc(all, addr.Deployment.Compare)
	return all
}

func unknownFlavour(given string, known []addr.Deployment) hcl.Diagnostics {
	if len(known) == 0 {
		return failure("Unknown flavour", "-flavour %s chooses nothing: the configuration has no composition.", given)
	}
	var names, candidates []string
	for _, d := range known {
		names = append(names, d.String())
		if strings.Contains(given, "::") {
			candidates = append(candidates, d.String())
		} else {
			candidates = append(candidates, d.Flavour)
		}
	}
	return failure("Unknown flavour", "%s", fmt.Sprintf("-flavour %s chooses nothing. There is %s.%s", given, strings.Join(names, ", "), DidYouMean(given, candidates)))
}
