package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
)

// nodeFact is what every node of a deployment is told about one of them.
type nodeFact struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	Index   int    `json:"index"`
	Address string `json:"address,omitempty"`
}

// deploymentFile is /etc/nxc/deployment.json. Its "deployment" map, from
// address to host and role, is the one that NixOSCompose's scripts read.
type deploymentFile struct {
	Composition string              `json:"composition"`
	Flavour     string              `json:"flavour"`
	Roles       map[string][]string `json:"roles"`
	Nodes       map[string]nodeFact `json:"nodes"`
	Deployment  map[string]hostFact `json:"deployment"`
	PublicKey   string              `json:"ssh_key.pub,omitempty"`
}

type hostFact struct {
	Host string `json:"host"`
	Role string `json:"role"`
}

// contexts builds the context of every node of a deployment. It is called
// with what a plan knows, for creations, and again after the walk with what
// is known then.
type contexts struct {
	composition, flavour string
	nodes                []nodeFact // sorted by name
	keys                 *keyring   // nil: public parts only
}

// public returns the files that may stand anywhere, sorted by path.
func (c *contexts) public(node string) ([]plugins.ContextFile, error) {
	i := slices.IndexFunc(c.nodes, func(n nodeFact) bool { return n.Name == node })
	if i < 0 {
		return nil, fmt.Errorf("no node %q in %s::%s", node, c.composition, c.flavour)
	}
	file := deploymentFile{
		Composition: c.composition, Flavour: c.flavour,
		Roles: map[string][]string{}, Nodes: map[string]nodeFact{}, Deployment: map[string]hostFact{},
	}
	var hosts bytes.Buffer
	for _, n := range c.nodes {
		file.Roles[n.Role] = append(file.Roles[n.Role], n.Name)
		file.Nodes[n.Name] = n
		if n.Address != "" {
			file.Deployment[n.Address] = hostFact{Host: n.Name, Role: n.Role}
			fmt.Fprintf(&hosts, "%s\t%s\n", n.Address, n.Name)
		}
	}
	files := []plugins.ContextFile{
		{Path: "/etc/nxc/hosts", Mode: 0o644, Content: hosts.Bytes()},
		{Path: "/etc/nxc/node", Mode: 0o644, Content: []byte(node + "\n")},
		{Path: "/etc/nxc/role", Mode: 0o644, Content: []byte(c.nodes[i].Role + "\n")},
	}
	if c.keys != nil {
		file.PublicKey = c.keys.public
		files = append(files, plugins.ContextFile{Path: "/etc/nxc/authorized_keys", Mode: 0o644, Content: []byte(c.keys.public + "\n")})
	}
	content, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write deployment.json: %w", err)
	}
	files = append(files, plugins.ContextFile{Path: "/etc/nxc/deployment.json", Mode: 0o644, Content: append(content, '\n')})
	slices.SortFunc(files, func(a, b plugins.ContextFile) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// whole returns the context of a node that is about to be created, private
// parts included.
func (c *contexts) whole(node, attempt string) (*plugins.Context, error) {
	files, err := c.public(node)
	if err != nil {
		return nil, err
	}
	digest := digestOf(files)
	if c.keys != nil {
		private, err := c.keys.private(node, attempt)
		if err != nil {
			return nil, err
		}
		files = append(files, private...)
		slices.SortFunc(files, func(a, b plugins.ContextFile) int { return strings.Compare(a.Path, b.Path) })
	}
	return &plugins.Context{Files: files, Digest: digest}, nil
}

// digestOf identifies the public part of a context.
func digestOf(files []plugins.ContextFile) string {
	h := sha256.New()
	for _, f := range files {
		if f.Private {
			continue
		}
		fmt.Fprintf(h, "%s\x00%o\x00%d\x00", f.Path, f.Mode, len(f.Content))
		h.Write(f.Content)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
