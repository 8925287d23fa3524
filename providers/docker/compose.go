package docker

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// artifactImage is the flavour's artifact: a folder with the recipe of the
// empty image, in the store, where Compose finds it from any folder.
const artifactImage = "image"

// composition is a deployment as a Compose file describes it.
type composition struct {
	name, label string // of the deployment
	subnet      netip.Prefix
	image       string // of the flavour block; "": an empty one, built from recipe
	recipe      string // store path of a folder with a Dockerfile
	cgroup      cgroups
	hostCgroups bool // the engine must be told to share its host's control groups
	containers  []composed
	lan         Network
	further     []Network        // of the deployment
	existing    []FurtherNetwork // that the engine has already
}

// composed is a container with what the Container itself does not say: the
// keys of its volumes and networks, which have other names in Compose, and its role.
type composed struct {
	Container
	role     string
	volumes  []string
	networks []string // names of its connections
}

// compose writes the Compose file: one that stock Compose, v2 and 1.29 alike,
// turns into the same nodes at the same addresses, from whichever folder it
// stands in. It holds public facts only.
func (c *composition) compose() ([]byte, error) {
	facts := plugins.Facts{Composition: c.name, Flavour: c.label}
	for i := range c.containers {
		n := &c.containers[i]
		facts.Nodes = append(facts.Nodes, plugins.NodeFact{Name: n.Name, Role: n.role, Address: n.IP})
	}
	slices.SortFunc(facts.Nodes, func(a, b plugins.NodeFact) int { return strings.Compare(a.Name, b.Name) })
	description, err := facts.Description()
	if err != nil {
		return nil, err
	}
	w := &yamlWriter{}
	w.comment(fmt.Sprintf(composeHead, c.name+"::"+c.label, c.subnet.Masked()))
	w.text(0, "x-nxc-deployment: &deployment", string(description))
	w.text(0, "x-nxc-hosts: &hosts", string(facts.Hosts()))
	w.line(0, "services:")
	volumes := map[string]bool{}
	for i := range c.containers {
		if err := c.service(w, &c.containers[i]); err != nil {
			return nil, err
		}
		for _, name := range c.containers[i].volumes {
			volumes[name] = true
		}
	}
	c.networks(w)
	if len(volumes) > 0 {
		w.line(0, "volumes:")
		for _, name := range keysOf(volumes) {
			w.line(1, quoted(name)+": {}")
		}
	}
	return w.b.Bytes(), nil
}

// composeHead explains the file to who opens it.
const composeHead = `Deployment %s, as nxc lays it out.

Stock Compose brings up the same nodes from this file alone, in any folder of
a machine that has the store paths below: docker-compose up -d

The addresses are the deployment's own. While nxc runs it, "up" is therefore
refused by the engine (the pool %s overlaps), and touches nothing;
"ps", "logs" and "exec" work on the nodes that nxc runs when the project's
name is the deployment's, as it is in the folder below .nxc/files.`

// service writes one node.
func (c *composition) service(w *yamlWriter, n *composed) error {
	w.line(1, quoted(n.Name)+":")
	if c.image != "" {
		w.pair(2, "image", c.image)
	} else {
		// A name of its own for each: Compose builds them all at once, and
		// containerd's store refuses the second of one name.
		w.pair(2, "image", "nxc-empty:"+path.Base(c.recipe)[:min(12, len(path.Base(c.recipe)))]+"-"+n.Name)
		w.pair(2, "build", c.recipe)
	}
	w.pair(2, "hostname", n.Name)
	w.list(2, "command", []string{n.System + "/init"}) // Compose puts no profile in place
	w.line(2, "environment:")
	env := map[string]string{"PATH": pathOf(n.System)}
	maps.Copy(env, n.Env)
	for _, name := range keysOf(env) {
		w.pair(3, name, env[name])
	}
	if n.Env["container"] == "" {
		w.pair(3, "container", "docker")
	}
	w.pair(3, "NXC_NODE", n.Name)
	w.pair(3, "NXC_ROLE", n.role)
	w.line(3, "NXC_HOSTS: *hosts")
	w.line(3, "NXC_DEPLOYMENT: *deployment")
	c.joined(w, n)
	w.list(2, "ports", portsOf(n.Ports))
	parent := c.parent(n)
	w.pair(2, "cgroup_parent", parent)
	if c.hostCgroups {
		w.pair(2, "cgroup", "host")
	}
	w.list(2, "volumes", append(c.mounts(n), c.cgroup.binds(parent)...))
	w.list(2, "tmpfs", tmpfsOf(n.Container))
	w.line(2, "tty: true")
	w.pair(2, "stop_signal", stopSignalOf(n.Container))
	w.pair(2, "stop_grace_period", fmt.Sprintf("%ds", stopTimeout))
	return n.limits(w)
}

// limits writes what the node may use and do.
func (n *composed) limits(w *yamlWriter) error {
	if n.Restart != "" && n.Restart != "no" {
		w.pair(2, "restart", n.Restart)
	}
	memory, err := memoryBytes(n.Memory)
	if err != nil {
		return err
	}
	if memory > 0 {
		w.line(2, fmt.Sprintf("mem_limit: %d", memory))
	}
	if n.CPUs > 0 {
		w.line(2, fmt.Sprintf("cpus: %g", n.CPUs))
	}
	if n.Privileged {
		w.line(2, "privileged: true")
	}
	w.list(2, "cap_add", n.Capabilities)
	return n.hardware(w)
}

// parent is the control group of a node that Compose runs. Networks of one
// engine do not overlap, so the subnet tells environments apart.
func (c *composition) parent(n *composed) string {
	name := "nxc-" + c.subnet.Addr().String() + "-" + n.Name
	if c.cgroup.slices { // where a dash means a slice within a slice
		return strings.ReplaceAll(name, "-", "_") + ".slice"
	}
	return "/" + name
}

// mounts are the node's files of the host, and its volumes by Compose's names.
func (c *composition) mounts(n *composed) []string {
	all := n.Container
	all.Volumes = slices.Clone(n.Volumes)
	for i, name := range n.volumes {
		all.Volumes[i].Volume = name
	}
	return bindsOf(all)
}

// portsOf writes ports as Compose and the docker command do.
func portsOf(ports []Port) []string {
	var list []string
	for _, p := range ports {
		text := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		address := p.Address
		if strings.Contains(address, ":") {
			address = "[" + address + "]"
		}
		switch {
		case p.Host != 0:
			text = fmt.Sprintf("%s:%d:%s", address, p.Host, text)
		case p.Address != "0.0.0.0":
			text = fmt.Sprintf("%s::%s", address, text)
		}
		list = append(list, text)
	}
	return list
}

// tmpfsOf are a container's file systems in memory, as the docker command
// writes them.
func tmpfsOf(want Container) []string {
	mounts := memoryMounts(want)
	var list []string
	for _, target := range keysOf(mounts) {
		if mounts[target] != "" {
			target += ":" + mounts[target]
		}
		list = append(list, target)
	}
	return list
}

// file adds the Compose file to an expansion. Without the recipe of its image,
// which an older Nix half lacks, there is none.
func (c *composition) file(out *sdk.Expansion) error {
	if c.image == "" && c.recipe == "" {
		return nil
	}
	content, err := c.compose()
	if err != nil {
		return fmt.Errorf("write the Compose file: %w", err)
	}
	out.File("compose.yaml", content)
	return nil
}
