package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/state"
)

func stateListCommand(env *Env) *command {
	var f stateFlags
	return &command{
		synopsis: "List the resources in the state",
		usage:    "[flags] [ADDRESS...]",
		help: `
Lists the addresses of all objects, or of those that begin with an ADDRESS.

Examples:
  nxc state list
  nxc state list composition.webserver.docker
  nxc state list -json`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			s, ok := f.read(ctx, env, "state list")
			if !ok {
				return exitError
			}
			list := []stateResourceJSON{}
			for _, r := range s.Resources() {
				if begins(r.Address.String(), args) {
					list = append(list, describeResource(r))
				}
			}
			if f.json {
				return printJSON(env, struct {
					FormatVersion string              `json:"format_version"`
					Resources     []stateResourceJSON `json:"resources"`
				}{"1.0", list})
			}
			for _, r := range list {
				fmt.Fprintln(env.Stdout, r.Address)
			}
			return exitOK
		},
	}
}

// begins reports whether an address is one of the prefixes or below it.
func begins(address string, prefixes []string) bool {
	return len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool {
		rest, ok := strings.CutPrefix(address, p)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func stateShowCommand(env *Env) *command {
	var f stateFlags
	return &command{
		synopsis: "Show one resource in the state",
		usage:    "[flags] ADDRESS",
		help: `
Shows everything that the state holds of one object.

Examples:
  nxc state show docker_network.lan
  nxc state show 'composition.webserver.docker.docker_container["server"]'`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) != 1 {
				fmt.Fprintln(env.Stderr, "nxc state show: name one address; nxc state list shows them")
				return exitError
			}
			s, ok := f.read(ctx, env, "state show")
			if !ok {
				return exitError
			}
			a, err := targetAddress(s, args[0])
			if err != nil {
				return printError(env, "state show", err)
			}
			r := s.Resource(a)
			if r == nil {
				var known []string
				for _, r := range s.Resources() {
					known = append(known, r.Address.String())
				}
				return printError(env, "state show", fmt.Errorf("the state has no %s%s", a, suggest(a.String(), known)))
			}
			if f.json {
				return printJSON(env, describeResource(r))
			}
			return showResource(env, r)
		},
	}
}

// targetAddress reads an address, or a node's name as people write it.
func targetAddress(s *state.State, text string) (addr.Instance, error) {
	if name, node, ok := strings.Cut(text, "/"); ok && strings.Contains(name, "::") {
		d, err := addr.ParseDeployment(name)
		if err != nil {
			return addr.Instance{}, err
		}
		if record := s.Deployment(d); record != nil && record.Node(node) != nil {
			return record.Node(node).Resource, nil
		}
		return addr.Instance{}, fmt.Errorf("%s has no node %q", d, node)
	}
	return addr.Parse(text)
}

func showResource(env *Env, r *state.Resource) int {
	d := describeResource(r)
	fmt.Fprintf(env.Stdout, "# %s\nprovider = %s\nattempt  = %s\n", d.Address, d.Provider, d.Attempt)
	if d.Status != "" {
		fmt.Fprintf(env.Stdout, "status   = %s\n", d.Status)
	}
	for _, dep := range d.Dependencies {
		fmt.Fprintf(env.Stdout, "after    = %s\n", dep)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, d.Values, "", "  "); err != nil {
		return printError(env, "state show", err)
	}
	fmt.Fprintln(env.Stdout, pretty.String())
	return exitOK
}
