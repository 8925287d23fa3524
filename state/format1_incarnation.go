package state

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

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
