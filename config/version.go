package config

import (
	"fmt"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
)

// VersionConstraint says which versions of nxc a configuration is written for.
type VersionConstraint struct {
	Text        string // as written
	Range       hcl.Range
	constraints version.Constraints
}

func (d *decoder) requiredVersion(attr *hcl.Attribute) {
	if attr == nil {
		return
	}
	var text string
	before := len(d.diags)
	d.literal(attr, &text)
	if len(d.diags) > before {
		return
	}
	constraints, err := version.NewConstraint(text)
	if err != nil {
		d.add(errorAt(attr.Expr.Range(), "Not a version constraint", "%q is no constraint. Write a comparison and a version, such as \">= 0.1\" or \"~> 1.2, != 1.2.3\".", text))
		return
	}
	d.config.RequiredVersion = &VersionConstraint{Text: text, Range: attr.Expr.Range(), constraints: constraints}
}

// CheckVersion reports when the configuration is written for other versions of
// nxc than v. A development version counts as the release that it leads to.
func (c *Config) CheckVersion(v string) hcl.Diagnostics {
	if c.RequiredVersion == nil {
		return nil
	}
	running, err := version.NewVersion(v)
	if err != nil {
		panic(fmt.Sprintf("config: nxc's own version %q is none: %v", v, err))
	}
	if c.RequiredVersion.constraints.Check(running) || c.RequiredVersion.constraints.Check(running.Core()) {
		return nil
	}
	return hcl.Diagnostics{errorAt(c.RequiredVersion.Range, "Written for another version of nxc",
		"This is nxc %s, and the configuration wants %s. Install such a version, or change required_version if the configuration works with this one too.", v, c.RequiredVersion.Text)}
}
