package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/state"
)

func inventoryCommand(env *Env) *command {
	var f projectFlags
	return &command{
		synopsis: "Print an Ansible inventory of the nodes",
		usage:    "[flags]",
		help: `
Prints an Ansible inventory of all nodes of a deployment, with a group for each
role. With -json it has the form of a dynamic inventory. Ansible connects as
nxc ssh-config says, so an ssh server must run on the nodes.

Examples:
  nxc inventory > hosts.ini
  ansible -i hosts.ini client -m raw -a hostname
  nxc inventory -flavour docker -json`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) > 0 {
				fmt.Fprintln(env.Stderr, "nxc inventory: it is of all nodes of a deployment; choose that with -flavour")
				return exitError
			}
			write := inventoryINI
			if f.json {
				write = inventoryJSON
			}
			f.json = false // of the inventory, not of what nxc has to tell
			return f.withSSH(ctx, env, "inventory", func(a *deploy.SSHAccess, _ string) error { return write(env.Stdout, a) })
		},
	}
}

// group is the nodes of a role.
type group struct {
	name  string
	nodes []state.Node
}

// groupsOf sorts nodes by role, and within it by index.
func groupsOf(a *deploy.SSHAccess) []group {
	nodes := slices.Clone(a.Nodes)
	slices.SortFunc(nodes, func(a, b state.Node) int {
		return cmp.Or(strings.Compare(groupName(a.Role), groupName(b.Role)), strings.Compare(a.Role, b.Role),
			cmp.Compare(a.Index, b.Index), strings.Compare(a.Name, b.Name))
	})
	var groups []group
	for _, n := range nodes {
		name := groupName(n.Role)
		if len(groups) == 0 || groups[len(groups)-1].name != name {
			groups = append(groups, group{name: name})
		}
		last := &groups[len(groups)-1]
		last.nodes = append(last.nodes, n)
	}
	return groups
}

// groupName is a role's name as Ansible allows it.
func groupName(role string) string { return strings.NewReplacer("-", "_", ".", "_").Replace(role) }

// sharedVariables are those of all nodes.
func sharedVariables(a *deploy.SSHAccess) [][2]string {
	return [][2]string{
		{"ansible_user", "root"},
		{"ansible_ssh_common_args", "-F " + shellWord(a.Config)},
	}
}

func inventoryINI(out io.Writer, a *deploy.SSHAccess) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# The nodes of %s, by nxc inventory.\n", a.Deployment)
	for _, g := range groupsOf(a) {
		fmt.Fprintf(&b, "\n[%s]\n", g.name)
		for _, n := range g.nodes {
			fmt.Fprintf(&b, "%s ansible_host=%s\n", n.Name, a.Alias(n.Name))
		}
	}
	b.WriteString("\n[all:vars]\n")
	for _, v := range sharedVariables(a) {
		fmt.Fprintf(&b, "%s=%s\n", v[0], v[1])
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func inventoryJSON(out io.Writer, a *deploy.SSHAccess) error {
	variables, hosts, children := map[string]string{}, map[string]any{}, []string{}
	inventory := map[string]any{}
	for _, v := range sharedVariables(a) {
		variables[v[0]] = v[1]
	}
	for _, g := range groupsOf(a) {
		children = append(children, g.name)
		var names []string
		for _, n := range g.nodes {
			names = append(names, n.Name)
			hosts[n.Name] = map[string]string{"ansible_host": a.Alias(n.Name)}
		}
		inventory[g.name] = map[string]any{"hosts": names}
	}
	inventory["all"] = map[string]any{"children": children, "vars": variables}
	inventory["_meta"] = map[string]any{"hostvars": hosts}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(inventory)
}
