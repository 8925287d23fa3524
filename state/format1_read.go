package state

import (
	"fmt"

	"github.com/nixos-compose/nxc/internal/addr"
)

// decoder1 reads format 1. Addresses recur as dependencies, so each is parsed
// once.
type decoder1 struct {
	scanner
	addresses map[string]addr.Instance
}

func newDecoder1(data []byte) *decoder1 {
	return &decoder1{scanner: scanner{data: data}, addresses: map[string]addr.Instance{}}
}

// state reads a whole file.
func (d *decoder1) state() (*State, error) {
	s := &State{}
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "format", "requires":
			err = d.skip()
		case "lineage":
			s.Lineage, err = d.str()
		case "owner":
			s.Owner, err = d.str()
		case "open":
			err = d.array(func() error {
				c, err := d.command()
				s.Open = append(s.Open, c)
				return err
			})
		case "deployments":
			err = d.object(func(name string, pos int) error {
				dep, err := d.deployment(name, pos)
				if err == nil {
					s.SetDeployment(dep)
				}
				return err
			})
		case "resources":
			err = d.resources(s)
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	if err == nil {
		err = d.end()
	}
	if err == nil && s.Lineage == "" {
		err = d.failf(0, "the member \"lineage\" is missing")
	}
	return s, err
}

func (d *decoder1) unknown(name string, pos int) error {
	return d.failf(pos, "%q is not a member that belongs here", name)
}

func (d *decoder1) resources(s *State) error {
	return d.object(func(name string, pos int) error {
		a, err := d.parseAddress(name, pos)
		if err != nil {
			return err
		}
		if s.Resource(a) != nil {
			return &syntaxError{pos: pos, msg: fmt.Sprintf("%s stands here a second time", a), duplicate: true}
		}
		r, err := d.resource(a)
		if err == nil {
			s.SetResource(r)
		}
		return err
	})
}

func (d *decoder1) parseAddress(text string, pos int) (addr.Instance, error) {
	if a, ok := d.addresses[text]; ok {
		return a, nil
	}
	a, err := addr.Parse(text)
	if err != nil {
		return a, d.failf(pos, "%v", err)
	}
	d.addresses[text] = a
	return a, nil
}

func (d *decoder1) address() (addr.Instance, error) {
	d.space()
	pos := d.pos
	text, err := d.str()
	if err != nil {
		return addr.Instance{}, err
	}
	return d.parseAddress(text, pos)
}

func (d *decoder1) parseDeployment(text string, pos int) (addr.Deployment, error) {
	if text == topName {
		return addr.Deployment{}, nil
	}
	name, err := addr.ParseDeployment(text)
	if err != nil {
		return name, d.failf(pos, "%v", err)
	}
	return name, nil
}

func (d *decoder1) deploymentNames() ([]addr.Deployment, error) {
	var names []addr.Deployment
	err := d.array(func() error {
		pos := d.pos
		text, err := d.str()
		if err != nil {
			return err
		}
		name, err := d.parseDeployment(text, pos)
		names = append(names, name)
		return err
	})
	return names, err
}

func (d *decoder1) command() (Command, error) {
	var c Command
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "journal":
			c.Journal, err = d.str()
		case "deployments":
			c.Deployments, err = d.deploymentNames()
		case "command":
			c.Command, err = d.str()
		case "user":
			c.User, err = d.str()
		case "host":
			c.Host, err = d.str()
		case "pid":
			c.PID, err = d.int()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return c, err
}

func (d *decoder1) deployment(text string, pos int) (*Deployment, error) {
	name, err := d.parseDeployment(text, pos)
	if err != nil {
		return nil, err
	}
	dep := &Deployment{Name: name}
	err = d.object(func(name string, pos int) (err error) {
		switch name {
		case "uuid":
			dep.UUID, err = d.str()
		case "flavour":
			dep.Flavour, err = d.str()
		case "nixpkgs":
			dep.Pin, err = d.pin()
		case "params":
			dep.Params, err = d.raw()
		case "providers":
			dep.Providers = map[string]Provider{}
			err = d.object(func(name string, _ int) (err error) {
				dep.Providers[name], err = d.provider()
				return err
			})
		case "nodes":
			err = d.object(func(name string, _ int) error {
				n, err := d.node(name)
				dep.Nodes = append(dep.Nodes, n)
				return err
			})
		case "outputs":
			dep.Outputs, err = d.outputs()
		case "original_outputs":
			dep.Original, err = d.outputs()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return dep, err
}

func (d *decoder1) pin() (*Pin, error) {
	pin := &Pin{}
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "label":
			pin.Label, err = d.str()
		case "revision":
			pin.Revision, err = d.str()
		case "hash":
			pin.Hash, err = d.str()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return pin, err
}

func (d *decoder1) provider() (Provider, error) {
	var v Provider
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "location":
			v.Location, err = d.location()
		case "config":
			v.Config, err = d.rawObject()
		case "secrets":
			v.Secrets, err = d.secrets()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return v, err
}

func (d *decoder1) location() (Location, error) {
	var l Location
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "kind":
			l.Kind, err = d.str()
		case "id":
			l.ID, err = d.str()
		case "label":
			l.Label, err = d.str()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return l, err
}

func (d *decoder1) node(name string) (Node, error) {
	n := Node{Name: name}
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "role":
			n.Role, err = d.str()
		case "index":
			n.Index, err = d.int()
		case "system":
			n.System, err = d.str()
		case "resource":
			n.Resource, err = d.address()
		case "address":
			n.Address, err = d.str()
		case "context":
			n.Context, err = d.str()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	if err == nil && (n.Resource == addr.Instance{}) {
		err = d.failf(d.pos, "the node %q does not say which resource it is", n.Name)
	}
	return n, err
}

func (d *decoder1) outputs() (map[string]Output, error) {
	all := map[string]Output{}
	err := d.object(func(name string, _ int) error {
		var o Output
		err := d.object(func(name string, pos int) (err error) {
			switch name {
			case "type":
				o.Type, err = d.raw()
			case "value":
				o.Value, err = d.raw()
			case "sensitive":
				o.Sensitive, err = d.bool()
			default:
				err = d.unknown(name, pos)
			}
			return err
		})
		all[name] = o
		return err
	})
	return all, err
}
