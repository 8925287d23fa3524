// Package plan decides what must change. Given what is desired and what is
// recorded it returns the changes that lead from one to the other, their
// reasons, and the order in which they may be made.
//
// Decisions follow from the schema of each type: what is left out gets its
// default, what the provider decides keeps its value until something needs
// another object, and what is not known yet counts as a change. Only types
// that ask for it are shown to their provider.
//
// The package performs no I/O of its own and knows nothing of HCL, plugins,
// files or terminals: it asks for configurations through Source and for
// refinements and data through Planner, and it carries nothing out. That is
// the work of plan/apply.
package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Plan is what is to be done.
type Plan struct {
	// Changes has one entry for each object, in the order of addresses; those
	// that need nothing are there as well (NoOp). An object left over from an
	// earlier replacement follows the one that took its place.
	Changes []Change
	// Drift lists what changed outside nxc, in the order of addresses. It is
	// already part of what Changes start from.
	Drift []Drift
	// Objects are the values that every object will have, as far as known.
	Objects *Objects
}

// Change is what becomes of one object.
type Change struct {
	Addr     addr.Instance
	Deposed  int           // not 0: the object is an old one, left over from a replacement
	From     addr.Instance // where the object stands in the record, when elsewhere
	Provider string
	Type     string
	Data     bool

	Action Action
	// CreateBeforeDestroy orders a replacement: the new object first.
	CreateBeforeDestroy bool

	Before cty.Value // as it is now; null: nothing there
	After  cty.Value // as it will be; null: nothing; unknown where decided later
	Config cty.Value // as desired, references filled; null where left out
	// Marks are the marks that Config carried, with their places. Before,
	// After and Config themselves carry none.
	Marks []cty.PathValueMarks

	// Changed lists the attributes that differ between Before and After, for
	// updates and replacements.
	Changed []cty.Path
	// Reasons says why an object is replaced, made again or deleted, and what its
	// provider remarks of one that is to be made.
	Reasons []Reason

	// Dependencies are direct: instances, whole blocks (without key) and
	// whole deployments. Those of a deleted object are the recorded ones.
	Dependencies []addr.Instance
	// PriorDependencies are the ones recorded with Before.
	PriorDependencies []addr.Instance
	// Waits names objects that hold an exclusive value of this one until they
	// are deleted or changed.
	Waits []addr.Instance

	References []Reference
	Lifecycle  Lifecycle
	// Deferred says that the configuration is evaluated again at apply,
	// because not all of it is known.
	Deferred bool
	// NotRefreshed says that Before is only what was recorded.
	NotRefreshed bool
	// Tainted says that Before is only half made. It is destroyed first,
	// whatever the lifecycle says: nothing was built on it.
	Tainted bool

	Attempt       string // that made Before
	SchemaVersion int64  // that Before was recorded with
}

// Reason says why, in a few words; Path, when set, is the attribute that
// is the cause.
type Reason struct {
	Path cty.Path
	Text string
}

// Drift is a difference between what was recorded and what is there.
type Drift struct {
	Addr     addr.Instance
	Deposed  int
	Provider string
	Type     string
	Recorded cty.Value
	Current  cty.Value  // null: gone
	Changed  []cty.Path // attributes that differ; empty when gone
	Gone     string     // what became of it, when gone
}

// Count returns how many changes have the given action.
func (p *Plan) Count(a Action) int {
	n := 0
	for i := range p.Changes {
		if p.Changes[i].Action == a {
			n++
		}
	}
	return n
}

// IsEmpty reports whether there is nothing to do.
func (p *Plan) IsEmpty() bool { return p.Count(NoOp) == len(p.Changes) }
