package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Plan says early what is already certain: the address when it is fixed, the
// ports that are taken, and that a container is to run.
func (c containers) Plan(ctx context.Context, op sdk.Operation, prior *Container, p *sdk.Planned[Container]) error {
	v := &p.Value
	v.Running = true
	p.SetKnown("running")
	if v.IP != "" && !p.Unknown("ip") {
		v.Address = v.IP
		p.SetKnown("address")
	}
	if p.Unknown("address6") && !p.Unknown("ip6") && v.IP6 != "" {
		v.Address6 = v.IP6
		p.SetKnown("address6")
	}
	if claims, fixed := claimsOf(v.Ports); fixed && !p.Unknown("port") {
		v.Published = claims
		p.SetKnown("published")
	}
	if prior != nil && !prior.Running { // the engine chooses anew what was left to it
		if v.IP == "" {
			p.SetUnknown("address")
		}
		if _, fixed := claimsOf(v.Ports); !fixed {
			p.SetUnknown("published")
		}
	}
	if prior != nil && (p.Unknown("system") || prior.System != v.System) && !switches(prior, p) {
		p.Replace("system", "its system changed")
	}
	if prior != nil && !v.Systemd && (p.Unknown("image") || prior.Image != v.Image) {
		p.Replace("image", "its image changed")
	}
	return c.portsFree(ctx, op, prior, p)
}

// claimsOf are the ports of the host that are fixed; fixed is false when the
// engine is to choose some.
func claimsOf(ports []Port) (claims []string, fixed bool) {
	claims = []string{}
	for _, p := range ports {
		if p.Host == 0 {
			return nil, false
		}
		claims = append(claims, p.claim())
	}
	slices.Sort(claims)
	return claims, true
}

// Validate checks what the schema cannot say.
func (c containers) Validate(_ context.Context, config Container) plugins.Diagnostics {
	var d plugins.Diagnostics
	note := func(err error) {
		var more plugins.Diagnostics
		if errors.As(err, &more) {
			d = append(d, more...)
		}
	}
	for i, p := range config.Ports {
		if err := validPort(p); err != nil {
			note(sdk.AttributeError(fmt.Sprintf("port[%d]", i), "This port cannot be published", err.Error()+"."))
		}
	}
	if err := passed(&config, &container.HostConfig{}); err != nil {
		note(err)
	}
	if u := config.Update; u != "" && u != sdk.UpdateReplace && u != sdk.UpdateSwitch {
		note(sdk.AttributeError("update", fmt.Sprintf("There is no update %q", u), "It is replace or switch."))
	}
	if _, err := limitsOf(config); err != nil {
		note(err)
	}
	if _, err := restartPolicy(config.Restart); err != nil {
		note(err)
	}
	for i, m := range config.Mounts {
		if m.Source != "" && !strings.HasPrefix(m.Source, "/") {
			note(sdk.AttributeError(fmt.Sprintf("mount[%d].source", i), "A mount needs an absolute path",
				fmt.Sprintf("%q names no path of the engine's host; a volume is mounted with a volume block.", m.Source)))
		}
	}
	return d
}
