package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nixos-compose/nxc/deploy"
)

func cpCommand(env *Env) *command {
	var f projectFlags
	return &command{
		synopsis: "Copy files to, from and between nodes",
		usage:    "[flags] SOURCE… DESTINATION",
		help: `
Copies files and folders. NODE:/PATH is on a node, anything else on this
machine. A destination that is a folder, or ends with a slash, is copied into;
any other becomes the copy's name. Folders are copied whole.

Examples:
  nxc cp results.csv server:/tmp/
  nxc cp server:/var/log/nginx logs
  nxc cp client1:/tmp/a client2:/tmp/b`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) < 2 {
				fmt.Fprintln(env.Stderr, "nxc cp: name what to copy and where, such as: nxc cp file server:/tmp/")
				return exitError
			}
			places := make([]namedPlace, len(args))
			remote := false
			for i, a := range args {
				var err error
				if places[i], err = placeOfText(a); err != nil {
					fmt.Fprintf(env.Stderr, "nxc cp: %v\n", err)
					return exitError
				}
				remote = remote || places[i].node != ""
			}
			if !remote {
				fmt.Fprintln(env.Stderr, "nxc cp: none of these is on a node; write NODE:/PATH")
				return exitError
			}
			return f.copy(ctx, env, places)
		},
	}
}

// namedPlace is a place as it was typed.
type namedPlace struct{ node, path string }

// onANode matches NODE:PATH and COMPOSITION::FLAVOUR/NODE:PATH.
var onANode = regexp.MustCompile(`^((?:[^:/]+::[^:/]+/)?[^:/]+):([^:].*)?$`)

func placeOfText(text string) (namedPlace, error) {
	if text == "" {
		return namedPlace{}, errors.New("a path is empty")
	}
	m := onANode.FindStringSubmatch(text)
	if m == nil || strings.HasPrefix(text, ".") {
		return namedPlace{path: text}, nil
	}
	if !strings.HasPrefix(m[2], "/") {
		return namedPlace{}, fmt.Errorf("%q names no absolute path on the node %s; for a file of this machine, write ./%s", text, m[1], text)
	}
	return namedPlace{m[1], m[2]}, nil
}

// copy copies all but the last place into, or to, the last.
func (f *projectFlags) copy(ctx context.Context, env *Env, places []namedPlace) int {
	f.all = true
	soft, _, stop := interruptible(ctx, func(int) {})
	defer stop()
	return f.open(soft, env, "cp", func(o opened) int {
		found := make([]deploy.Place, len(places))
		for i, p := range places {
			found[i].Path = p.path
			if p.node == "" {
				continue
			}
			node, diags := o.RunningNode(soft, p.node)
			o.view.Diagnostics(diags)
			if diags.HasErrors() {
				return exitError
			}
			found[i].Node = node
		}
		last := len(found) - 1
		if last > 1 && !strings.HasSuffix(found[last].Path, "/") {
			found[last].Path += "/" // several are copied into a folder
		}
		for i, from := range found[:last] {
			o.view.Step("Copying " + places[i].path)
			diags := o.Transfer(soft, from, found[last])
			if soft.Err() != nil {
				return exitInterrupted
			}
			o.view.Diagnostics(diags)
			if diags.HasErrors() {
				return exitError
			}
		}
		return exitOK
	})
}
