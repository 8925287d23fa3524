// Package plugins says what nxc asks of a provider.
//
// Provider is the whole of it: the rest of nxc knows providers only through
// this interface, so that another client (of another protocol) can stand
// behind it. The package holds the words both sides use; the wire format is in
// plugins/proto, how one becomes the other in plugins/wire, the processes in
// plugins/host, and the side that an author programs against in plugins/sdk. It
// starts nothing and does no I/O.
package plugins

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/schema"
)

// Provider is one configured provider. Calls may come concurrently, except
// that Schema and Configure come first, in this order.
//
// What goes wrong comes back as Diagnostics, a broken connection included, so
// that a caller has one thing to look at.
type Provider interface {
	// Schema describes everything the provider offers. It needs no
	// configuration and is the same for the same binary.
	Schema(ctx context.Context) (*Schema, Diagnostics)

	// Configure connects to what the configuration points at and says which
	// thing that is. It changes nothing outside.
	Configure(ctx context.Context, r ConfigureRequest) (Location, Diagnostics)

	// Validate checks configurations, which may hold unknown values. result is
	// called once for each request, in any order.
	Validate(ctx context.Context, rs []ValidateRequest, result func(i int, d Diagnostics)) Diagnostics

	// Expand turns a deployment of one of the provider's flavours into
	// resources. It is deterministic in the request and in what Configure saw.
	Expand(ctx context.Context, r ExpandRequest) (*Expansion, Diagnostics)

	// Read asks for the present state of objects. It changes nothing outside.
	Read(ctx context.Context, rs []ReadRequest, result func(i int, r ReadResult)) Diagnostics

	// Plan refines what the core proposes, for the types whose schema says
	// CustomPlan. It changes nothing outside.
	Plan(ctx context.Context, rs []PlanRequest, result func(i int, r PlanResult)) Diagnostics

	// ReadData reads a data source. It changes nothing outside.
	ReadData(ctx context.Context, r ReadDataRequest) (cty.Value, Diagnostics)

	// Import reads an object that exists by the provider's own name for it.
	Import(ctx context.Context, r ImportRequest) (cty.Value, Diagnostics)

	// Upgrade brings objects written with an older schema version to today's.
	Upgrade(ctx context.Context, rs []UpgradeRequest, result func(i int, r UpgradeResult)) Diagnostics

	// Apply creates, updates or deletes one object. Deleting what is gone
	// succeeds. The object in the result is what now exists (null: nothing),
	// also when it failed half-way. When ctx ends, the operation is asked to
	// end as soon as it safely can, and its result is still awaited.
	Apply(ctx context.Context, r ApplyRequest, progress func(Progress)) ApplyResult

	// Find lists all that exists outside and carries the deployment's uuid.
	Find(ctx context.Context, r FindRequest) ([]Found, Diagnostics)

	// SetContext delivers a context to a node that runs.
	SetContext(ctx context.Context, n Node, c Context) Diagnostics

	// Exec runs a program on a node and returns its exit status.
	Exec(ctx context.Context, n Node, p Process) (exit int, d Diagnostics)
	// Copy moves files to or from a node.
	Copy(ctx context.Context, n Node, c Copy) Diagnostics
	// Power starts, stops, crashes or resets a node.
	Power(ctx context.Context, n Node, a PowerAction, progress func(Progress)) Diagnostics
	// Console streams a node's console until ctx ends, or, without Follow, until its end.
	Console(ctx context.Context, n Node, c Console) Diagnostics
	// Link changes the quality of a node's network.
	Link(ctx context.Context, n Node, l Link) Diagnostics
	// Monitor tells what runs a node a command in its own words, such as
	// QEMU's monitor, and returns its answer.
	Monitor(ctx context.Context, n Node, command string) (answer string, d Diagnostics)

	// Stop asks the provider to end what it is doing as soon as it safely can.
	// Calls under way return with what they reached.
	Stop(ctx context.Context) error
}

// Watcher is what a provider may be besides: one that tells what it waits for
// outside of Apply.
type Watcher interface {
	// Watch calls tell, from any goroutine, until ctx or the provider ends.
	Watch(ctx context.Context, tell func(text string))
}

// Schema is what a provider offers.
type Schema struct {
	Provider  string       // the provider's name, such as "docker"
	Version   string       // of the provider, not of the protocol
	Config    schema.Block // the body of a provider block
	Resources map[string]*ResourceType
	Data      map[string]*DataType
	Flavours  map[string]*Flavour
}

// ResourceType describes one type of managed resource.
type ResourceType struct {
	Version    int64 // of the schema; a state with a lower one is upgraded
	Block      schema.Block
	Node       bool          // its objects are nodes: they take a context and have hands
	Hands      []Hand        // what a node can do, sorted
	CustomPlan bool          // Plan is to be asked
	FindWindow time.Duration // how long after a crash a create may still be in flight
	Timeouts   Timeouts      // defaults
}

// Timeouts bound one operation each; zero is DefaultTimeout.
type Timeouts struct{ Create, Update, Delete time.Duration }

// DefaultTimeout bounds an operation of a type that says nothing of it: nobody
// waits for ever for a provider that hangs.
const DefaultTimeout = time.Hour

// NoTimeout is the bound of an operation that lasts as long as it has to, such
// as one that waits for a job to begin.
const NoTimeout time.Duration = -time.Millisecond

// DataType describes one type of data source.
type DataType struct{ Block schema.Block }

// Flavour describes a way to run a composition.
type Flavour struct {
	Block schema.Block // the body of a flavour block, without nxc's own arguments (type, default, provider, update)
	// Sources are the flavour's Nix files, name to text. default.nix is the
	// entry: { modules; artifacts; extra; }, see "Writing a flavour" on the website. With
	// shape ("docker" or "all-in-one") it deploys a flake's own outputs as well.
	Sources map[string]string
	// Switches: its nodes can take on another system while they run.
	Switches bool
	// Nodes: its Nix half is told which nodes there are, and what the flavour
	// block says (`arguments`), because what it makes depends on them, as a test
	// of all of them does.
	Nodes bool
}

// Hand is something a node can do.
type Hand string

const (
	HandExec    Hand = "exec"
	HandCopy    Hand = "copy"
	HandPower   Hand = "power"
	HandConsole Hand = "console"
	HandLink    Hand = "link"
	HandMonitor Hand = "monitor"
	HandContext Hand = "context"
)

// Location says which real thing a configuration points at. Two locations are
// the same when kind and id agree.
type Location struct {
	Kind  string // such as "docker-engine"
	ID    string // unique among its kind, stable over restarts and renames
	Label string // for people, such as "engine lab-3"
}

// Same reports whether l and o are one place.
func (l Location) Same(o Location) bool { return l.Kind == o.Kind && l.ID == o.ID }

// ConfigureRequest configures a provider.
type ConfigureRequest struct {
	Config  cty.Value // known as a whole
	Folders Folders
}

// Folders are places on the user's machine that a provider may use. They
// exist, belong to the user, and are closed to others (0700).
type Folders struct {
	Project string // the folder of the configuration
	State   string // lives as long as the state: keys, disks, logs
	Runtime string // sockets; its path is short
	Cache   string // may vanish at any time
	Keys    string // the deployments' own keys, UUID/id_ed25519 below it; to be read only

	// StoreRoot is the folder below which /nix/store lies on this machine; "" is
	// the root of the file system. Paths of the store are /nix/store/… everywhere
	// else, and in nodes.
	StoreRoot string
}

// ValidateRequest is one configuration to check: of a resource, a data source
// or a flavour, as Kind says.
type ValidateRequest struct {
	Kind   Kind
	Type   string
	Config cty.Value
}

// Kind tells what a type name names.
type Kind string

const (
	KindResource Kind = "resource"
	KindData     Kind = "data"
	KindFlavour  Kind = "flavour"
)

// ExpandRequest is a deployment to be turned into resources.
type ExpandRequest struct {
	Composition string
	Label       string // of the flavour block
	Flavour     string // its type
	Config      cty.Value
	Roles       []Role            // sorted by name
	Artifacts   map[string]string // paths of what the flavour's Nix half builds
	Extra       json.RawMessage   // what its `extra` function returned
	Prior       []PriorObject     // of this deployment, sorted by type and key
}

// Role is one role of a composition and its nodes.
type Role struct {
	Name    string
	System  string   // store path of the role's system
	Nodes   []string // names, in order; more may come when Rest
	Rest    bool     // takes the nodes that remain
	Min     int      // with Rest: at least so many
	Options json.RawMessage
	// Switch: the user wants nodes of this role to take on another system while
	// they run. Only a flavour that Switches is asked to.
	Switch bool
}

// ResourceKey names a resource within a deployment.
type ResourceKey struct{ Type, Key string }

// PriorObject is an object that the deployment has now.
type PriorObject struct {
	ResourceKey
	Object cty.Value
}

// Expansion is the result of Expand.
type Expansion struct {
	Resources []ExpandedResource
	Nodes     []ExpandedNode
	Files     []ExpandedFile
}

// ExpandedFile is a file for the user: the deployment in the form of another
// tool. It holds nothing secret.
type ExpandedFile struct {
	Path    string // relative, with slashes
	Content []byte
}

// ExpandedResource is one resource of a deployment.
type ExpandedResource struct {
	ResourceKey
	Values     cty.Value   // of the type's schema; computed attributes null or unknown
	References []Reference // attributes that come from other resources of the deployment
	DependsOn  []ResourceKey
}

// Reference fills one attribute from another resource's attribute, during the
// apply when that is not known earlier.
type Reference struct {
	Path      cty.Path // in Values, where it is unknown
	From      ResourceKey
	Attribute string // of From
}

// ExpandedNode is one node of a deployment.
type ExpandedNode struct {
	Name     string
	Role     string
	Index    int // within its role, from 0
	System   string
	Resource ResourceKey
	Address  string // attribute of Resource that holds its network address
}

// ReadRequest asks for an object.
type ReadRequest struct {
	Type      string
	Operation Operation
	Object    cty.Value
}

// ReadResult is an object as it is now; null when it is gone.
type ReadResult struct {
	Object cty.Value
	// Gone says in a few words what became of it, when that is known
	// ("walltime reached"); only with a null Object.
	Gone        string
	Diagnostics Diagnostics
}

// PlanRequest is a proposal of the core's.
type PlanRequest struct {
	Type      string
	Operation Operation // without attempt
	Prior     cty.Value // null: create
	Proposed  cty.Value // the configuration, with defaults and prior computed values; unknown where decided by the provider
	Config    cty.Value // as written, null where left out
}

// PlanResult is the refined proposal.
type PlanResult struct {
	Planned     cty.Value
	Replace     []Replace
	Diagnostics Diagnostics
}

// Replace is an attribute whose change needs another object, and why. For an
// object that is to be made it is a remark in a few words, without a path.
type Replace struct {
	Path   cty.Path
	Reason string // a few words, or ""
}

// ReadDataRequest asks for a data source.
type ReadDataRequest struct {
	Type    string
	Config  cty.Value
	Address string // for what the host says of the call; it does not travel
}

// ImportRequest asks for an object by the provider's own name for it.
type ImportRequest struct {
	Type      string
	ID        string
	Operation Operation
}

// UpgradeRequest is an object as an older schema version wrote it.
type UpgradeRequest struct {
	Type    string
	Version int64
	Object  json.RawMessage
}

// UpgradeResult is the object in today's schema.
type UpgradeResult struct {
	Object      cty.Value
	Diagnostics Diagnostics
}

// Operation says on whose behalf a call is made.
type Operation struct {
	Address    string // of the resource
	Deployment string // its deployment's name, "" at the top level
	UUID       string // its deployment's uuid; the top level has one of its own
	// Attempt marks one try to create one object. An object carries the
	// attempt that made it from its first moment.
	Attempt string
	Timeout time.Duration // 0: the type's own; below: none
}

// Action is what Apply is to do.
type Action string

const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// ApplyRequest is one operation.
type ApplyRequest struct {
	Type      string
	Operation Operation
	Action    Action
	Prior     cty.Value // null for create
	Planned   cty.Value // null for delete; unknown only where the provider decides
	Context   *Context  // for the creation of a node
}

// ApplyResult is what exists after an operation.
type ApplyResult struct {
	Object      cty.Value // null: nothing
	Diagnostics Diagnostics
	// Lost says that the provider ended before it told the result: what exists
	// now is not known, Object is what was there before, and Find has to tell.
	Lost bool
}

// Progress is a sign of life of a running operation.
type Progress struct {
	Phase          string // what is being done, in a few words: "waiting for ssh"
	Done, Expected int64  // 0, 0: not known
	Unit           string // "bytes", or a plural noun
	Log            string // a line worth keeping; not a phase
	Note           string // a line that everybody should see; not a phase
	// Idle says that the phase is a wait that loses nothing by being left: the
	// operation is cancelled as soon as the user interrupts.
	Idle bool
}

// FindRequest asks what exists outside.
type FindRequest struct {
	UUID  string // of the deployment
	Types []string
}

// Found is one object outside that carries the deployment's uuid.
type Found struct {
	Type     string
	Address  string
	Attempt  string
	Complete bool // its creation was finished
	Object   cty.Value
}

// Node names a node to its provider.
type Node struct {
	Type      string
	Operation Operation
	Object    cty.Value
}

// Context is what a node is told about its deployment: files below its root.
// Public parts may stand anywhere; private ones (the host key, the boot token)
// reach the node only by its own provider and are stored nowhere else.
type Context struct {
	Files  []ContextFile // sorted by path
	Digest string        // of the public part
}

// ContextFile is one file of a context.
type ContextFile struct {
	Path    string // absolute, on the node
	Mode    uint32
	Private bool
	Content []byte
}

// Process is a program to run on a node.
type Process struct {
	Command []string
	Env     []string // NAME=value
	Dir     string
	Stdin   io.Reader // nil: empty
	Stdout  io.Writer
	Stderr  io.Writer // joined into Stdout with a terminal
	TTY     *WindowSize
	Resize  <-chan WindowSize
	Signals <-chan string // such as "INT"
}

// WindowSize is a terminal's size in characters.
type WindowSize struct{ Columns, Rows uint16 }

// Copy moves files as a tar stream. Exactly one of In and Out is set.
type Copy struct {
	Path string    // on the node; In is unpacked below it, Out is a file or folder
	In   io.Reader // tar, to the node
	Out  io.Writer // tar, from the node
}

// PowerAction is what becomes of a node.
type PowerAction string

const (
	PowerStart   PowerAction = "start"
	PowerStop    PowerAction = "stop"
	PowerCrash   PowerAction = "crash" // at once, without a word to the system
	PowerReset   PowerAction = "reset"
	PowerPause   PowerAction = "pause"
	PowerUnpause PowerAction = "unpause"
)

// Console streams a node's console.
type Console struct {
	Follow bool
	Tail   int // lines of history; -1: all
	Output io.Writer
	Input  io.Reader // nil: only watch
}

// Link is the quality of a node's network; the zero value is a perfect one.
type Link struct {
	Block bool
	Delay time.Duration
	Loss  float64 // 0 to 1
	Rate  int64   // bits per second, 0: as it is
}
