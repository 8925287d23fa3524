package addr

import (
	"fmt"
	"strings"
)

// Target is what an argument on the command line points at. Exactly one of
// Node and Instance is set, or only Deployment.
type Target struct {
	Deployment Deployment // zero: not said
	Node       string     // a node of the deployment
	Instance   Instance   // a resource
}

// ParseTarget reads what a person writes to name a node or a resource:
//
//	client1                                      a node of the deployment that runs
//	webserver::docker/client1                    a node of that deployment
//	webserver::docker                            the whole deployment
//	docker_network.lan                           a resource
//	composition.web.docker.docker_volume["data"] a resource of a deployment
func ParseTarget(s string) (Target, error) {
	switch {
	case strings.ContainsAny(s, ".[\"") && !strings.Contains(s, "::"):
		a, err := Parse(s)
		return Target{Deployment: a.Deployment, Instance: a}, err
	case strings.Contains(s, "::"):
		name, node, slash := strings.Cut(s, "/")
		d, err := ParseDeployment(name)
		if err != nil {
			return Target{}, err
		}
		if slash && !ValidNodeName(node) {
			return Target{}, fmt.Errorf("%q does not name a node: expected %s/NODE", s, d)
		}
		return Target{Deployment: d, Node: node}, nil
	case ValidNodeName(s):
		return Target{Node: s}, nil
	default:
		return Target{}, fmt.Errorf("%q names neither a node nor a resource: expected NODE, COMPOSITION::FLAVOUR/NODE or TYPE.NAME", s)
	}
}
