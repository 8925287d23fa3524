package deploy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
)

// maxHit is how many addresses a message names before it only counts.
const maxHit = 10

// onePerDeath puts the problems that a provider's death caused, one for each
// operation that it hit, into one, at the place of the first.
func onePerDeath(list []plan.Problem) []plan.Problem {
	var out []plan.Problem
	hit := map[int][]string{} // by index in out
	for _, found := range list {
		if !found.Ended {
			out = append(out, found)
			continue
		}
		where := found.Addr.String()
		i := slices.IndexFunc(out, func(o plan.Problem) bool {
			return o.Ended && o.Summary == found.Summary && o.Detail == found.Detail
		})
		if i < 0 {
			i = len(out)
			out = append(out, found)
		}
		if !slices.Contains(hit[i], where) {
			hit[i] = append(hit[i], where)
		}
	}
	for i := range out {
		if len(hit[i]) > 1 { // it is no single block's
			out[i].Addr = addr.Instance{}
			out[i].Detail = strings.TrimSpace(out[i].Detail) + " This hit " + enumerate(hit[i]) + "."
		}
	}
	return out
}

func enumerate(names []string) string {
	if len(names) > maxHit {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxHit], ", "), len(names)-maxHit)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
