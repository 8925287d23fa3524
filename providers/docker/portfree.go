package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// portsFree finds out, before anything is made, whether the ports that a
// container is to publish are somebody else's. Its own are free for it, and
// those of the deployment's other containers are the core's to order; other
// deployments of nxc's may give theirs up by the time of the apply.
func (c containers) portsFree(ctx context.Context, op sdk.Operation, prior *Container, p *sdk.Planned[Container]) error {
	if c.client == nil || len(p.Value.Ports) == 0 || p.Unknown("port") {
		return nil
	}
	for i, port := range p.Value.Ports {
		if port.Host == 0 || prior != nil && prior.Running && slices.Contains(prior.Ports, port) {
			continue
		}
		if err := c.portFree(ctx, op, fmt.Sprintf("port[%d]", i), port); err != nil {
			return err
		}
	}
	return nil
}

func (c containers) portFree(ctx context.Context, op sdk.Operation, path string, p Port) error {
	list, err := c.containersNow(ctx)
	if err != nil {
		return err
	}
	for _, one := range list {
		if !publishes(one, p) || len(one.Names) == 0 {
			continue
		}
		name := strings.TrimPrefix(one.Names[0], "/")
		switch {
		case one.Labels[labelType] != "docker_container":
			return sdk.AttributeError(path, fmt.Sprintf("Port %d of the host is taken", p.Host),
				fmt.Sprintf("The container %s (%s) has %s. Stop it, or publish another port.", name, owner("docker_container", one.Labels), p.claim()))
		case op.UUID == "" || one.Labels[labelDeployment] != op.UUID:
			return sdk.Warn(fmt.Sprintf("Port %d of the host is taken now", p.Host),
				fmt.Sprintf("The container %s (%s) has %s. Unless it is removed first, the apply fails.", name, owner("docker_container", one.Labels), p.claim()))
		}
		return nil
	}
	if holder := c.programAt(p); holder != "" {
		return sdk.AttributeError(path, fmt.Sprintf("Port %d of the host is taken", p.Host),
			fmt.Sprintf("%s already listens on %s. Stop it, or publish another port.", holder, p.claim()))
	}
	return nil
}

// containersNow are the engine's running containers, asked for once: nothing
// that is planned changes them.
func (e *engine) containersNow(ctx context.Context) ([]container.Summary, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running != nil {
		return e.running, nil
	}
	list, err := e.client.ContainerList(ctx, client.ContainerListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the engine's containers: %w", err)
	}
	e.running = append([]container.Summary{}, list.Items...)
	return e.running, nil
}

// publishes reports whether a container has a port of the host.
func publishes(c container.Summary, p Port) bool {
	return slices.ContainsFunc(c.Ports, func(used container.PortSummary) bool {
		return p.collides(Port{Host: int64(used.PublicPort), Protocol: used.Type, Address: used.IP.String()})
	})
}

// programAt names the program of this machine that listens where a port is to
// be published; "" when there is none, or when it cannot be told. The kernel's
// tables say who has the port; whether one that listens on every address of
// IPv6 has it for IPv4 too, only an attempt says.
func (e *engine) programAt(p Port) string {
	if !e.sameHost() {
		return ""
	}
	var inodes []string
	for _, table := range []string{ownNetwork + p.Protocol, ownNetwork + p.Protocol + "6"} {
		if f, err := os.Open(table); err == nil {
			inodes = append(inodes, listeners(bufio.NewScanner(f), p.Host)...)
			f.Close()
		}
	}
	if len(inodes) == 0 || !refused(p) {
		return ""
	}
	if name := programWith(inodes); name != "" {
		return name
	}
	return "Another program"
}

// refused tries to listen as the engine would, and reports whether somebody is
// in the way.
func refused(p Port) bool {
	address := net.JoinHostPort(p.Address, strconv.FormatInt(p.Host, 10))
	var err error
	switch p.Protocol {
	case "tcp":
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			l.Close()
		}
	case "udp":
		var l net.PacketConn
		if l, err = net.ListenPacket("udp", address); err == nil {
			l.Close()
		}
	}
	return errors.Is(err, syscall.EADDRINUSE)
}
