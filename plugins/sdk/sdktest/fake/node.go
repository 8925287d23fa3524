package fake

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Node is a folder that plays a node.
type Node struct {
	Name     string `nxc:"name,required,replace,exclusive" doc:"Name of the folder."`
	HostName string `nxc:"host_name,replace" doc:"The node's own name."`
	System   string `nxc:"system,replace" doc:"Store path of its system. It is not started."`
	Network  string `nxc:"network,replace" doc:"The network's id."`
	Address  string `nxc:"address,optional,computed,replace" doc:"An address at which nobody answers."`
	Fail     string `nxc:"fail" doc:"Fault, as fake_thing has it."`
	Delay    string `nxc:"delay" doc:"How long its creation takes, such as 200ms."`
	ID       string `nxc:"id,computed" doc:"The attempt that made it."`
	Folder   string `nxc:"folder,computed" doc:"The folder that is the node's root."`
}

const nodeKind = "nodes"

type nodes struct{ *store }

var (
	_ sdk.Handler[Node]   = nodes{}
	_ sdk.Updater[Node]   = nodes{}
	_ sdk.Validator[Node] = nodes{}
	_ sdk.Execer[Node]    = nodes{}
	_ sdk.Copier[Node]    = nodes{}
	_ sdk.Powerer[Node]   = nodes{}
	_ sdk.Consoler[Node]  = nodes{}
	_ sdk.Contexter[Node] = nodes{}
)

func (nodes) Validate(_ context.Context, c Node) plugins.Diagnostics {
	return append(checkName(c.Name), checkFault(c.Fail)...)
}

func (n nodes) root(name string) string { return filepath.Join(n.folder(nodeKind, name), "root") }

// values are what Find gives back beside the name.
func (n *Node) values() map[string]string {
	return map[string]string{"host_name": n.HostName, "system": n.System, "network": n.Network, "address": n.Address}
}

func (n nodes) Create(ctx context.Context, op sdk.Operation, want *Node) error {
	if want.Address == "" {
		want.Address = "10.99.255.1"
	}
	err := n.create(ctx, op, nodeKind, want.Name, want.Fail, want.Delay, want.values(), func(string) error {
		if err := os.MkdirAll(filepath.Join(n.root(want.Name), "tmp"), 0o700); err != nil {
			return err
		}
		if op.Context != nil {
			if err := putContext(n.root(want.Name), *op.Context); err != nil {
				return err
			}
		}
		return n.say(want.Name, "started "+want.System)
	})
	if o, _ := n.mine(nodeKind, want.Name, op.Attempt); o != nil {
		want.ID, want.Folder = op.Attempt, n.root(want.Name)
	}
	return err
}

// say writes a line on the console.
func (n nodes) say(name, text string) error {
	f, err := os.OpenFile(n.consoleFile(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, text)
	return err
}

func (n nodes) consoleFile(name string) string {
	return filepath.Join(n.folder(nodeKind, name), "console")
}

func (n nodes) Read(_ context.Context, _ sdk.Operation, have *Node) (bool, error) {
	if have.Fail == failRead {
		return false, sdk.AttributeError("fail", "The fake provider does not read", "Remove fail.")
	}
	o, err := n.mine(nodeKind, have.Name, have.ID)
	return o != nil && n.there(nodeKind, have.Name), err
}

// Update has nothing to do outside: fault and delay are words for us only.
func (n nodes) Update(_ context.Context, _ sdk.Operation, have Node, want *Node) error {
	if want.Fail == failUpdate {
		return sdk.AttributeError("fail", "The fake provider does not update", "Remove fail.")
	}
	want.ID, want.Folder = have.ID, have.Folder
	return n.log("update", nodeKind, want.Name)
}

func (n nodes) Delete(_ context.Context, _ sdk.Operation, have *Node) error {
	return n.remove(nodeKind, have.Name, have.ID, have.Fail, func() error { return nil })
}

func (n nodes) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Node], error) {
	names, objects, err := n.find(nodeKind, op.UUID)
	var found []sdk.Found[Node]
	for i, o := range objects {
		found = append(found, sdk.Found[Node]{
			Address: o.Address, Attempt: o.Attempt, Complete: n.complete(nodeKind, names[i]),
			Object: Node{
				Name: names[i], HostName: o.Values["host_name"], System: o.Values["system"],
				Network: o.Values["network"], Address: o.Values["address"],
				ID: o.Attempt, Folder: n.root(names[i]),
			},
		})
	}
	return found, err
}

// Exec runs a program of the host in the node's folder.
func (n nodes) Exec(ctx context.Context, _ sdk.Operation, have *Node, p plugins.Process) (int, error) {
	if n.off(have) {
		return 0, sdk.Error(have.Name+" does not run", "It was stopped; start it first.")
	}
	if len(p.Command) == 0 {
		return 0, sdk.Error("There is no command", "")
	}
	cmd := exec.Command(p.Command[0], p.Command[1:]...)
	cmd.Dir = filepath.Join(have.Folder, p.Dir)
	cmd.Env = append(os.Environ(), "NODE="+have.HostName, "ROOT="+have.Folder)
	cmd.Env = append(cmd.Env, p.Env...)
	return sdk.RunCommand(ctx, cmd, p)
}

func (n nodes) offFile(have *Node) string { return filepath.Join(filepath.Dir(have.Folder), "off") }

func (n nodes) off(have *Node) bool {
	_, err := os.Stat(n.offFile(have))
	return err == nil
}

func (n nodes) Power(_ context.Context, op sdk.Operation, have *Node, a plugins.PowerAction) error {
	op.Phase(string(a))
	if err := n.log("power-"+string(a), nodeKind, have.Name); err != nil {
		return err
	}
	if err := n.say(have.Name, "power: "+string(a)); err != nil {
		return err
	}
	switch a {
	case plugins.PowerStop, plugins.PowerCrash, plugins.PowerPause:
		return os.WriteFile(n.offFile(have), nil, 0o600)
	default:
		if err := os.Remove(n.offFile(have)); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
}

func (n nodes) SetContext(_ context.Context, _ sdk.Operation, have *Node, c plugins.Context) error {
	if err := n.log("context", nodeKind, have.Name); err != nil {
		return err
	}
	return putContext(have.Folder, c)
}

// putContext writes a context's files below a node's root.
func putContext(root string, c plugins.Context) error {
	for _, f := range c.Files {
		path := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path+".new", f.Content, os.FileMode(f.Mode)); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

// Console shows what was said; with Follow, also what is said from then on.
func (n nodes) Console(ctx context.Context, _ sdk.Operation, have *Node, c plugins.Console) error {
	f, err := os.Open(n.consoleFile(have.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	history, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c.Output, lastLines(string(history), c.Tail)); err != nil {
		return err
	}
	for c.Follow {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := io.Copy(c.Output, f); err != nil {
			return err
		}
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	if n < 0 || n+1 >= len(lines) {
		return text
	}
	return strings.Join(lines[len(lines)-1-n:], "")
}
