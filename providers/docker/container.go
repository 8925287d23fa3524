package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Container is a container of the engine: one node of a composition, or any
// other that a user wants.
type Container struct {
	Name         string            `nxc:"name,required,replace" doc:"Host name inside the container, and its name in the network. The engine knows it by container_name."`
	Image        string            `nxc:"image,required" doc:"Image that holds the base file system. A container with systemd keeps running when only its image changes."`
	Command      []string          `nxc:"command,optional,replace" doc:"Program and arguments; the system's init or the image's own when left out."`
	System       string            `nxc:"system,optional" doc:"Store path of the NixOS system that it runs. Its init is the command, and its programs are on the PATH, unless command and env say otherwise."`
	Update       string            `nxc:"update,optional,default=replace" doc:"What happens when its system changes: replace makes another container; switch has the running one take on the new system, where nothing else makes it another."`
	Env          map[string]string `nxc:"env,optional,replace" doc:"Environment of the command, and of what is executed later."`
	Systemd      bool              `nxc:"systemd,optional,replace,default=false" doc:"The command is a system's init: it gets a control group of its own, /run and /tmp in memory, a terminal as console, and is waited for until it is up."`
	Network      string            `nxc:"network,optional,replace" doc:"Network to join, by id or name; the engine's default network when left out."`
	IP           string            `nxc:"ip,optional,replace,exclusive" doc:"Fixed IPv4 address in the network."`
	IP6          string            `nxc:"ip6,optional,replace,exclusive" doc:"Fixed IPv6 address in the network."`
	Aliases      []string          `nxc:"aliases,optional,replace" doc:"Further names in the network."`
	Connections  []Connection      `nxc:"connection,block" doc:"Further networks that it joins. Connected and disconnected in place."`
	Ports        []Port            `nxc:"port,block,replace" doc:"Ports published on the host."`
	Mounts       []Mount           `nxc:"mount,block,replace" doc:"Files of the engine's host, mounted inside."`
	Volumes      []VolumeMount     `nxc:"volume,block,replace" doc:"Volumes mounted inside."`
	Tmpfs        map[string]string `nxc:"tmpfs,optional,replace" doc:"File systems in memory: path to mount options."`
	TTY          bool              `nxc:"tty,optional,replace,default=false" doc:"The command gets a terminal."`
	StopSignal   string            `nxc:"stop_signal,optional,replace" doc:"Signal that asks the command to end."`
	Privileged   bool              `nxc:"privileged,optional,replace,default=false" doc:"Full power over the engine's host."`
	Capabilities []string          `nxc:"capabilities,optional,replace" doc:"Capabilities beyond the engine's usual ones, such as SYS_ADMIN."`
	Devices      []string          `nxc:"devices,optional,replace" doc:"Devices of the engine's host: /dev/fuse, or PATH:PATH INSIDE:rwm."`
	GPUs         string            `nxc:"gpus,optional,replace" doc:"GPUs of the engine's host: all, a number, or device=ID,ID. The engine needs the vendor's container toolkit."`
	Sysctls      map[string]string `nxc:"sysctls,optional,replace" doc:"Parameters of the kernel that a container has for itself, such as net.ipv4.ip_forward."`
	Ulimits      map[string]string `nxc:"ulimits,optional,replace" doc:"Limits of its processes, such as nofile, as LIMIT or SOFT:HARD."`
	Memory       string            `nxc:"memory,optional" doc:"Limit of memory, such as 512M. Changed in place; only lifting it needs another container."`
	CPUs         float64           `nxc:"cpus,optional" doc:"Limit of processors, such as 1.5. Changed in place."`
	PIDs         int64             `nxc:"pids,optional" doc:"Limit of processes and threads. Changed in place."`
	Restart      string            `nxc:"restart,optional,default=no" doc:"When the engine starts it again by itself: no, always, unless-stopped, on-failure or on-failure:TIMES. Changed in place."`
	Labels       map[string]string `nxc:"labels,optional,replace" doc:"Labels beside nxc's own."`

	ContainerName string   `nxc:"container_name,optional,computed,replace,exclusive" doc:"Name in the engine; by default one that no other deployment has."`
	ID            string   `nxc:"id,computed" doc:"The engine's identifier."`
	Address       string   `nxc:"address,computed" doc:"IPv4 address in the network."`
	Address6      string   `nxc:"address6,computed" doc:"IPv6 address in the network, where it has one."`
	Running       bool     `nxc:"running,computed" doc:"Whether it runs. One that stopped is started again."`
	Published     []string `nxc:"published,computed,exclusive" doc:"What it takes of the host's ports, as ADDRESS:PORT/PROTOCOL."`
	CgroupParent  string   `nxc:"cgroup_parent,computed" doc:"Control group made for it alone, with systemd."`
}

// Mount is a file or folder of the engine's host, mounted inside.
type Mount struct {
	Source   string `nxc:"source,required" doc:"Absolute path on the engine's host."`
	Target   string `nxc:"target,required" doc:"Absolute path inside."`
	ReadOnly bool   `nxc:"read_only,optional,default=false" doc:"Cannot be written to from inside."`
}

// VolumeMount is a volume mounted inside.
type VolumeMount struct {
	Volume   string `nxc:"volume,required" doc:"The volume's name in the engine: docker_volume.X.volume_name."`
	Target   string `nxc:"target,required" doc:"Absolute path inside."`
	ReadOnly bool   `nxc:"read_only,optional,default=false" doc:"Cannot be written to from inside."`
}

// containers handles docker_container, whose objects are nodes.
type containers struct{ *engine }

// The hands that a container has.
var (
	_ sdk.Handler[Container]   = containers{}
	_ sdk.Updater[Container]   = containers{}
	_ sdk.Planner[Container]   = containers{}
	_ sdk.Validator[Container] = containers{}
	_ sdk.Execer[Container]    = containers{}
	_ sdk.Copier[Container]    = containers{}
	_ sdk.Powerer[Container]   = containers{}
	_ sdk.Consoler[Container]  = containers{}
	_ sdk.Linker[Container]    = containers{}
	_ sdk.Contexter[Container] = containers{}
)

// Create makes the container, puts its context in place, and starts it. A
// container that was never started is half made: that is how Find knows one.
func (c containers) Create(ctx context.Context, op sdk.Operation, want *Container) error {
	labels, err := marks(op, "docker_container", want.Name, want.Labels, want)
	if err != nil {
		return err
	}
	asked := *want
	if asked.ContainerName == "" {
		asked.ContainerName = outsideName(op, want.Name)
	}
	if asked.Systemd {
		asked.CgroupParent = c.cgroup.parent(op)
	}
	spec, err := c.spec(&asked, labels)
	if err != nil {
		return err
	}
	through, cancel, err := committed(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	op.Phase("creating the container")
	made, err := c.client.ContainerCreate(through, spec)
	if err != nil {
		return c.explainCreate(ctx, &asked, err)
	}
	asked.ID = made.ID
	*want = asked
	var files plugins.Context
	if op.Context != nil {
		op.Phase("copying the context")
		files = *op.Context
	}
	if err := c.furnish(through, want, want.System, files); err != nil {
		return err
	}
	if err := c.connectAll(through, op, want); err != nil {
		return err
	}
	return c.start(ctx, op, want)
}

// explainCreate says what was wrong with a container that the engine refused.
func (c containers) explainCreate(ctx context.Context, want *Container, err error) error {
	switch {
	case errdefs.IsConflict(err):
		seen, inspectErr := c.client.ContainerInspect(ctx, want.ContainerName, client.ContainerInspectOptions{})
		if inspectErr == nil && seen.Container.Config != nil {
			return sdk.AttributeError("container_name", "The engine has another container of this name",
				fmt.Sprintf("Container %s (%s, %s) is %s, and is left alone. Choose another container_name, or leave it out; or remove that one with docker rm.",
					want.ContainerName, seen.Container.ID[:12], seen.Container.State.Status, owner("docker_container", seen.Container.Config.Labels)))
		}
	case errdefs.IsNotFound(err) && strings.Contains(err.Error(), "image"):
		return sdk.AttributeError("image", "The engine does not have this image",
			fmt.Sprintf("%q is not among the engine's images. Get it with docker pull or docker load, or make it with a docker_image.", want.Image))
	}
	return fmt.Errorf("create container %s: %w", want.ContainerName, err)
}

// Update changes limits, further networks and the restart policy of a container,
// has it take on another system, starts one that stopped, and records a newer
// image, which a container with systemd uses from its next creation on.
func (c containers) Update(ctx context.Context, op sdk.Operation, have Container, want *Container) error {
	want.ID, want.ContainerName, want.CgroupParent = have.ID, have.ContainerName, have.CgroupParent
	if err := c.adjust(ctx, op, have, want); err != nil {
		return err
	}
	if err := c.reconnect(ctx, op, have, want); err != nil {
		return err
	}
	if have.System != want.System {
		if err := c.switchSystem(ctx, op, have, want); err != nil {
			return err
		}
	}
	if have.Running {
		return nil
	}
	return c.start(ctx, op, want)
}

func (c containers) Read(ctx context.Context, op sdk.Operation, have *Container) (bool, error) {
	seen, err := c.seek(ctx, op, have)
	if seen == nil || err != nil {
		return false, err
	}
	have.observe(seen, c.info.MemTotal)
	return true, nil
}

// seek returns the container that have stands for, by its identifier or, when
// that was never recorded, by its labels; nil when there is none.
func (c containers) seek(ctx context.Context, op sdk.Operation, have *Container) (*container.InspectResponse, error) {
	id := have.ID
	if id == "" {
		if op.Attempt == "" {
			return nil, nil
		}
		list, err := c.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofDeployment(op, "docker_container", true)})
		if err != nil {
			return nil, fmt.Errorf("look for container %s: %w", have.Name, err)
		}
		if len(list.Items) == 0 {
			return nil, nil
		}
		id = list.Items[0].ID
	}
	seen, err := c.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read container %s: %w", have.ContainerName, err)
	}
	if seen.Container.State == nil || seen.Container.Config == nil {
		return nil, fmt.Errorf("read container %s: the engine's answer lacks its state", have.ContainerName)
	}
	return &seen.Container, c.identifyNetworks(ctx, &seen.Container)
}

// observe takes over what the engine, whose host has so much memory, says of
// the container. A paused one runs: somebody is experimenting.
func (w *Container) observe(seen *container.InspectResponse, memory int64) {
	w.ID, w.ContainerName = seen.ID, strings.TrimPrefix(seen.Name, "/")
	w.Running = seen.State.Running
	if seen.HostConfig != nil {
		w.observeLimits(seen.HostConfig, memory)
	}
	if seen.HostConfig != nil && w.Systemd {
		w.CgroupParent = seen.HostConfig.CgroupParent
	}
	if seen.NetworkSettings == nil || !w.Running {
		return
	}
	w.observeNetworks(seen)
	if _, fixed := claimsOf(w.Ports); !fixed {
		w.Published = nil
		for inside, bound := range seen.NetworkSettings.Ports {
			for _, b := range bound {
				if b.HostIP.Is4() {
					w.Published = append(w.Published, fmt.Sprintf("%s:%s/%s", b.HostIP, b.HostPort, inside.Proto()))
				}
			}
		}
		slices.Sort(w.Published)
	}
}

// Delete asks the command to end, waits ten seconds at most, and removes the
// container, its anonymous volumes and its control groups.
func (c containers) Delete(ctx context.Context, op sdk.Operation, have *Container) error {
	seen, err := c.seek(ctx, op, have)
	if err != nil {
		return err
	}
	if seen == nil {
		c.removeParent(ctx, op, *have)
		return nil
	}
	if !ours(op, "docker_container", seen.Config.Labels) {
		return notOurs("container", strings.TrimPrefix(seen.Name, "/"), seen.ID, seen.Config.Labels)
	}
	if seen.State.Running {
		op.Phase("stopping the container")
		if err := c.stop(ctx, seen); err != nil {
			return err
		}
	}
	op.Phase("removing the container")
	if err := c.removeWholly(ctx, seen.ID); err != nil {
		return fmt.Errorf("remove container %s: %w", seen.Name, err)
	}
	if have.CgroupParent == "" && seen.HostConfig != nil && strings.Contains(seen.HostConfig.CgroupParent, "nxc") {
		have.CgroupParent = seen.HostConfig.CgroupParent
	}
	c.removeParent(ctx, op, *have)
	return nil
}

// removeWholly removes a container, and returns when it is gone. Another removal
// may be under way, of a provider that was killed, and the engine may give that
// one up: then this one removes it.
func (c containers) removeWholly(ctx context.Context, id string) error {
	for {
		_, err := c.client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case err == nil, errdefs.IsNotFound(err):
			return nil
		case !strings.Contains(err.Error(), "already in progress"):
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c containers) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Container], error) {
	list, err := c.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ofDeployment(op, "docker_container", false)})
	if err != nil {
		return nil, fmt.Errorf("find containers: %w", err)
	}
	var found []sdk.Found[Container]
	for _, one := range list.Items {
		f := sdk.Found[Container]{
			Address:  one.Labels[labelAddress],
			Attempt:  one.Labels[labelAttempt],
			Complete: one.State != container.StateCreated,
		}
		if err := askedFor(one.Labels, &f.Object); err != nil {
			return nil, err
		}
		f.Object.ID = one.ID
		seen, err := c.seek(ctx, op, &f.Object)
		if err != nil {
			return nil, err
		}
		if seen != nil {
			f.Object.observe(seen, c.info.MemTotal)
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b sdk.Found[Container]) int { return strings.Compare(a.Object.ID, b.Object.ID) })
	return found, nil
}
