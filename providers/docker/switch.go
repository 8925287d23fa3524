package docker

import (
	"context"
	"path"
	"slices"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// profile is the link by which a container finds its system. A container's
// command never changes, and the system may: so the command goes by the link,
// which lies where NixOS has it, in the container's own file system.
const profile = "/nix/var/nix/profiles/system"

// commandOf is what a container runs: what was asked for, or its system's init.
func commandOf(want Container) []string {
	if len(want.Command) == 0 && want.System != "" {
		return []string{profile + "/init"}
	}
	return want.Command
}

// pathOf is where the programs of a system are found.
func pathOf(system string) string {
	return "/run/wrappers/bin:" + system + "/sw/bin:" + system + "/sw/sbin"
}

// mountsStore reports whether a container sees the engine's own store.
func mountsStore(have *Container) bool {
	return slices.ContainsFunc(have.Mounts, func(m Mount) bool { return path.Clean(m.Target) == storeFolder })
}

// switches reports whether a container can take on the system that is planned
// for it. One that is down and has its store in its image could not be asked
// what it lacks.
func switches(prior *Container, p *sdk.Planned[Container]) bool {
	v := &p.Value
	return v.Update == sdk.UpdateSwitch && !p.Unknown("system") && prior.System != "" && v.System != "" &&
		v.Systemd && (prior.Running || mountsStore(v))
}

// switchSystem has a container take on another system, and start it from now
// on. One that is down has only the latter to do.
func (c containers) switchSystem(ctx context.Context, op sdk.Operation, have Container, want *Container) error {
	if have.Running {
		s := sdk.Switch{Name: want.Name, Old: have.System, New: want.System, Store: c.store, Exec: func(ctx context.Context, p plugins.Process) (int, error) {
			return c.Exec(ctx, op, &have, p)
		}}
		if !mountsStore(&have) {
			s.Copy = func(ctx context.Context, cp plugins.Copy) error { return c.Copy(ctx, op, &have, cp) }
		}
		if err := s.Run(ctx, op); err != nil {
			return err
		}
	}
	return c.furnish(ctx, want, want.System, plugins.Context{})
}
