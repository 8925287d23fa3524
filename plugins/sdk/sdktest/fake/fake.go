// Package fake is a provider for tests: its objects are files below a folder,
// its nodes are folders in which programs of the host run, and it fails,
// hangs or crashes where its resources say so.
//
// It keeps every promise of the protocol, so that the core's behaviour can be
// tested on a whole deployment without an engine, and looked at with ls.
package fake

import (
	"context"
	"embed"
	"fmt"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

//go:embed nix/*.nix
var nixFiles embed.FS

// Config is the provider block.
type Config struct {
	Root string `nxc:"root" doc:"Folder that holds all objects; by default .nxc/fake in the project. It is the provider's location."`
	Fail string `nxc:"fail" doc:"Fault of Configure itself: \"error\", \"hang\" or \"crash\"."`
}

// Provider returns the provider, for sdk.Serve.
func Provider() sdk.Provider { return Mortal(crash) }

// Mortal returns the provider with another way to crash, for tests that have
// no process to lose. die must not return.
func Mortal(die func()) sdk.Provider {
	s := &store{die: die}
	return sdk.Provider{
		Name:    "fake",
		Version: "0.1.0",
		Configure: sdk.Configure(func(ctx context.Context, c Config, f plugins.Folders) (plugins.Location, error) {
			if err := s.misbehave(ctx, c.Fail); err != nil {
				return plugins.Location{}, err
			}
			return s.configure(c, f)
		}),
		Resources: []sdk.Resource{
			sdk.Managed[Thing]("fake_thing", things{s}, sdk.Options{Doc: "A file."}),
			sdk.Managed[Node]("fake_node", nodes{s}, sdk.Options{Doc: "A folder that plays a node."}),
		},
		Data: []sdk.Data{sdk.DataSource("fake_thing", s.readThing)},
		Flavours: []sdk.Flavour{
			sdk.NewFlavour("fake", sdk.Sources(nixFiles, "nix"), expand),
		},
	}
}

func (s *store) configure(c Config, f plugins.Folders) (plugins.Location, error) {
	root := c.Root
	if root == "" {
		root = filepath.Join(f.Project, ".nxc", "fake")
	}
	if !filepath.IsAbs(root) {
		root = filepath.Join(f.Project, root)
	}
	s.root = root
	return plugins.Location{Kind: "fake-folder", ID: root, Label: "folder " + root}, nil
}

// FlavourConfig is the body of a flavour block.
type FlavourConfig struct {
	Fail  map[string]string `nxc:"fail" doc:"Node to its fault, as fake_node has it."`
	Delay string            `nxc:"delay" doc:"How long the creation of a node takes, such as 200ms."`
}

// expand makes a network and a node for each node of the composition. The
// nodes' addresses are known at once, as Docker's are.
func expand(_ context.Context, r sdk.ExpandRequest[FlavourConfig], out *sdk.Expansion) error {
	sdk.Add(out, "fake_thing", "lan", Thing{Name: r.Composition + "-" + r.Label + "-lan", Content: "10.99.0.0/16"})
	prior, err := sdk.Prior[Node](r.ExpandRequest, "fake_node")
	if err != nil {
		return err
	}
	addresses := addresses(prior)
	for _, role := range r.Roles {
		for i, name := range role.Nodes {
			sdk.Add(out, "fake_node", name, Node{
				Name: r.Composition + "-" + r.Label + "-" + name, HostName: name, System: role.System,
				Address: addresses(name), Fail: r.Flavour.Fail[name], Delay: r.Flavour.Delay,
			}).Ref("network", "fake_thing", "lan", "id")
			out.Node(plugins.ExpandedNode{
				Name: name, Role: role.Name, Index: i, System: role.System,
				Resource: plugins.ResourceKey{Type: "fake_node", Key: name}, Address: "address",
			})
		}
	}
	return nil
}

// addresses returns a function that gives a node the address that it has, or
// the first that is free.
func addresses(prior map[string]Node) func(node string) string {
	taken := map[string]bool{}
	for _, n := range prior {
		taken[n.Address] = true
	}
	next := 2
	return func(node string) string {
		if n, ok := prior[node]; ok && n.Address != "" {
			return n.Address
		}
		for {
			address := fmt.Sprintf("10.99.%d.%d", next/250, next%250)
			next++
			if !taken[address] {
				return address
			}
		}
	}
}
