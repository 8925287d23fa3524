package sdk

import (
	"context"
	"os"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/schema"
	"github.com/nixos-compose/nxc/plugins/sdk/internal/typed"
)

// Configurer connects a provider to what its configuration points at.
// Configure makes one.
type Configurer interface {
	block() (schema.Block, error)
	configure(ctx context.Context, name string, r plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics)
}

// Configure returns the Configurer of a provider whose block is C, a struct
// with nxc tags. f changes nothing outside; it says which thing it found.
func Configure[C any](f func(ctx context.Context, c C, folders plugins.Folders) (plugins.Location, error)) Configurer {
	t, err := typed.For[C]()
	return &configurer[C]{f: f, typ: t, err: err}
}

type configurer[C any] struct {
	f   func(ctx context.Context, c C, folders plugins.Folders) (plugins.Location, error)
	typ *typed.Type
	err error
}

func (c *configurer[C]) block() (schema.Block, error) {
	if c.err != nil {
		return schema.Block{}, c.err
	}
	return c.typ.Block, refuseReserved(&c.typ.Block, "alias", "version", "source")
}

func (c *configurer[C]) configure(ctx context.Context, name string, r plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics) {
	var config C
	if _, err := c.typ.Decode(r.Config, &config); err != nil {
		return plugins.Location{}, diagnose(err)
	}
	var l plugins.Location
	d := guard("provider "+name, "Configure", func() (err error) {
		l, err = c.f(ctx, config, r.Folders)
		return err
	})
	return l, d
}

// nowhere is the Configurer of a provider without configuration.
type nowhere struct{}

func (nowhere) block() (schema.Block, error) { return schema.Block{}, nil }

func (nowhere) configure(context.Context, string, plugins.ConfigureRequest) (plugins.Location, plugins.Diagnostics) {
	return ThisMachine(), nil
}

// ThisMachine returns the location of the machine that the plugin runs on: its
// machine id, or its host name where there is none.
func ThisMachine() plugins.Location {
	host, _ := os.Hostname()
	l := plugins.Location{Kind: "machine", ID: host, Label: "machine " + host}
	for _, file := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id := firstLine(file); id != "" {
			l.ID = id
			break
		}
	}
	return l
}
