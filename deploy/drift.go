package deploy

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/state"
)

// acceptDrift records what the refresh found: what is gone is forgotten, and
// what changed outside is what the plan started from.
func (r *run) acceptDrift() hcl.Diagnostics {
	for i := range r.p.refreshed {
		prior := &r.p.refreshed[i]
		if prior.NotRefreshed || !prior.Current.IsNull() && prior.Current.RawEquals(prior.Recorded) {
			continue
		}
		resource := r.session.Resource(prior.Addr)
		if resource == nil {
			continue
		}
		resource, err := r.accepted(resource, prior)
		if err == nil {
			err = r.session.Result(state.Result{Address: prior.Addr, Resource: resource})
		}
		if err != nil {
			return hcl.Diagnostics{stateDiagnostic(err)}
		}
	}
	return nil
}

// accepted is a resource with what was found of one of its objects.
func (r *run) accepted(resource *state.Resource, prior *plan.Prior) (*state.Resource, error) {
	switch {
	case prior.Current.IsNull() && prior.Deposed > 0:
		return resource.WithoutDeposed(prior.Attempt), nil
	case prior.Current.IsNull():
		resource = resource.Copy()
		resource.Incarnation = state.Incarnation{}
		if len(resource.Deposed) == 0 {
			return nil, nil
		}
		return resource, nil
	case prior.Deposed > 0 || len(resource.Secrets) > 0:
		return resource, nil
	}
	offer, pd := r.p.providers.schema(r.hard, prior.Provider)
	if pd.HasErrors() {
		return nil, pd
	}
	t := offer.Resources[prior.Addr.Type]
	resource = resource.Copy()
	err := resource.SetObject(prior.Current, state.Split{
		Computed: wasObserved(&resource.Incarnation), Sensitive: sensitivePaths(&t.Block), Seal: r.session.Sealer(),
	})
	return resource, err
}
