package docker

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

//go:embed nix/*.nix
var nixFiles embed.FS

// FlavourConfig is the body of a flavour block. The keys of its maps are
// roles, or nodes where one differs from the others of its role.
type FlavourConfig struct {
	Ports        map[string][]string          `nxc:"ports,optional" doc:"Role or node to the ports that the host publishes: \"8080:80\", \"127.0.0.1:5353:53/udp\", \"80\" for a port that the engine chooses, \"8080-8089:80\" for one port a node."`
	Volumes      map[string][]string          `nxc:"volumes,optional" doc:"Role or node to what is mounted: \"/path/on/the/host:/path\", \"./beside/the/configuration:/path:ro\", \"name:/path\" for a volume of the deployment."`
	Subnet       string                       `nxc:"subnet,optional" doc:"The network's addresses in CIDR notation; by default the first that are free."`
	IPv6         bool                         `nxc:"ipv6,optional,default=false" doc:"Whether the network has IPv6 beside IPv4. Nodes have the same place in both."`
	Subnet6      string                       `nxc:"subnet6,optional" doc:"The network's addresses of IPv6; by default a /64 for local use that is drawn for the deployment."`
	Networks     []FurtherNetwork             `nxc:"network,block" doc:"Further networks, beside the one that all nodes have. Nodes join and leave them while they run."`
	Store        string                       `nxc:"store,optional,default=auto" doc:"How nodes get the Nix store: bind mounts this machine's; image makes their image hold what their systems need, for an engine elsewhere; auto mounts where the engine is seen to have this very store."`
	Image        string                       `nxc:"image,optional" doc:"Image below the nodes' systems, by default an empty one."`
	Privileged   []string                     `nxc:"privileged,optional" doc:"Roles or nodes with full power over the engine's host."`
	Capabilities map[string][]string          `nxc:"capabilities,optional" doc:"Role or node to capabilities beyond the engine's usual ones. Units with DynamicUser or BindPaths need SYS_ADMIN."`
	Devices      map[string][]string          `nxc:"devices,optional" doc:"Role or node to devices of the engine's host: \"/dev/fuse\", or \"PATH:PATH INSIDE:rwm\"."`
	GPUs         map[string]string            `nxc:"gpus,optional" doc:"Role or node to GPUs of the engine's host: all, a number, or device=ID,ID."`
	Tmpfs        map[string]map[string]string `nxc:"tmpfs,optional" doc:"Role or node to file systems in memory: path to mount options."`
	Sysctls      map[string]map[string]string `nxc:"sysctls,optional" doc:"Role or node to parameters of the kernel that a container has for itself."`
	Ulimits      map[string]map[string]string `nxc:"ulimits,optional" doc:"Role or node to limits of processes, such as nofile, as LIMIT or SOFT:HARD."`
	Memory       map[string]string            `nxc:"memory,optional" doc:"Role or node to its limit of memory, such as 512M."`
	CPUs         map[string]float64           `nxc:"cpus,optional" doc:"Role or node to its limit of processors, such as 1.5."`
	Restart      map[string]string            `nxc:"restart,optional" doc:"Role or node to when the engine starts it again by itself: no, always, unless-stopped, on-failure or on-failure:TIMES."`
}

// extra is what the flavour's Nix half tells of the composition.
type extra struct {
	Ports   map[string][]string `json:"ports"`      // role or node: the composition's dockerPorts
	Volumes map[string][]string `json:"volumes"`    // roles to its extraVolumes
	Shared  map[string][]string `json:"sharedDirs"` // roles to folders that they share through one volume
}

// Keys of a deployment's resources. A container's key is its node's name.
const (
	keyNetwork = "lan"
	keyImage   = "base"
	keyShared  = "shared"
)

// sharedFolder is where the flavour's NixOS module expects the shared volume.
const sharedFolder = "/var/nxc/shared"

// node is one node of a deployment.
type node = sdk.LaidOut

// expand lays a composition out: one network, one image, a container a node,
// and the volumes that they name.
func (e *engine) expand(_ context.Context, r sdk.ExpandRequest[FlavourConfig], out *sdk.Expansion) error {
	var x extra
	if len(r.Extra) > 0 {
		if err := json.Unmarshal(r.Extra, &x); err != nil {
			return fmt.Errorf("read what the flavour's Nix half returned: %w", err)
		}
	}
	if err := e.runsSystems(); err != nil {
		return err
	}
	nodes, err := sdk.Nodes(r.Roles, "A Docker engine")
	if err != nil {
		return err
	}
	c := &r.Flavour
	if err := checkKeys(c, nodes); err != nil {
		return err
	}
	store, err := e.chooseStore(c.Store, c.Image)
	if err != nil {
		return err
	}
	ports, err := publish(nodes, c.Ports, x.Ports)
	if err != nil {
		return err
	}
	subnet, addresses, err := e.addresses(r, nodes)
	if err != nil {
		return err
	}
	lan := Network{Name: keyNetwork, Subnet: subnet.String(), Gateway: subnet.Addr().Next().String()}
	second, err := e.second(r, &lan, addresses)
	if err != nil {
		return err
	}
	further, err := e.furtherNetworks(r, nodes)
	if err != nil {
		return err
	}
	sdk.Add(out, "docker_network", keyNetwork, lan)
	further.add(out)
	if c.Image == "" {
		image := Image{Name: keyImage}
		if store == storeImage {
			image.Systems = systemsOf(nodes)
		}
		sdk.Add(out, "docker_image", keyImage, image)
	}
	attached, err := e.attach(nodes, c.Volumes, x, out)
	if err != nil {
		return err
	}
	layout := composition{
		name: r.Composition, label: r.Label, subnet: subnet, image: c.Image, recipe: e.store.Place(r.Artifacts[artifactImage]),
		cgroup: e.cgroup, hostCgroups: e.info.CgroupVersion == "2", lan: lan, further: further.own, existing: existingOf(c.Networks),
	}
	for _, n := range nodes {
		want := containerOf(n, c, nodes)
		want.Mounts[0].Source = e.store.Place(storeFolder)
		want.Ports, want.IP = ports[n.Name], addresses[n.Name].String()
		if second != nil {
			want.IP6 = second[n.Name].String()
		}
		want.Connections = further.of[n.Name]
		attached.add(n, &want)
		layout.containers = append(layout.containers, composed{want, n.Role.Name, attached.volumes[n.Name], further.named[n.Name]})
		if store == storeImage { // the store's mount is the first
			want.Mounts = want.Mounts[1:]
		}
		added := sdk.Add(out, "docker_container", n.Name, want).Ref("network", "docker_network", keyNetwork, "id")
		further.refer(n.Name, added)
		if c.Image == "" {
			added.Ref("image", "docker_image", keyImage, "reference")
		}
		for i, name := range attached.volumes[n.Name] {
			added.Ref(fmt.Sprintf("volume[%d].volume", i), "docker_volume", name, "volume_name")
		}
		out.Node(plugins.ExpandedNode{
			Name: n.Name, Role: n.Role.Name, Index: n.Index, System: n.Role.System,
			Resource: plugins.ResourceKey{Type: "docker_container", Key: n.Name}, Address: "address",
		})
	}
	return errors.Join(layout.file(out), e.crowded(len(nodes)))
}

// systemsOf are the systems of all nodes, each once.
func systemsOf(nodes []node) []string {
	var systems []string
	for _, n := range nodes {
		systems = append(systems, n.Role.System)
	}
	slices.Sort(systems)
	return slices.Compact(systems)
}

// checkKeys makes sure that every key names a role or a node. The composition's
// own ports and volumes may name roles that have no nodes today.
func checkKeys(c *FlavourConfig, nodes []node) error {
	return sdk.CheckKeys(nodes,
		sdk.KeyedBy("ports", c.Ports), sdk.KeyedBy("volumes", c.Volumes), sdk.Keyed{Attribute: "privileged", Keys: c.Privileged},
		sdk.KeyedBy("capabilities", c.Capabilities), sdk.KeyedBy("memory", c.Memory), sdk.KeyedBy("cpus", c.CPUs),
		sdk.KeyedBy("restart", c.Restart), sdk.KeyedBy("devices", c.Devices), sdk.KeyedBy("gpus", c.GPUs), sdk.KeyedBy("tmpfs", c.Tmpfs),
		sdk.KeyedBy("sysctls", c.Sysctls), sdk.KeyedBy("ulimits", c.Ulimits), sdk.Keyed{Attribute: "network", Keys: memberKeys(c.Networks)})
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// of returns what a map says of a node: of itself, or else of its role.
func of[V any](m map[string]V, n node) V {
	v, _ := sdk.Of(m, n)
	return v
}

// containerOf is the container of a node, but for what it shares with others.
func containerOf(n node, c *FlavourConfig, nodes []node) Container {
	want := Container{
		Name:    n.Name,
		Image:   c.Image,
		System:  n.Role.System,
		Systemd: true,
		Mounts:  []Mount{{Source: storeFolder, Target: storeFolder, ReadOnly: true}},
		// NixOS keeps its setuid programs there.
		Tmpfs:        map[string]string{"/run/wrappers": "exec,suid,mode=755"},
		Privileged:   slices.Contains(c.Privileged, n.Name) || slices.Contains(c.Privileged, n.Role.Name),
		Capabilities: of(c.Capabilities, n),
		Devices:      of(c.Devices, n),
		GPUs:         of(c.GPUs, n),
		Sysctls:      of(c.Sysctls, n),
		Ulimits:      of(c.Ulimits, n),
		Memory:       of(c.Memory, n),
		CPUs:         of(c.CPUs, n),
		Restart:      of(c.Restart, n),
	}
	if n.Role.Switch {
		want.Update = sdk.UpdateSwitch
	}
	maps.Copy(want.Tmpfs, of(c.Tmpfs, n))
	want.Aliases = aliasesOf(n, nodes)
	return want
}

// addresses chooses the subnet and every node's address. What the deployment
// has already it keeps.
func (e *engine) addresses(r sdk.ExpandRequest[FlavourConfig], nodes []node) (netip.Prefix, map[string]netip.Addr, error) {
	deployment := r.Composition + "::" + r.Label
	subnet, err := e.subnet(r, deployment, len(nodes))
	if err != nil {
		return netip.Prefix{}, nil, err
	}
	e.reserve(deployment, subnet)
	prior, err := sdk.Prior[Container](r.ExpandRequest, "docker_container")
	if err != nil {
		return netip.Prefix{}, nil, err
	}
	had := map[string]netip.Addr{}
	for key, c := range prior {
		if a, err := netip.ParseAddr(c.IP); err == nil {
			had[key] = a
		}
	}
	given, err := sdk.Addresses(subnet, subnet.Addr().Next(), namesOf(nodes), had)
	if err != nil {
		return netip.Prefix{}, nil, sdk.AttributeError("subnet", "The network is too small",
			fmt.Sprintf("%s. Set a larger subnet, such as %s; every node is then created anew.", err, larger(subnet)))
	}
	return subnet, given, nil
}

// larger is a subnet around p with room for four times as many nodes.
func larger(p netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Addr(), max(p.Bits()-2, 8)).Masked()
}

func (e *engine) subnet(r sdk.ExpandRequest[FlavourConfig], deployment string, nodes int) (netip.Prefix, error) {
	if r.Flavour.Subnet != "" {
		return parseSubnet(r.Flavour.Subnet)
	}
	prior, err := sdk.Prior[Network](r.ExpandRequest, "docker_network")
	if err != nil {
		return netip.Prefix{}, err
	}
	if p, err := netip.ParsePrefix(prior[keyNetwork].Subnet); err == nil {
		return p, nil
	}
	p, err := e.subnetFor(deployment, nodes)
	if err != nil {
		return p, sdk.AttributeError("subnet", "No subnet is free", fmt.Sprintf("%s. Set subnet to addresses that nothing else uses, or the provider's subnets.", err))
	}
	return p, nil
}
