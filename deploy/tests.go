package deploy

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
)

// TestTargets lists the deployments that a test is for: those that were
// selected, or the only one that runs; fresh asks for those that an apply
// would make.
func (p *Project) TestTargets(fresh bool) ([]addr.Deployment, hcl.Diagnostics) {
	if !fresh && len(p.o.Flavours) == 0 {
		one, _, diags := p.targetOf("")
		if diags.HasErrors() {
			return nil, diags
		}
		return []addr.Deployment{one}, nil
	}
	if len(p.Selection.Deployments) == 0 {
		return nil, hcl.Diagnostics{errorf("There is nothing to test", "The configuration has no composition with a flavour that was chosen.")}
	}
	for _, d := range p.Selection.Deployments {
		record := p.recorded.Deployment(d)
		there := record != nil && len(p.recorded.ResourcesOf(d)) > 0
		switch {
		case fresh && there:
			return nil, hcl.Diagnostics{errorf(d.String()+" exists already",
				"-ephemeral deploys, tests and destroys, and would destroy what is there. Test that without -ephemeral, or remove it with nxc destroy -flavour %s.", d)}
		case !fresh && !there:
			return nil, hcl.Diagnostics{errorf(d.String()+" does not run", "Run nxc apply -flavour %s first, or let nxc test -ephemeral deploy it for the test.", d)}
		}
	}
	return p.Selection.Deployments, nil
}

// NodeNames lists the nodes of a deployment on record, in their order.
func (p *Project) NodeNames(d addr.Deployment) []string {
	record := p.recorded.Deployment(d)
	if record == nil {
		return nil
	}
	names := make([]string, len(record.Nodes))
	for i := range record.Nodes {
		names[i] = record.Nodes[i].Name
	}
	return names
}
