package deploy

import (
	"context"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
)

// inPieces looks for what is left of objects that a read does not see any more
// (missing, as indices of list). A removal that was cut short may have left
// pieces under an object's identity; forgetting it would leave them behind for
// good. Such an object is half made: its deletion removes what there is.
func (p *Project) inPieces(ctx context.Context, running *provider, list []recordedObject, priors []plan.Prior, missing []int) hcl.Diagnostics {
	byUUID := map[string][]int{}
	for _, i := range missing {
		uuid := p.operation(list[i].addr, list[i].Attempt).UUID
		byUUID[uuid] = append(byUUID[uuid], i)
	}
	for _, uuid := range sortedKeys(byUUID) {
		var types []string
		for _, i := range byUUID[uuid] {
			types = append(types, list[i].addr.Type)
		}
		slices.Sort(types)
		found, pd := running.Find(ctx, plugins.FindRequest{UUID: uuid, Types: slices.Compact(types)})
		if pd.HasErrors() {
			return asHCL(pd, nil)
		}
		for _, i := range byUUID[uuid] {
			if slices.ContainsFunc(found, func(f plugins.Found) bool {
				return f.Type == list[i].addr.Type && f.Attempt == list[i].Attempt
			}) {
				priors[i].Current, priors[i].Tainted = priors[i].Recorded, true // and Gone, if the provider knows, says why
			}
		}
	}
	return nil
}
