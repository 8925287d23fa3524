package docker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// ownNetwork is the kernel's folder of tables of the network that we are in.
// /proc/net is that of the process's first thread, which may have gone into a
// container's network to shape it (see link.go) and never comes back.
const ownNetwork = "/proc/thread-self/net/"

// portTaken turns the engine's refusal to publish a port into an error that
// names who has it; nil when err is something else.
func (e *engine) portTaken(ctx context.Context, have *Container, err error) error {
	text := err.Error()
	if !strings.Contains(text, "already allocated") && !strings.Contains(text, "address already in use") {
		return nil
	}
	for _, p := range have.Ports {
		if p.Host == 0 || !strings.Contains(text, ":"+strconv.FormatInt(p.Host, 10)) {
			continue
		}
		holder := e.holderOf(ctx, p, have.ID)
		if holder == "" {
			holder = "another program"
		}
		return sdk.AttributeError("port", fmt.Sprintf("Port %d of the host is taken", p.Host),
			fmt.Sprintf("%s already listens on %s. Stop it, or publish another port.", holder, p.claim()))
	}
	return nil
}

// holderOf says who has a port of the host: a container, or a program of this
// machine; "" when nobody knows.
func (e *engine) holderOf(ctx context.Context, p Port, except string) string {
	list, err := e.client.ContainerList(ctx, client.ContainerListOptions{})
	if err == nil {
		for _, c := range list.Items {
			for _, used := range c.Ports {
				if c.ID != except && int64(used.PublicPort) == p.Host && used.Type == p.Protocol && len(c.Names) > 0 {
					return fmt.Sprintf("The container %s (%s)", strings.TrimPrefix(c.Names[0], "/"), owner("docker_container", c.Labels))
				}
			}
		}
	}
	if !e.sameHost() {
		return ""
	}
	for _, table := range []string{ownNetwork + p.Protocol, ownNetwork + p.Protocol + "6"} {
		if f, err := os.Open(table); err == nil {
			inodes := listeners(bufio.NewScanner(f), p.Host)
			f.Close()
			if name := programWith(inodes); name != "" {
				return name
			}
		}
	}
	return ""
}

// listeners returns the socket inodes that listen on a port, from one of the
// kernel's socket tables.
func listeners(lines *bufio.Scanner, port int64) []string {
	const listening, unconnected = "0A", "07" // of TCP, of UDP
	suffix := fmt.Sprintf(":%04X", port)
	var inodes []string
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) > 9 && strings.HasSuffix(f[1], suffix) && (f[3] == listening || f[3] == unconnected) {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// programWith names the process that holds one of the socket inodes, as far as
// we may look.
func programWith(inodes []string) string {
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, d := range descriptors {
		target, err := os.Readlink(d)
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if err != nil || !isSocket || !slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			continue
		}
		pid := strings.Split(d, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("The program %s (process %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
