// Package sdk is what a provider's author writes against.
//
// A resource type is a Go struct, whose tags give the schema and whose
// conversion is derived, and a handler with small verbs. Verbs that only some
// types have are optional interfaces. Serve runs the result as a plugin.
//
// The package knows the protocol, so that an author need not; it knows nothing
// of configuration files, plans or state.
package sdk

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// Provider is everything that a plugin offers. A process serves one
// configuration, so handlers may share a client that Configure fills.
type Provider struct {
	Name      string
	Version   string
	Configure Configurer // nil: the provider has no configuration, and its location is this machine
	Resources []Resource
	Data      []Data
	Flavours  []Flavour

	// Programs are parts of the provider that run as processes of their own
	// and outlive it; see Program.
	Programs map[string]func(args []string) error
}

// Operation says on whose behalf a verb is called. In Find only UUID is set.
type Operation struct {
	plugins.Operation
	Context  *plugins.Context // for the creation of a node
	progress func(plugins.Progress)
}

// Phase reports what the operation does now, in a few words.
func (o Operation) Phase(text string) { o.Report(plugins.Progress{Phase: text}) }

// Wait reports what the operation waits for, where nothing is lost by leaving
// it: what is waited for is there, and found again. When the user interrupts,
// its context ends at once. A verb that returns then without an error, or with
// a warning, has succeeded as far as the record goes.
func (o Operation) Wait(text string) { o.Report(plugins.Progress{Phase: text, Idle: true}) }

// Log keeps a line that belongs to the operation.
func (o Operation) Log(line string) { o.Report(plugins.Progress{Log: line}) }

// Note says a line that everybody should see, such as which units restarted.
func (o Operation) Note(line string) { o.Report(plugins.Progress{Note: line}) }

// Report sends a progress event. It never blocks for long and may be called
// from any goroutine until the verb returns.
func (o Operation) Report(p plugins.Progress) {
	if o.progress != nil {
		o.progress(p)
	}
}

// Handler is what every managed resource type has. T is a struct with nxc
// tags: `nxc:"name[,required][,optional][,computed][,sensitive][,replace][,exclusive][,block][,default=VALUE]"`
// and `doc:"…"`.
//
// Create fills the computed fields of want; when it fails after something was
// made, it leaves in want what there is, and sets a computed field (so that
// the object is recorded as half made). Read refreshes have, and reports
// whether it still exists. Delete succeeds when there is nothing. Find lists
// the objects of the type that carry op.UUID, whichever attempt made them.
//
// A context ends when the user interrupts, or when op.Timeout has passed: a
// verb then returns as soon as it safely can, with what it reached.
type Handler[T any] interface {
	Create(ctx context.Context, op Operation, want *T) error
	Read(ctx context.Context, op Operation, have *T) (exists bool, err error)
	Delete(ctx context.Context, op Operation, have *T) error
	Find(ctx context.Context, op Operation) ([]Found[T], error)
}

// Updater changes an object in place. Without it, every change replaces. When
// it fails the object is recorded as it was; the next read shows what became
// of it.
type Updater[T any] interface {
	Update(ctx context.Context, op Operation, have T, want *T) error
}

// Planner refines what the core proposes; it may compute values early and name
// attributes whose change needs another object. Prior is nil for a create, and
// for an object that is to replace another: what that one holds outside, under
// op's UUID and address, is not taken.
type Planner[T any] interface {
	Plan(ctx context.Context, op Operation, prior *T, proposed *Planned[T]) error
}

// Planned is a proposal. Value has the zero value where something is unknown;
// Unknown and SetUnknown work by attribute name.
type Planned[T any] struct {
	Value   T
	unknown map[string]bool
	replace []plugins.Replace
}

// Unknown reports whether the attribute is known only after apply.
func (p *Planned[T]) Unknown(name string) bool { return p.unknown[name] }

// SetUnknown says that the attribute is known only after apply.
func (p *Planned[T]) SetUnknown(name string) { p.unknown[name] = true }

// SetKnown says that Value holds the attribute's value.
func (p *Planned[T]) SetKnown(name string) { delete(p.unknown, name) }

// Replace asks for another object because of the attribute.
func (p *Planned[T]) Replace(name, reason string) {
	p.replace = append(p.replace, replaceAttribute(name, reason))
}

// Remark says in a few words what is to be made, where its attributes do not
// say it to people: what it costs, for instance. It is for an object that does
// not exist yet, and it must be the same as long as the plan is, so it says
// nothing of the moment. See Warn for that.
func (p *Planned[T]) Remark(text string) {
	p.replace = append(p.replace, plugins.Replace{Reason: text})
}

// Validator checks a configuration beyond its schema. Fields that are unknown
// have their zero value.
type Validator[T any] interface {
	Validate(ctx context.Context, config T) plugins.Diagnostics
}

// Importer reads an object by the provider's own name for it.
type Importer[T any] interface {
	Import(ctx context.Context, op Operation, id string) (*T, error)
}

// Upgrader reads an object that an older schema version wrote, whose attributes
// stand in JSON under the names of its tags. Without it, attributes that are
// still there are taken over, new ones are null, and others are dropped.
type Upgrader[T any] interface {
	Upgrade(ctx context.Context, version int64, object json.RawMessage) (*T, error)
}

// Found is an object outside that carries the deployment's uuid.
type Found[T any] struct {
	Address  string
	Attempt  string
	Complete bool
	Object   T
}

// Execer runs programs: with it, a resource is a node.
type Execer[T any] interface {
	Exec(ctx context.Context, op Operation, have *T, p plugins.Process) (exit int, err error)
}

// Copier moves files as tar streams.
type Copier[T any] interface {
	Copy(ctx context.Context, op Operation, have *T, c plugins.Copy) error
}

// Powerer starts, stops, crashes and resets.
type Powerer[T any] interface {
	Power(ctx context.Context, op Operation, have *T, a plugins.PowerAction) error
}

// Consoler streams the console.
type Consoler[T any] interface {
	Console(ctx context.Context, op Operation, have *T, c plugins.Console) error
}

// Linker changes the quality of the network.
type Linker[T any] interface {
	Link(ctx context.Context, op Operation, have *T, l plugins.Link) error
}

// Monitorer tells what runs a node a command in its own words.
type Monitorer[T any] interface {
	Monitor(ctx context.Context, op Operation, have *T, command string) (answer string, err error)
}

// Contexter delivers a context to a running node.
type Contexter[T any] interface {
	SetContext(ctx context.Context, op Operation, have *T, c plugins.Context) error
}

// Options of a managed resource type.
type Options struct {
	Version    int64         // of the schema
	FindWindow time.Duration // see plugins.ResourceType
	Timeouts   plugins.Timeouts
	Doc        string
}
