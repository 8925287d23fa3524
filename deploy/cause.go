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

// onePerCause puts problems of several objects that one thing caused into one, at
// the place of the first: what a provider's death hit, and what has the same
// words and is written at the same place, as all nodes of a deployment are.
func onePerCause(list []plan.Problem, place func(*plan.Problem) string) []plan.Problem {
	var out []plan.Problem
	hit := map[int][]string{} // by index in out
	for _, found := range list {
		i := slices.IndexFunc(out, func(o plan.Problem) bool {
			return o.Summary == found.Summary && o.Detail == found.Detail && o.Warning == found.Warning &&
				o.Source == nil && found.Source == nil &&
				(o.Ended && found.Ended || place(&o) != "" && place(&o) == place(&found))
		})
		if i < 0 {
			i = len(out)
			out = append(out, found)
		}
		if where := found.Addr.String(); where != "" && !slices.Contains(hit[i], where) {
			hit[i] = append(hit[i], where)
		}
	}
	for i := range out {
		if len(hit[i]) > 1 {
			out[i].Detail = strings.TrimSpace(out[i].Detail + " This hit " + enumerate(hit[i]) + ".")
			if out[i].Ended { // it is no single block's
				out[i].Addr = addr.Instance{}
			}
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
