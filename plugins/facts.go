package plugins

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Facts are what every node of a deployment may be told, by anyone: the public
// part of its context. The core makes contexts from them; a flavour that lays
// the deployment out for another tool makes the same files for it.
type Facts struct {
	Composition, Flavour string
	Nodes                []NodeFact // sorted by name
	PublicKey            string     // the deployment's own, when it has one
}

// NodeFact is what is said of one node.
type NodeFact struct {
	Name, Role string
	Address    string // "" while it is not known
}

// deploymentFile is /etc/nxc/deployment.json. Scripts in NixOSCompose's projects
// read "nodes", a list of names, and "deployment", from address to host and role.
type deploymentFile struct {
	Composition string              `json:"composition"`
	Flavour     string              `json:"flavour"`
	Roles       map[string][]string `json:"roles"`
	Nodes       []string            `json:"nodes"`
	Deployment  map[string]hostFact `json:"deployment"`
	PublicKey   string              `json:"ssh_key.pub,omitempty"`
}

type hostFact struct {
	Host string `json:"host"`
	Role string `json:"role"`
}

// Files returns the public files of a node's context, sorted by path. Those
// named deployment-hosts, hostname and ip_addr say nothing new: they are what
// scripts in NixOSCompose's projects read.
func (f *Facts) Files(node string) ([]ContextFile, error) {
	i := slices.IndexFunc(f.Nodes, func(n NodeFact) bool { return n.Name == node })
	if i < 0 {
		return nil, fmt.Errorf("no node %q in %s::%s", node, f.Composition, f.Flavour)
	}
	description, err := f.Description()
	if err != nil {
		return nil, err
	}
	files := []ContextFile{
		{Path: "/etc/nxc/deployment-hosts", Mode: 0o644, Content: bytes.ReplaceAll(f.Hosts(), []byte("\t"), []byte(" "))},
		{Path: "/etc/nxc/deployment.json", Mode: 0o644, Content: description},
		{Path: "/etc/nxc/hostname", Mode: 0o644, Content: []byte(node + "\n")},
		{Path: "/etc/nxc/hosts", Mode: 0o644, Content: f.Hosts()},
		{Path: "/etc/nxc/node", Mode: 0o644, Content: []byte(node + "\n")},
		{Path: "/etc/nxc/role", Mode: 0o644, Content: []byte(f.Nodes[i].Role + "\n")},
	}
	if address := f.Nodes[i].Address; address != "" {
		files = append(files, ContextFile{Path: "/etc/nxc/ip_addr", Mode: 0o644, Content: []byte(address + "\n")})
	}
	if f.PublicKey != "" {
		files = append(files, ContextFile{Path: "/etc/nxc/authorized_keys", Mode: 0o644, Content: []byte(f.PublicKey + "\n")})
	}
	slices.SortFunc(files, func(a, b ContextFile) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// Description is the content of /etc/nxc/deployment.json.
func (f *Facts) Description() ([]byte, error) {
	file := deploymentFile{
		Composition: f.Composition, Flavour: f.Flavour, PublicKey: f.PublicKey,
		Roles: map[string][]string{}, Nodes: []string{}, Deployment: map[string]hostFact{},
	}
	for _, n := range f.Nodes {
		file.Roles[n.Role] = append(file.Roles[n.Role], n.Name)
		file.Nodes = append(file.Nodes, n.Name)
		if n.Address != "" {
			file.Deployment[n.Address] = hostFact{Host: n.Name, Role: n.Role}
		}
	}
	content, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write deployment.json: %w", err)
	}
	return append(content, '\n'), nil
}

// Hosts is the content of /etc/nxc/hosts: the nodes whose address is known.
func (f *Facts) Hosts() []byte {
	var hosts bytes.Buffer
	for _, n := range f.Nodes {
		if n.Address != "" {
			fmt.Fprintf(&hosts, "%s\t%s\n", n.Address, n.Name)
		}
	}
	return hosts.Bytes()
}
