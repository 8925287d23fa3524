package layers_test

import (
	"strings"
	"testing"
)

// layer is a tree of packages and the trees of this module that it may import.
// The first layer whose path is a package's own, or a folder above it, is the
// package's: a finer path stands before a coarser one.
type layer struct {
	path   string
	may    []string // besides itself and internal
	reason string   // why not more
}

// Section 3 of the architecture, bottom up.
var layers = []layer{
	{
		path:   "internal",
		reason: "ideas without a home of their own know nothing of nxc",
	},
	{
		path:   "plugins/schema",
		reason: "core and authors share it, so it describes values and nothing else",
	},
	{
		path:   "plugins/proto",
		reason: "the contract stands alone: a plugin in another language has only this",
	},
	{
		path:   "plugins/wire",
		may:    []string{"plugins", "plugins/proto", "plugins/schema"},
		reason: "it only turns calls into messages, for both sides",
	},
	{
		path:   "plugins/sdk",
		may:    []string{"plugins"},
		reason: "the public SDK must not drag the core into a third party's plugin",
	},
	{
		path:   "plugins/host",
		may:    []string{"plugins"},
		reason: "it starts and talks to plugins; what they are told is its callers' matter",
	},
	{
		path:   "plugins",
		may:    []string{"plugins/schema", "plugins/proto"},
		reason: "core and SDK both stand on it",
	},
	{
		path:   "state",
		may:    []string{"plugins/schema"},
		reason: "it keeps what it is given; what that means is decided above",
	},
	{
		path:   "nix",
		reason: "it evaluates and realises, and knows nothing of configuration, providers or state",
	},
	{
		path:   "config",
		may:    []string{"plugins/schema", "plugins", "state", "nix"},
		reason: "config and plan do not know each other: plan declares what it asks for",
	},
	{
		path:   "plan/apply",
		may:    []string{"plan", "plugins/schema", "plugins", "state", "nix"},
		reason: "the walk speaks to providers through plugins.Provider only",
	},
	{
		path:   "plan",
		may:    []string{"plugins/schema", "plugins", "state"},
		reason: "deciding is pure: no configuration language, no Nix, no plugin process",
	},
	{
		path:   "providers",
		may:    []string{"plugins"},
		reason: "a provider in the tree uses nothing that a third party could not",
	},
	{
		path:   "driver",
		may:    []string{"plugins"},
		reason: "it drives the nodes that it is given, and knows no deployment",
	},
	{
		path:   "deploy",
		may:    []string{"config", "nix", "plan", "plugins", "state"},
		reason: "the conductor knows neither the command line nor which providers exist",
	},
	{
		path:   "command",
		may:    []string{"config", "deploy", "driver", "examples", "nix", "nixoscompose", "plan", "plugins", "providers", "state"},
		reason: "the top; only it names providers",
	},
	{
		path:   "nixoscompose",
		reason: "it turns one project's files into another's; what they mean is found out by who reads them",
	},
	{
		path:   "examples/provider-netns",
		may:    []string{"plugins"},
		reason: "it shows what a third party's provider is written against",
	},
	{
		path:   "examples",
		reason: "examples are files that init writes and tests run",
	},
	{
		path:   "", // main
		may:    []string{"command"},
		reason: "main.go is ten lines",
	},
}

// special narrows rules that a tree's table entry is too coarse for.
var special = []struct {
	from, to string
	reason   string
}{
	{"plugins/wire", "plugins/sdk", "it serves both sides and knows neither"},
	{"plugins/wire", "plugins/host", "it serves both sides and knows neither"},
	{"plugins/sdk", "plugins/host", "an author's plugin has no use for nxc's side of the connection"},
	{"examples/provider-netns", "plugins/host", "a provider is served, it starts no providers"},
	{"examples/provider-netns", "internal", "a third party cannot import internal packages"},
	{"providers", "plugins/host", "a provider is served, it starts no providers"},
	{"providers", "internal", "a third party cannot import internal packages"},
	{"plan", "plugins/host", "providers stand behind plugins.Provider"},
	{"plan", "plugins/sdk", "the core does not use the authors' side"},
	{"config", "plugins/host", "configuration is decoded by schema, without a running provider"},
	{"config", "plugins/sdk", "the core does not use the authors' side"},
	{"state", "plugins/host", "a state is read and written without providers"},
}

// exempt are the edges that are meant although a rule above says otherwise.
var exempt = map[string]string{
	"plugins/sdk/sdktest plugins/host": "the conformance suite is a host: it speaks the real protocol",
}

// foreign names modules that only some trees may import.
var foreign = []struct {
	module string
	may    []string
	reason string
}{
	{"github.com/mitchellh/cli", []string{"command"}, "the command line's library stays at the top"},
	{"github.com/hashicorp/go-plugin", []string{"plugins/host", "plugins/sdk", "plugins/wire"}, "the rest of nxc sees a Go interface"},
	{"google.golang.org/grpc", []string{"plugins/host", "plugins/sdk", "plugins/proto", "plugins/wire"}, "the rest of nxc sees a Go interface"},
	{"github.com/moby/moby/client", []string{"providers/docker"}, "only the docker provider speaks to an engine"},
	{"github.com/containers/gvisor-tap-vsock", []string{"providers/qemu", "providers/g5k/simulator"}, "only who runs machines has a network of its own"},
	{"github.com/compose-spec/compose-go", []string{"providers/docker"}, "only the docker provider speaks Compose"},
}

// clients are the libraries that each provider in the tree may use, besides
// the standard library, plugins and cty.
var clients = map[string][]string{
	"docker": {
		"github.com/compose-spec/compose-go",
		"github.com/containerd/errdefs",
		"github.com/distribution/reference",
		"github.com/docker/go-connections",
		"github.com/docker/go-units",
		"github.com/moby/moby/api",
		"github.com/moby/moby/client",
		"github.com/opencontainers",
		"golang.org/x/sys",
	},
	"g5k": {
		"github.com/containers/gvisor-tap-vsock", // the network of the simulator's machines
		"github.com/go-git/go-billy/v5",          // how go-nfs sees files
		"github.com/pkg/sftp",
		"github.com/sirupsen/logrus",               // how gvisor-tap-vsock logs
		"github.com/santhosh-tekuri/jsonschema/v6", // what the simulator's answers are checked with
		"github.com/willscott/go-nfs",              // the simulator's homes
		"github.com/zclconf/go-cty-yaml",
		"go.yaml.in/yaml/v3", // descriptions of environments, with their unknown fields refused
		"golang.org/x/crypto/ssh",
		"golang.org/x/sys",
		"mvdan.cc/sh/v3", // the shell of the simulator's machines
	},
	"nixostest": {
		"golang.org/x/crypto",
		"golang.org/x/sys",
	},
	"null": nil,
	"qemu": {
		"github.com/containers/gvisor-tap-vsock",
		"github.com/digitalocean/go-qemu",
		"github.com/pkg/sftp",
		"github.com/sirupsen/logrus", // how gvisor-tap-vsock logs
		"github.com/u-root/u-root",
		"golang.org/x/crypto/ssh",
		"golang.org/x/sys",
		"gvisor.dev/gvisor",
	},
}

// everyProvider is what each of them may use.
var everyProvider = []string{
	"github.com/google/uuid",
	"github.com/zclconf/go-cty",
	"golang.org/x/sync",
	"golang.org/x/sys",
}

func TestImportsRunDownward(t *testing.T) {
	for _, p := range list(t) {
		l := layerOf(p.Path)
		for _, to := range p.own {
			if why := forbidden(l, p.Path, to); why != "" {
				t.Errorf("%s imports %s: %s", p.name(), to, why)
			}
		}
		for _, to := range p.foreign {
			if why := forbiddenModule(p.Path, to); why != "" {
				t.Errorf("%s imports %s: %s", p.name(), to, why)
			}
		}
	}
}

// TestLayersCover keeps the table whole: a new top-level folder gets a line.
func TestLayersCover(t *testing.T) {
	for _, p := range list(t) {
		if p.Path != "" && layerOf(p.Path).path == "" {
			t.Errorf("%s is in no layer: add it to the table, with a reason", p.name())
		}
	}
}

func layerOf(path string) layer {
	for _, l := range layers {
		if within(path, l.path) {
			return l
		}
	}
	return layers[len(layers)-1]
}

// within reports whether path is tree or lies below it; the empty tree holds
// only the module's root.
func within(path, tree string) bool {
	return path == tree || tree != "" && strings.HasPrefix(path, tree+"/")
}

// forbidden returns why a package of layer l, at from, must not import to.
func forbidden(l layer, from, to string) string {
	if _, ok := exempt[from+" "+to]; ok {
		return ""
	}
	for _, s := range special {
		if within(from, s.from) && within(to, s.to) {
			return s.reason
		}
	}
	if within(to, "internal") || l.path != "" && within(to, l.path) && layerOf(to).path == l.path {
		return ""
	}
	for _, tree := range l.may {
		if within(to, tree) {
			return ""
		}
	}
	return l.reason
}

// forbiddenModule returns why the package at from must not import the package
// to of another module.
func forbiddenModule(from, to string) string {
	for _, f := range foreign {
		if within(to, f.module) && !anyWithin(from, f.may) {
			return f.reason
		}
	}
	provider, ok := strings.CutPrefix(from, "providers/")
	if !ok {
		return ""
	}
	provider, _, _ = strings.Cut(provider, "/")
	if anyWithin(to, everyProvider) || anyWithin(to, clients[provider]) {
		return ""
	}
	return "a provider imports plugins and its own client libraries only"
}

func anyWithin(path string, trees []string) bool {
	for _, tree := range trees {
		if within(path, tree) {
			return true
		}
	}
	return false
}

func TestForbidden(t *testing.T) {
	tests := map[string]struct {
		from, to string
		ok       bool
	}{
		"down":                     {"deploy", "plan/apply", true},
		"up":                       {"state", "plan", false},
		"config and plan":          {"config", "plan", false},
		"plan and config":          {"plan", "config", false},
		"own subpackage":           {"nix", "nix/standin", true},
		"internal from anywhere":   {"state", "internal/atomicfile", true},
		"internal from a provider": {"providers/docker", "internal/addr", false},
		"sdk from a provider":      {"providers/docker", "plugins/sdk", true},
		"host from a provider":     {"providers/docker", "plugins/host", false},
		"providers from deploy":    {"deploy", "providers", false},
		"providers from command":   {"command", "providers", true},
		"host from the suite":      {"plugins/sdk/sdktest", "plugins/host", true},
		"host from the sdk":        {"plugins/sdk", "plugins/host", false},
		"plan from its walk":       {"plan/apply", "plan", true},
		"walk from plan":           {"plan", "plan/apply", false},
		"anything from main":       {"", "deploy", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			why := forbidden(layerOf(tt.from), tt.from, tt.to)
			if (why == "") != tt.ok {
				t.Errorf("%q imports %q: got %q, want allowed: %v", tt.from, tt.to, why, tt.ok)
			}
		})
	}
}
