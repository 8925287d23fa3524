package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
)

// A third party's plugin is pinned by its checksum in .nxc.lock.hcl, which is
// committed with the configuration. The first apply that uses a plugin pins
// it; from then on another program of that name is refused, here and in every
// clone, until nxc init -upgrade says that it was changed on purpose.

// pinned makes a plugin start only when it is the pinned one. One that is not
// pinned yet is used, and pinned by the first apply that succeeds.
func (p *installed) pinned(o *host.Options) plugins.Diagnostics {
	lock, err := host.ReadLock(".")
	if err != nil {
		return plugins.NewError("The lock file cannot be used", err.Error()+".")
	}
	sum, err := host.Checksum(o.Path, p.cache)
	if err != nil {
		return plugins.NewError(fmt.Sprintf("The plugin of provider %s cannot be read", o.Name), err.Error()+".")
	}
	if _, has := lock.Pin(o.Name); !has {
		if !slices.Contains(p.unpinned, o.Name) {
			p.unpinned = append(p.unpinned, o.Name)
		}
		return nil
	}
	o.Checksum = sum
	return lock.Verify(o.Name, o.Path, sum)
}

// pin writes down the plugins that were started and are not pinned yet, and
// returns their names.
func (p *installed) pin(ctx context.Context, started []string) ([]string, error) {
	var names []string
	for _, name := range p.unpinned {
		if slices.Contains(started, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return names, p.write(ctx, names, false)
}

// repin pins, anew, the plugins that the lock file names.
func (p *installed) repin(ctx context.Context) ([]string, error) {
	lock, err := host.ReadLock(".")
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range p.found {
		if _, has := lock.Pin(name); has && p.dev[name] == "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	slices.Sort(names)
	return names, p.write(ctx, names, true)
}

func (p *installed) write(ctx context.Context, names []string, anew bool) error {
	lock, err := host.ReadLock(".")
	if err != nil {
		return err
	}
	for _, name := range names {
		sum, err := host.Checksum(p.found[name], p.cache)
		if err != nil {
			return err
		}
		schema, diags := host.Schema(ctx, host.Options{Name: name, Path: p.found[name], Logger: p.logger, Cache: p.cache})
		if diags.HasErrors() {
			return diags
		}
		if anew {
			lock.Remove(name)
		}
		lock.Add(name, schema.Version, sum)
	}
	return lock.Write()
}
