package deploy

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/state"
)

// checkOwner says whether the state may be acted on from here. Somebody
// else's is read-only; one's own that lost its token is taken back, and that
// is told.
func (p *Project) checkOwner() (notices []string, diags hcl.Diagnostics) {
	o := p.snapshot.Ownership
	switch o.Kind {
	case state.Foreign:
		return nil, hcl.Diagnostics{errorf("This deployment is somebody else's", "%s", sentence(o.Err()))}
	case state.TakenBack:
		return []string{o.Notice()}, nil
	}
	return nil, nil
}

// onlyTold makes warnings of errors: what they are about is not going to be done.
func onlyTold(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		d.Severity = hcl.DiagWarning
	}
	return diags
}
