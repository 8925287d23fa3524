package plan

import (
	"context"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// Source is the desired side. It is asked in dependency order, and by one
// goroutine at a time.
type Source interface {
	// Levels returns the blocks in groups, each of which refers only to
	// earlier groups: resource blocks and data blocks (addresses without key)
	// and deployments (Instance{Deployment: d}).
	Levels() [][]addr.Instance

	// Instances returns the desired instances of a block, given the values of
	// the earlier groups.
	Instances(ctx context.Context, block addr.Instance, known Values) (Expanded, []Problem)

	// Evaluate returns the configuration of one instance again, during the
	// apply, when what it depends on is done.
	Evaluate(ctx context.Context, a addr.Instance, known Values) (cty.Value, []Problem)
}

// Values gives the values of blocks.
type Values interface {
	// Block returns the present value of a block: an object (Single), a tuple
	// (Count) or an object of objects (ForEach). A deployment's value is
	// {TYPE = {KEY = object}}, with "node" beside the types when its expansion
	// says so. A block that could not be planned is cty.DynamicVal. The result
	// is false for what is not there at all.
	Block(block addr.Instance) (cty.Value, bool)
}

// Kind says how the instances of a block are told apart.
type Kind uint8

const (
	Single     Kind = iota // one instance, no key
	Count                  // numbers from 0
	ForEach                // strings
	Deployment             // types, and strings
)

// Expanded is a block's desired instances.
type Expanded struct {
	Kind      Kind
	Instances []Desired
	// Node returns, for a deployment, the value of "node" in its block value.
	// It may be nil, and may be called again as values become known.
	Node func(objects map[addr.Instance]cty.Value) cty.Value
}

// Desired is one desired instance.
type Desired struct {
	Addr     addr.Instance
	Provider string
	// Config is of the type's Block.Type(): null where left out, unknown where
	// not known. It may carry marks.
	Config cty.Value
	// References fill Config from other instances, at plan as far as known,
	// and at apply.
	References []Reference
	// DependsOn names what else comes first: blocks, instances, deployments.
	// Direct ones only.
	DependsOn []addr.Instance
	// ReadAfter is the part of DependsOn that a data source must wait for even
	// when its configuration is known: what the user's depends_on names.
	ReadAfter []addr.Instance
	Lifecycle Lifecycle
}

// Reference fills the attribute at Path from an attribute of another instance.
type Reference struct {
	Path      cty.Path
	From      addr.Instance
	Attribute string
}

// Lifecycle is what the user said about an object's changes.
type Lifecycle struct {
	CreateBeforeDestroy bool
	PreventDestroy      bool
	IgnoreChanges       []cty.Path
	IgnoreAll           bool
}

// Problem is something to tell the user about one instance or block.
type Problem struct {
	Addr    addr.Instance
	Path    cty.Path // in the configuration, when the cause is one attribute
	Warning bool
	Summary string // terse, no full stop
	Detail  string // sentences that say the remedy
	// Ended says that the provider's process ended: the same problem, in the same
	// words, is that of everything that the provider had to do.
	Ended bool
	// Source is a diagnostic of the caller's own, passed through.
	Source any
}

// HasErrors reports whether any problem is an error.
func HasErrors(ps []Problem) bool {
	for i := range ps {
		if !ps[i].Warning {
			return true
		}
	}
	return false
}

// Type is what planning needs to know about a resource or data type.
type Type struct {
	Block      *schema.Block
	Node       bool // its objects are nodes
	CustomPlan bool // its provider refines proposals
	NoUpdate   bool // every change needs another object
}

// Types describes types. The same answer, by pointer, is given every time.
type Types interface {
	Resource(provider, typ string) (*Type, bool)
	Data(provider, typ string) (*Type, bool)
}

// Planner asks providers. It changes nothing outside.
type Planner interface {
	// Refine asks one provider about its proposals and answers all of them,
	// in the same order.
	Refine(ctx context.Context, ps []Proposal) ([]Refined, []Problem)
	// ReadData reads a data source.
	ReadData(ctx context.Context, a addr.Instance, provider, typ string, config cty.Value) (cty.Value, []Problem)
}

// Proposal is a change as the schema alone suggests it.
type Proposal struct {
	Addr     addr.Instance
	Provider string
	Type     string
	Prior    cty.Value // null: create
	Attempt  string    // that made Prior
	Proposed cty.Value // the configuration with defaults and prior computed values
	Config   cty.Value // null where left out
}

// Refined is a proposal as its provider sees it.
type Refined struct {
	Planned cty.Value
	Replace []Reason // attributes that need another object; an empty text gets a usual one
}

// Prior is an object on record, already refreshed. Its values carry no marks.
type Prior struct {
	Addr          addr.Instance
	Provider      string
	Recorded      cty.Value
	Current       cty.Value // null: gone
	Gone          string    // what became of it, in a few words, when known
	Tainted       bool      // half made
	Unwanted      string    // why the user wants another object, in a few words, or ""
	Dependencies  []addr.Instance
	Attempt       string
	SchemaVersion int64
	Deposed       int // not 0: an old object, left over from a replacement
	NotRefreshed  bool
	// Restore puts the secrets that the record leaves out back into Current,
	// from a configuration that holds the same ones. Nil: none were left out.
	Restore func(current, config cty.Value) cty.Value
}

// Options is all that a plan is made from.
type Options struct {
	Source  Source // may be nil with Destroy
	Types   Types
	Planner Planner
	Prior   []Prior
	Destroy bool // nothing is desired

	// Selected says which deployments take part; what is outside keeps its
	// objects, and gives their values. The zero deployment asks about the top
	// level. Nil selects everything. Data sources always take part.
	Selected func(addr.Deployment) bool
	// Replace names instances, or whole blocks, that are to be replaced.
	Replace []addr.Instance
	// Protected says which objects must not be destroyed, desired or not. It
	// speaks for instances that are not desired any more, about which no
	// Lifecycle is known. Nil protects none.
	Protected func(addr.Instance) bool
	// SensitiveMark is put on the attributes that a schema calls sensitive, in
	// the values that Objects gives. Nil: they stay unmarked.
	SensitiveMark any
}
