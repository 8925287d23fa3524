package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Node is one node of a composition.
type Node struct {
	Name    string  `nxc:"name,required,replace" doc:"Host name."`
	System  string  `nxc:"system,required,replace" doc:"Store path of its system, whose programs it has."`
	Network string  `nxc:"network,required,replace" doc:"Namespace of the switch that it is plugged into."`
	Address string  `nxc:"address,required,replace" doc:"IPv4 address."`
	Bits    int     `nxc:"bits,replace,default=24" doc:"How many bits of the address are the network's."`
	Command Command `nxc:"command" doc:"What it runs from its start, for a shell."`
	ID      string  `nxc:"id,computed" doc:"Name of its namespace."`
	Root    string  `nxc:"root,computed" doc:"Folder that is its root."`
}

type nodes struct{ *world }

var (
	_ sdk.Handler[Node]   = nodes{}
	_ sdk.Updater[Node]   = nodes{}
	_ sdk.Execer[Node]    = nodes{}
	_ sdk.Copier[Node]    = nodes{}
	_ sdk.Consoler[Node]  = nodes{}
	_ sdk.Contexter[Node] = nodes{}
)

func (n nodes) Create(ctx context.Context, op sdk.Operation, want *Node) error {
	want.ID = n.nameOf(op)
	dir := n.folder("nodes", want.ID)
	want.Root = filepath.Join(dir, "root")
	if err := record.Begin(op, dir, *want); err != nil {
		return err
	}
	op.Phase("laying out its root")
	if err := n.lay(want); err != nil {
		return err
	}
	if op.Context != nil {
		if err := n.SetContext(ctx, op, want, *op.Context); err != nil {
			return err
		}
	}
	op.Phase("plugging it in")
	if err := plug(ctx, want); err != nil {
		return err
	}
	if err := n.start(want); err != nil {
		return err
	}
	return record.Finish(dir, *want)
}

// lay makes a root around the system, which does not boot.
func (n nodes) lay(o *Node) error {
	links := map[string]string{
		"run/current-system": o.System,
		"bin/sh":             "/run/current-system/sw/bin/sh",
		"usr/bin/env":        "/run/current-system/sw/bin/env",
		"etc/hosts":          "nxc/hosts",
	}
	etc, _ := os.ReadDir(n.store.Place(o.System + "/etc")) // a system may have none
	for _, e := range etc {
		if name := "etc/" + e.Name(); name != "etc/hosts" && name != "etc/nxc" {
			links[name] = "/run/current-system/" + name
		}
	}
	for _, name := range []string{"lib", "lib64"} { // of systems that are not made of store paths alone
		if _, err := os.Stat(n.store.Place(o.System + "/usr/" + name)); err == nil {
			links[name] = o.System + "/usr/" + name
		}
	}
	for _, dir := range []string{"bin", "dev", "etc", "nix/store", "proc", "root", "run", "tmp", "usr/bin", "var"} {
		if err := os.MkdirAll(filepath.Join(o.Root, dir), 0o755); err != nil {
			return err
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(o.Root, name)); err != nil {
			return err
		}
	}
	return nil
}

// plug makes the node's namespace, and a cable from there to its network's.
func plug(ctx context.Context, o *Node) error {
	in := "-n " + o.ID
	port := o.ID[len(o.ID)-12:] // an interface has at most 15 letters
	return ip(ctx,
		"netns add "+o.ID,
		fmt.Sprintf("%s link add eth0 type veth peer name %s netns %s", in, port, o.Network),
		fmt.Sprintf("-n %s link set %s master br0 up", o.Network, port),
		fmt.Sprintf("%s address add %s/%d dev eth0", in, o.Address, o.Bits),
		in+" link set lo up",
		in+" link set eth0 up",
	)
}

func (n nodes) console(o *Node) string { return filepath.Join(n.folder("nodes", o.ID), "console") }

// start starts the node's command, which outlives the plugin.
func (n nodes) start(o *Node) error {
	console, err := os.OpenFile(n.console(o), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer console.Close()
	script := o.Command.script()
	if script == "" {
		return nil
	}
	cmd := n.inside(o, plugins.Process{Command: []string{"/bin/sh", "-c", script}})
	cmd.Stdout, cmd.Stderr = console, console
	return sdk.Detach(cmd)
}

// Read misses nodes that are gone, as all are when this machine was restarted.
func (nodes) Read(_ context.Context, _ sdk.Operation, have *Node) (bool, error) {
	return exists(have.ID), nil
}

// Update is for the command alone: all else makes another node.
func (n nodes) Update(ctx context.Context, op sdk.Operation, have Node, want *Node) error {
	want.ID, want.Root = have.ID, have.Root
	op.Phase("starting its command again")
	if err := stop(ctx, have.ID); err != nil {
		return err
	}
	if err := n.start(want); err != nil {
		return err
	}
	return record.Finish(n.folder("nodes", want.ID), *want)
}

func (n nodes) Delete(ctx context.Context, op sdk.Operation, have *Node) error {
	return n.remove(ctx, op, "nodes", have.ID)
}

func (n nodes) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Node], error) {
	return record.Find[Node](n.folder("nodes", ""), n.prefix, op.UUID)
}

// enter runs a program in a node's root, where it sees the store, its own host
// name, and the devices and processes of this machine. The mounts are the
// program's own: ip netns exec gives it a mount namespace.
const enter = `set -e
store=$1 root=$2
hostname "$3"
shift 3
mount -o bind,ro "$store" "$root/nix/store"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
exec chroot "$root" "$@"
`

func (n nodes) inside(o *Node, p plugins.Process) *exec.Cmd {
	args := []string{
		"netns", "exec", o.ID, "unshare", "--uts", "sh", "-c", enter, "sh", n.store.Place("/nix/store"), o.Root, o.Name,
		"/usr/bin/env", "-i", "PATH=/run/current-system/sw/bin:/bin", "HOME=/root", "USER=root",
	}
	args = append(args, p.Env...)
	dir := p.Dir
	if dir == "" {
		dir = "/root"
	}
	args = append(args, "/bin/sh", "-c", `cd "$0" && exec "$@"`, dir)
	return exec.Command("ip", append(args, p.Command...)...)
}
