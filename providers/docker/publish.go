package docker

import (
	"fmt"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// publish gives each node its ports. What the configuration says of a node or
// its role wins over what the composition says.
func publish(nodes []node, configured, composed map[string][]string) (map[string][]Port, error) {
	ports := map[string][]Port{}
	type holding struct {
		port Port
		node string
	}
	var taken []holding
	for _, n := range nodes {
		specs, from, index := configured[n.Name], "ports", 0
		if specs == nil {
			specs, index = configured[n.Role.Name], n.Index
		}
		if specs == nil {
			specs, from, index = of(composed, n), "", n.Index
		}
		for _, spec := range specs {
			r, err := parsePort(spec)
			if err != nil {
				return nil, portError(from, fmt.Sprintf("%q is not a port to publish", spec),
					fmt.Sprintf("%s. Write HOST:CONTAINER, such as \"8080:80\".", err))
			}
			p, ok := r.nth(index)
			if !ok {
				return nil, tooFewPorts(from, spec, n, r)
			}
			for _, other := range taken {
				if p.collides(other.port) {
					return nil, portError(from, fmt.Sprintf("Port %d of the host is published twice", p.Host),
						fmt.Sprintf("Both %s and %s publish %s. Give one of them another port.", other.node, n.Name, p.claim()))
				}
			}
			taken = append(taken, holding{p, n.Name})
			ports[n.Name] = append(ports[n.Name], p)
		}
	}
	return ports, nil
}

// portError is about the configuration's ports, or about the composition's
// when from is "".
func portError(from, summary, detail string) error {
	if from == "" {
		return sdk.Error(summary, "In the composition's dockerPorts: "+detail)
	}
	return sdk.AttributeError(from, summary, detail)
}

func tooFewPorts(from, spec string, n node, r portRange) error {
	nodes, p := n.Role.Nodes, r.port
	return portError(from, fmt.Sprintf("%q cannot be published for every node of %s", spec, n.Role.Name),
		fmt.Sprintf("The role has %d nodes, and a port of the host leads to one. Name the node (%s = [%q]), give a port for each (\"%d-%d:%d\"), or let the engine choose (\"%d\").",
			len(nodes), nodes[0], spec, p.Host, p.Host+int64(len(nodes))-1, p.Container, p.Container))
}
