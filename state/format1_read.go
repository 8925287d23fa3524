package state

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

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

// dependency reads the address of an instance, a block, or a deployment.
func (d *decoder1) dependency() (addr.Instance, error) {
	d.space()
	pos := d.pos
	text, err := d.str()
	if err != nil {
		return addr.Instance{}, err
	}
	if a, ok := d.addresses[text]; ok {
		return a, nil
	}
	a, err := addr.ParseBlock(text)
	if err != nil {
		return a, d.failf(pos, "%v", err)
	}
	return a, nil
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

func (d *decoder1) resource(a addr.Instance) (*Resource, error) {
	r := &Resource{Address: a}
	err := d.object(func(name string, pos int) error {
		if name != "deposed" {
			return d.incarnationMember(&r.Incarnation, name, pos)
		}
		return d.array(func() error {
			var i Incarnation
			err := d.object(func(name string, pos int) error { return d.incarnationMember(&i, name, pos) })
			r.Deposed = append(r.Deposed, i)
			return err
		})
	})
	return r, err
}

func (d *decoder1) incarnationMember(i *Incarnation, name string, pos int) (err error) {
	switch name {
	case "provider":
		i.Provider, err = d.str()
	case "schema_version":
		i.SchemaVersion, err = d.int64()
	case "attempt":
		i.Attempt, err = d.str()
	case "status":
		i.Status, err = d.status()
	case "dependencies":
		err = d.array(func() error {
			a, err := d.dependency()
			i.Dependencies = append(i.Dependencies, a)
			return err
		})
	case "asked":
		i.Asked, err = d.rawObject()
	case "observed":
		i.Observed, err = d.rawObject()
	case "secrets":
		i.Secrets, err = d.secrets()
	default:
		err = d.unknown(name, pos)
	}
	return err
}

func (d *decoder1) status() (Status, error) {
	pos := d.pos
	text, err := d.str()
	if err != nil {
		return Ready, err
	}
	switch s := Status(text); s {
	case Tainted, HalfMade:
		return s, nil
	}
	return Ready, d.failf(pos, "%q is not a status: expected %q or %q", text, Tainted, HalfMade)
}

func (d *decoder1) secrets() ([]Secret, error) {
	var all []Secret
	err := d.array(func() error {
		var s Secret
		err := d.object(func(name string, pos int) (err error) {
			switch name {
			case "path":
				s.Path, err = d.path()
			case "fingerprint":
				s.Fingerprint, err = d.str()
				if err == nil && !strings.HasPrefix(s.Fingerprint, fingerprintPrefix) {
					err = d.failf(pos, "%q is not a fingerprint of a kind that this nxc knows", s.Fingerprint)
				}
			default:
				err = d.unknown(name, pos)
			}
			return err
		})
		all = append(all, s)
		return err
	})
	return all, err
}

// path reads what appendPath writes.
func (d *decoder1) path() (cty.Path, error) {
	var p cty.Path
	err := d.array(func() error {
		switch d.space() {
		case '"':
			name, err := d.str()
			p = p.GetAttr(name)
			return err
		case '{':
			return d.object(func(name string, pos int) error {
				if name != "key" {
					return d.unknown(name, pos)
				}
				key, err := d.str()
				p = p.IndexString(key)
				return err
			})
		}
		n, err := d.int()
		p = p.IndexInt(n)
		return err
	})
	return p, err
}
