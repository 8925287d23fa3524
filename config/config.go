// Package config is nxc's language. It reads a folder's *.nxc.hcl and
// *.nxc.json files into typed blocks with their source ranges, finds which
// block refers to which, and evaluates expressions when the values they need
// are there.
//
// Load checks everything that needs neither a provider nor a value. The rest
// happens when the conductor asks: Inputs gives the variables their values,
// Select chooses deployments, Levels orders the blocks, and an Evaluator
// decodes one body at a time by the schema that the caller hands in.
//
// The package does not know what a provider does with a value, what exists
// already, or what must change; it starts no process. It reads files only to
// load the configuration and where an expression says so.
package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Config is the configuration of one folder.
type Config struct {
	Dir             string // as it was given to Load
	RequiredVersion *VersionConstraint
	Build           []BuildSetting       // what Nix is told beside the user's own settings
	Providers       map[string]*Provider // by configuration: "docker", "docker.lab2"
	Variables       map[string]*Variable
	Locals          map[string]*Local
	Outputs         map[string]*Output
	Checks          []*Check    // in the order of the source
	Resources       []*Resource // managed and data, sorted by address
	Compositions    map[string]*Composition
	Moved           []Moved // these three in the order of the source
	Removed         []Removed
	Imports         []*Import

	// Version and Workspace are what nxc.version and nxc.workspace give.
	// Whoever evaluates sets them.
	Version   string
	Workspace string

	// Files holds the source of everything that a diagnostic may point at, by
	// the name that its ranges carry. Inputs adds to it.
	Files map[string]*hcl.File

	resources  map[addr.Instance]*Resource
	references map[entity][]reference
	graph      graph
	functions  map[string]function.Function
}

// Provider is a provider block: one configuration of one provider.
type Provider struct {
	Name      string // of the provider, such as "docker"
	Alias     string // "" for the default configuration
	Body      hcl.Body
	DeclRange hcl.Range
}

// Configuration returns the name by which resources choose the provider block,
// such as "docker" or "docker.lab2".
func (p *Provider) Configuration() string {
	if p.Alias == "" {
		return p.Name
	}
	return p.Name + "." + p.Alias
}

// Provider returns the named configuration. A default configuration that no
// block declares is an empty one; an alias that none declares is nil.
func (c *Config) Provider(configuration string) *Provider {
	if p, ok := c.Providers[configuration]; ok {
		return p
	}
	if strings.Contains(configuration, ".") {
		return nil
	}
	return &Provider{Name: configuration, Body: hcl.EmptyBody()}
}

// Local is one named expression of a locals block.
type Local struct {
	Name      string
	Expr      hcl.Expression
	DeclRange hcl.Range
}

// Output is a value that the configuration shows to its user.
type Output struct {
	Name          string
	Value         hcl.Expression
	Description   string
	Sensitive     bool
	DependsOn     []hcl.Traversal
	Preconditions []Condition
	DeclRange     hcl.Range

	// Composition is set when the output speaks of a composition's selected
	// deployment (composition.web.node["server"]). Such an output is kept
	// for each of that composition's deployments, any other one once.
	Composition string
}

// Resource is a resource or data block.
type Resource struct {
	Addr          addr.Instance  // without a key
	Provider      string         // configuration; the default is the type's prefix
	ProviderRange *hcl.Range     // where it is chosen, or nil
	Body          hcl.Body       // without the arguments below
	Count         hcl.Expression // nil without
	ForEach       hcl.Expression // nil without
	DependsOn     []hcl.Traversal
	Lifecycle     Lifecycle
	Timeouts      Timeouts
	DeclRange     hcl.Range
}

// Lifecycle says how a resource's changes are carried out.
type Lifecycle struct {
	CreateBeforeDestroy bool
	PreventDestroy      bool
	IgnoreChanges       []cty.Path
	IgnoreAll           bool // ignore_changes = all
	Preconditions       []Condition
	Postconditions      []Condition
}

// Condition is something that must hold, and what to say when it does not.
type Condition struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
	DeclRange    hcl.Range
}

// Resource returns the block that declares a, or nil.
func (c *Config) Resource(a addr.Instance) *Resource { return c.resources[a.Block()] }

// Composition is a composition block: what is deployed, in one or more flavours.
type Composition struct {
	Name          string
	Source        *hcl.Attribute // this or Flake is there, perhaps both; what is left out is nil
	Flake         *hcl.Attribute // the folder of a NixOSCompose project
	Outputs       *hcl.Attribute // whether its own outputs are used as they are
	Attribute     *hcl.Attribute // which composition of a source that holds several
	Nixpkgs       *hcl.Attribute
	NixpkgsConfig *hcl.Attribute // of the collection of packages, such as allowUnfree
	Roles         *hcl.Attribute
	Params        *hcl.Attribute
	Setup         *hcl.Attribute // a setup.toml of NixOSCompose
	Variant       *hcl.Attribute // of the setup
	Modules       *hcl.Attribute
	Overlays      *hcl.Attribute
	Update        *hcl.Attribute  // what a change of their systems does to nodes
	Packages      []*PackageBlock // in the order of the source
	Provider      string          // configuration for the flavours of that provider, or ""
	DependsOn     []hcl.Traversal
	Flavours      []*Flavour // in the order of the source
	DeclRange     hcl.Range
}

// Flavour is a flavour block: with its composition it makes a deployment.
type Flavour struct {
	Composition   string
	Label         string
	Type          string
	Default       bool
	Provider      string         // configuration; "": see AssignProviders
	ProviderRange *hcl.Range     // where it is chosen, or nil
	Update        *hcl.Attribute // instead of the composition's, or nil
	Body          hcl.Body       // without type, default, provider and update
	DeclRange     hcl.Range
}

// Deployment returns the deployment that the flavour makes.
func (f *Flavour) Deployment() addr.Deployment {
	return addr.Deployment{Composition: f.Composition, Flavour: f.Label}
}

// Flavour returns the flavour block with the given label, or nil.
func (c *Composition) Flavour(label string) *Flavour {
	for _, f := range c.Flavours {
		if f.Label == label {
			return f
		}
	}
	return nil
}

// Deployment returns the composition and flavour blocks of d, or nils.
func (c *Config) Deployment(d addr.Deployment) (*Composition, *Flavour) {
	composition, ok := c.Compositions[d.Composition]
	if !ok {
		return nil, nil
	}
	if f := composition.Flavour(d.Flavour); f != nil {
		return composition, f
	}
	return nil, nil
}

// AssignProviders gives each flavour that chooses no provider configuration
// one: its composition's when that configures the provider which owns the
// flavour's type, otherwise that provider's default. owner returns "" for a
// type that no provider offers. Call it before Levels: what a provider's
// configuration refers to comes before what uses it.
func (c *Config) AssignProviders(owner func(flavourType string) string) {
	for _, composition := range c.Compositions {
		for _, f := range composition.Flavours {
			if f.Provider != "" {
				continue
			}
			f.Provider = owner(f.Type)
			if providerName(composition.Provider) == f.Provider {
				f.Provider = composition.Provider
			}
		}
	}
	c.buildGraph()
}

// providerName returns the provider that a configuration configures.
func providerName(configuration string) string {
	name, _, _ := strings.Cut(configuration, ".")
	return name
}
