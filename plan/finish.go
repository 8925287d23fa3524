package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// deletions plans the end of what is on record and not desired any more. While
// it is not clear what is desired, nothing is.
func (b *builder) deletions() {
	if HasErrors(b.problems) {
		return
	}
	for i := range b.o.Prior {
		p := &b.o.Prior[i]
		if p.Addr.Data || p.Current.IsNull() || !b.selected(p.Addr.Deployment) {
			continue
		}
		if b.planned[p.Addr] && p.Deposed == 0 {
			continue
		}
		none := cty.NullVal(p.Current.Type())
		c := &Change{
			Addr: p.Addr, Deposed: p.Deposed, Provider: p.Provider, Type: p.Addr.Type,
			Action: Delete, Before: p.Current, After: none, Config: none,
			Dependencies: p.Dependencies, PriorDependencies: p.Dependencies,
			NotRefreshed: p.NotRefreshed, Tainted: p.Tainted, Attempt: p.Attempt, SchemaVersion: p.SchemaVersion,
		}
		switch {
		case p.Deposed != 0:
			c.Reasons = []Reason{{Text: "it is left over from a replacement"}}
		case !b.o.Destroy:
			c.Reasons = []Reason{{Text: "it is not in the configuration any more"}}
		}
		b.changes = append(b.changes, c)
	}
}

// drifted compares what was recorded with what is there.
func (b *builder) drifted(p *Prior) {
	if p.Recorded == cty.NilVal || p.Recorded.IsNull() || !b.selected(p.Addr.Deployment) {
		return
	}
	d := Drift{
		Addr: p.Addr, Deposed: p.Deposed, Provider: p.Provider, Type: p.Addr.Type,
		Recorded: p.Recorded, Current: p.Current,
	}
	if p.Current.IsNull() {
		d.Gone = gone(p)
		b.drift = append(b.drift, d)
		return
	}
	if b.o.Types == nil {
		return
	}
	t, ok := b.o.Types.Resource(p.Provider, p.Addr.Type)
	if !ok {
		return
	}
	s := b.shapes.of(t.Block)
	if !s.fits(p.Recorded) || !s.fits(p.Current) {
		return
	}
	var found differ
	found.block(s, nil, p.Recorded, p.Current)
	for _, f := range found.found {
		d.Changed = append(d.Changed, f.Path)
	}
	if len(d.Changed) > 0 {
		b.drift = append(b.drift, d)
	}
}

// finish looks at all changes together: what excludes what, what must not be
// destroyed, and whether there is an order for it all.
func (b *builder) finish() (*Plan, []Problem) {
	slices.SortFunc(b.changes, func(x, y *Change) int {
		return cmp.Or(x.Addr.Compare(y.Addr), cmp.Compare(x.Deposed, y.Deposed))
	})
	slices.SortFunc(b.drift, func(x, y Drift) int {
		return cmp.Or(x.Addr.Compare(y.Addr), cmp.Compare(x.Deposed, y.Deposed))
	})
	p := &Plan{Changes: make([]Change, len(b.changes)), Drift: b.drift, Objects: b.objects}
	for i, c := range b.changes {
		p.Changes[i] = *c
	}
	m := membersOf(p.Changes)
	if !HasErrors(b.problems) {
		b.unknownReplacements()
		b.problem(spreadCreateBeforeDestroy(p.Changes, m, b.exclusives())...)
		b.problem(b.claims(p.Changes)...)
		b.protect(p.Changes)
	}
	if !HasErrors(b.problems) {
		_, problems := arrange(p.Changes, m)
		b.problem(problems...)
	}
	return p, b.problems
}

// unknownReplacements refuses to replace what is not there.
func (b *builder) unknownReplacements() {
	for _, a := range b.o.Replace {
		if b.o.Destroy || slices.ContainsFunc(b.changes, func(c *Change) bool {
			return c.Addr == a || c.Addr.Block() == a || BlockOf(c.Addr) == a
		}) {
			continue
		}
		b.problem(Problem{Addr: a, Summary: "Nothing to replace", Detail: fmt.Sprintf("%s is not part of this plan.", a)})
	}
}

// protect refuses to destroy what must not be.
func (b *builder) protect(changes []Change) {
	for i := range changes {
		c := &changes[i]
		destroys := c.Action == Delete && c.Deposed == 0 || c.Action == Replace
		if !destroys || !c.Lifecycle.PreventDestroy && (b.o.Protected == nil || !b.o.Protected(c.Addr)) {
			continue
		}
		what := "destroyed"
		if c.Action == Replace {
			what = "replaced"
		}
		why := ""
		if len(c.Reasons) > 0 {
			why = " (" + reasonTexts(c.Reasons) + ")"
		}
		b.problem(Problem{
			Addr:    c.Addr,
			Summary: fmt.Sprintf("%s must not be destroyed", c.Addr),
			Detail: fmt.Sprintf("Its lifecycle says prevent_destroy, but it would be %s%s. "+
				"Take prevent_destroy away if that is what you want, or leave it out of this command.", what, why),
		})
	}
}

func reasonTexts(reasons []Reason) string {
	texts := make([]string, len(reasons))
	for i := range reasons {
		texts[i] = reasons[i].Text
	}
	return strings.Join(texts, ", ")
}

// spreadCreateBeforeDestroy makes every replaced object that an object with
// create_before_destroy depends on be created first, too: the new dependant
// needs the new object, and the old one the old. exclusive returns the first
// exclusive attribute that keeps its value, which two objects cannot share.
func spreadCreateBeforeDestroy(changes []Change, m *members, exclusive func(*Change) cty.Path) []Problem {
	var problems []Problem
	because := map[int]addr.Instance{}
	visited := map[addr.Instance]bool{}
	var queue []int
	for i := range changes {
		if changes[i].Action == Replace && changes[i].CreateBeforeDestroy {
			queue = append(queue, i)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		c := &changes[queue[0]]
		if path := exclusive(c); path != nil {
			problems = append(problems, keepsExclusive(c, path, because[queue[0]]))
		}
		for _, on := range slices.Concat(c.Dependencies, c.PriorDependencies) {
			if visited[on] {
				continue
			}
			visited[on] = true
			for _, i := range m.of(on) {
				if changes[i].Action == Replace && !changes[i].CreateBeforeDestroy && !changes[i].Tainted {
					changes[i].CreateBeforeDestroy = true
					because[i] = c.Addr
					queue = append(queue, i)
				}
			}
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Addr.Compare(b.Addr) })
	return problems
}

func keepsExclusive(c *Change, path cty.Path, because addr.Instance) Problem {
	why := "Its lifecycle says create_before_destroy"
	if because != (addr.Instance{}) {
		why = fmt.Sprintf("It is replaced before it is destroyed, because %s, which depends on it, says create_before_destroy", because)
	}
	return Problem{
		Addr:    c.Addr,
		Path:    path,
		Summary: fmt.Sprintf("Old and new cannot both have this %s", FormatPath(path)),
		Detail: fmt.Sprintf("%s, but %s must be replaced (%s) and keeps its %s, which only one object may have at a time. "+
			"Change that value, or take create_before_destroy away.", why, c.Addr, reasonTexts(c.Reasons), FormatPath(path)),
	}
}
