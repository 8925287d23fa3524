package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strings"

	"github.com/nixos-compose/nxc/deploy"
)

func cpCommand(env *Env) *command {
	f := &cpFlags{}
	return &command{
		synopsis: "Copy files to, from and between nodes",
		usage:    "[flags] SOURCE… DESTINATION",
		help: `
Copies files and folders, with their modes, times and links. NODE:/PATH is on a
node, anything else on this machine. A destination that is a folder, or ends
with a slash, is copied into; any other becomes the copy's name. Folders are
copied whole.

A NODE may be a pattern such as 'client*' or client[1-3]; with -role or -all,
:/PATH is on each node that these choose. To several nodes, each gets a copy;
what comes from several lies in a folder for each, DESTINATION/NODE/. A node
that fails hinders no other, and the exit status says so.

Examples:
  nxc cp results.csv server:/tmp/
  nxc cp server:/var/log/nginx logs
  nxc cp client1:/tmp/a client2:/tmp/b
  nxc cp -role client input.csv :/srv/
  nxc cp 'client*:/tmp/out.csv' results`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			places, err := f.places(args)
			if err != nil {
				fmt.Fprintln(env.Stderr, "nxc cp:", err)
				return exitError
			}
			return f.copy(ctx, env, places)
		},
	}
}

// cpFlags are what can be said to nxc cp.
type cpFlags struct {
	projectFlags
	nodes nodeFlags
}

func (f *cpFlags) register(fs *flag.FlagSet) {
	f.projectFlags.register(fs)
	f.nodes.register(fs, 16)
}

// namedPlace is a place as it was typed.
type namedPlace struct {
	text, path string
	on         *deploy.Choice // nil: this machine
}

// many reports whether the place can be on several nodes.
func (p namedPlace) many() bool { return p.on != nil && p.on.IsMany() }

// onANode matches NODE:PATH, COMPOSITION::FLAVOUR/NODE:PATH and :PATH.
var onANode = regexp.MustCompile(`^((?:[^:/]+::[^:/]+/)?[^:/]*):([^:].*)?$`)

// places understands the arguments: sources, and a destination.
func (f *cpFlags) places(args []string) ([]namedPlace, error) {
	if len(args) < 2 {
		return nil, errors.New("name what to copy and where, such as: nxc cp file server:/tmp/")
	}
	places := make([]namedPlace, len(args))
	remote, flagged, several := false, false, false
	for i, a := range args {
		var err error
		if places[i], err = f.place(a); err != nil {
			return nil, err
		}
		remote = remote || places[i].on != nil
		flagged = flagged || strings.HasPrefix(a, ":")
		several = several || i < len(args)-1 && places[i].many()
	}
	switch {
	case !remote:
		return nil, errors.New("none of these is on a node; write NODE:/PATH")
	case f.nodes.given() && !flagged:
		return nil, errors.New("-role and -all choose the nodes of :/PATH; write that for a source or the destination")
	case f.nodes.all && len(f.nodes.roles) > 0:
		return nil, errors.New("-all takes every node; leave out -role, or -all")
	case f.nodes.parallel < 0:
		return nil, errors.New("-parallel is not below zero")
	case several && places[len(places)-1].many():
		return nil, errors.New("the source or the destination is on several nodes, not both")
	}
	return places, nil
}

func (f *cpFlags) place(text string) (namedPlace, error) {
	if text == "" {
		return namedPlace{}, errors.New("a path is empty")
	}
	m := onANode.FindStringSubmatch(text)
	if m == nil || strings.HasPrefix(text, ".") {
		return namedPlace{text: text, path: text}, nil
	}
	node, path := m[1], m[2]
	switch {
	case !strings.HasPrefix(path, "/"):
		return namedPlace{}, fmt.Errorf("%q names no absolute path on the node %s; for a file of this machine, write ./%s", text, node, text)
	case node == "" && !f.nodes.given():
		return namedPlace{}, fmt.Errorf("%q names no node; write NODE:%s, or choose nodes with -role or -all", text, path)
	case node == "":
		return namedPlace{text, path, &deploy.Choice{Roles: f.nodes.roles}}, nil
	}
	return namedPlace{text, path, &deploy.Choice{Targets: []string{node}}}, nil
}
