package plan

import "slices"

// Needs lists, for each change, those whose objects it directly depends on, by
// their place in Changes: what a dependency on a whole block or deployment
// means is written out. The old object of a replacement is nobody's need.
func (p *Plan) Needs() [][]int {
	m := membersOf(p.Changes)
	needs := make([][]int, len(p.Changes))
	for i := range p.Changes {
		for _, on := range p.Changes[i].Dependencies {
			for _, n := range m.of(on) {
				if n != i && p.Changes[n].Deposed == 0 {
					needs[i] = append(needs[i], n)
				}
			}
		}
		slices.Sort(needs[i])
		needs[i] = slices.Compact(needs[i])
	}
	return needs
}
