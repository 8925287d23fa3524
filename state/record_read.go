package state

import (
	"fmt"

	"github.com/nixos-compose/nxc/internal/addr"
)

// decodeRecord reads what Record.encode wrote.
func decodeRecord(data []byte) (*Record, error) {
	d := newDecoder1(data)
	r := &Record{}
	kinds := 0
	err := d.object(func(name string, pos int) (err error) {
		kinds++
		switch name {
		case "begin":
			r.Begin, err = d.begin()
		case "intent":
			r.Intent, err = d.intent()
		case "result":
			r.Result, err = d.result()
		case "deployment":
			r.Deployment, err = d.deploymentChange()
		case "end":
			r.End, err = d.endRecord()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	if err == nil {
		err = d.end()
	}
	if err == nil && kinds != 1 {
		err = fmt.Errorf("a record of %d kinds", kinds)
	}
	return r, err
}

func (d *decoder1) begin() (*Begin, error) {
	b := &Begin{}
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "format":
			var format int64
			if format, err = d.int64(); err == nil && format != format1 {
				err = d.failf(pos, "the journal is in format %d, and this nxc knows format %d", format, format1)
			}
		case "lineage":
			b.Lineage, err = d.str()
		case "workspace":
			b.Workspace, err = d.str()
		case "command":
			b.Command, err = d.command()
		case "base":
			b.Base, err = d.hashes()
		case "reads":
			b.Reads, err = d.hashes()
		case "after":
			b.After, err = d.texts()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return b, err
}

func (d *decoder1) intent() (*Intent, error) {
	i := &Intent{}
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "address":
			i.Address, err = d.address()
		case "action":
			i.Action, err = d.action()
		case "attempt":
			i.Attempt, err = d.str()
		case "uuid":
			i.UUID, err = d.str()
		case "planned":
			i.Planned = &Incarnation{}
			err = d.object(func(name string, pos int) error { return d.incarnationMember(i.Planned, name, pos) })
		case "provider_name":
			i.ProviderName, err = d.str()
		case "provider":
			i.Provider, err = d.provider()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	if err == nil && (i.Address == addr.Instance{} || i.Action == "") {
		err = d.failf(d.pos, "an intent does not say of what")
	}
	return i, err
}

func (d *decoder1) action() (Action, error) {
	pos := d.pos
	text, err := d.str()
	if err != nil {
		return "", err
	}
	switch a := Action(text); a {
	case Create, Update, Delete:
		return a, nil
	}
	return "", d.failf(pos, "%q is not an action", text)
}

func (d *decoder1) result() (*Result, error) {
	r := &Result{}
	var resource *Resource
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "address":
			r.Address, err = d.address()
		case "attempt":
			r.Attempt, err = d.str()
		case "resource":
			resource, err = d.resource(addr.Instance{})
		case "from":
			r.From, err = d.address()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	if err == nil && (r.Address == addr.Instance{}) {
		err = d.failf(d.pos, "a result does not say of what")
	}
	if resource != nil {
		resource.Address = r.Address
	}
	r.Resource = resource
	return r, err
}

func (d *decoder1) deploymentChange() (*DeploymentChange, error) {
	c := &DeploymentChange{}
	var record *Deployment
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "name":
			var text string
			if text, err = d.str(); err == nil {
				c.Name, err = d.parseDeployment(text, pos)
			}
		case "record":
			record, err = d.deployment(topName, pos)
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	if record != nil {
		record.Name = c.Name
	}
	c.Record = record
	return c, err
}

func (d *decoder1) endRecord() (*End, error) {
	e := &End{}
	err := d.object(func(name string, pos int) (err error) {
		switch name {
		case "hashes":
			e.Hashes, err = d.hashes()
		case "done":
			e.Done, err = d.texts()
		default:
			err = d.unknown(name, pos)
		}
		return err
	})
	return e, err
}

func (d *decoder1) hashes() (map[addr.Deployment]string, error) {
	all := map[addr.Deployment]string{}
	err := d.object(func(name string, pos int) error {
		deployment, err := d.parseDeployment(name, pos)
		if err != nil {
			return err
		}
		all[deployment], err = d.str()
		return err
	})
	return all, err
}

func (d *decoder1) texts() ([]string, error) {
	var all []string
	err := d.array(func() error {
		text, err := d.str()
		all = append(all, text)
		return err
	})
	return all, err
}
