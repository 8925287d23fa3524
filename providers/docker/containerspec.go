package docker

import (
	"maps"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// stopTimeout is how long a command may take to end, in seconds.
const stopTimeout = 10

// spec is the container as the engine takes it.
func (c containers) spec(want *Container, labels map[string]string) (client.ContainerCreateOptions, error) {
	var none client.ContainerCreateOptions
	exposed, bound, err := bindings(want.Ports)
	if err != nil {
		return none, sdk.AttributeError("port", "This port cannot be published", err.Error()+".")
	}
	limits, err := limitsOf(*want)
	if err != nil {
		return none, err
	}
	restart, err := restartPolicy(want.Restart)
	if err != nil {
		return none, err
	}
	timeout := stopTimeout
	o := client.ContainerCreateOptions{
		Name: want.ContainerName,
		Config: &container.Config{
			Hostname: want.Name, Image: want.Image, Cmd: commandOf(*want), Env: environmentOf(*want),
			Tty: want.TTY, StopSignal: want.StopSignal, StopTimeout: &timeout,
			Labels: labels, ExposedPorts: exposed,
		},
		HostConfig: &container.HostConfig{
			Binds: bindsOf(c.placed(*want)), Tmpfs: want.Tmpfs, PortBindings: bound,
			Privileged: want.Privileged, CapAdd: want.Capabilities,
			Resources:     limits,
			RestartPolicy: restart,
		},
	}
	if err := passed(want, o.HostConfig); err != nil {
		return none, err
	}
	if want.Systemd {
		c.prepareSystemd(want, &o)
	}
	return o, connectTo(want, &o)
}

// environmentOf are the variables of a container in a fixed order.
func environmentOf(want Container) []string {
	values := maps.Clone(want.Env)
	if want.System != "" && values["PATH"] == "" {
		if values == nil {
			values = map[string]string{}
		}
		values["PATH"] = pathOf(profile)
	}
	env := make([]string, 0, len(values)+1)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, name+"="+values[name])
	}
	return env
}

// placed is a container whose mounts name what is in this machine's Nix store
// where it lies.
func (c containers) placed(want Container) Container {
	want.Mounts = slices.Clone(want.Mounts)
	for i := range want.Mounts {
		want.Mounts[i].Source = c.store.Place(want.Mounts[i].Source)
	}
	return want
}

// bindsOf are the mounts and volumes of a container.
func bindsOf(want Container) []string {
	access := map[bool]string{true: "ro", false: "rw"}
	var binds []string
	for _, m := range want.Mounts {
		binds = append(binds, m.Source+":"+m.Target+":"+access[m.ReadOnly])
	}
	for _, v := range want.Volumes {
		binds = append(binds, v.Volume+":"+v.Target+":"+access[v.ReadOnly])
	}
	return binds
}

// prepareSystemd adds what a systemd needs to be process 1 of a container
// without power over the engine's host or over its neighbours: see cgroups.
// The terminal is what makes its messages appear in the container's log.
func (c containers) prepareSystemd(want *Container, o *client.ContainerCreateOptions) {
	h := o.HostConfig
	h.CgroupnsMode = container.CgroupnsModeHost
	h.CgroupParent = want.CgroupParent
	h.Binds = append(h.Binds, c.cgroup.binds(want.CgroupParent)...)
	h.Tmpfs = memoryMounts(*want)
	o.Config.Tty = true
	if want.Env["container"] == "" {
		o.Config.Env = append(o.Config.Env, "container=docker")
	}
	o.Config.StopSignal = stopSignalOf(*want)
}

// memoryMounts are the file systems in memory of a container with systemd.
func memoryMounts(want Container) map[string]string {
	mounts := map[string]string{"/run": "mode=755", "/run/lock": "", "/tmp": "exec,mode=1777"}
	maps.Copy(mounts, want.Tmpfs)
	return mounts
}

// stopSignalOf is what asks a systemd to shut down, unless told otherwise.
func stopSignalOf(want Container) string {
	if want.StopSignal == "" {
		return "SIGRTMIN+3"
	}
	return want.StopSignal
}

// connectTo puts the container into its network under its names.
func connectTo(want *Container, o *client.ContainerCreateOptions) error {
	if want.Network == "" {
		if want.IP != "" || want.IP6 != "" {
			return sdk.AttributeError("ip", "A fixed address needs a network", "Set network as well: the engine's default network gives addresses itself.")
		}
		return nil
	}
	var names []string
	if want.Network != "host" && want.Network != "none" && want.Network != "bridge" {
		names = append([]string{want.Name}, want.Aliases...)
	}
	endpoint, err := endpointAt("", names, want.IP, want.IP6)
	if err != nil {
		return err
	}
	o.HostConfig.NetworkMode = container.NetworkMode(want.Network)
	o.NetworkingConfig = &network.NetworkingConfig{
		EndpointsConfig: map[string]*network.EndpointSettings{want.Network: endpoint},
	}
	return nil
}
