package command

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
)

func providersCommand(env *Env) *command {
	var asJSON bool
	return &command{
		synopsis: "List the providers and what they offer",
		usage:    "[-json]",
		help: `
Lists the providers that come with nxc and those that are installed, with
their flavours, resources and data sources.`,
		flags: func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print JSON for programs") },
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "providers", args); bad {
				return status
			}
			p := newPlugins(env, xdg(env, "XDG_CACHE_HOME", ".cache"), logger(env))
			var list []providerJSON
			status := exitOK
			for _, name := range p.Names() {
				schema, diags := p.Schema(ctx, name)
				if diags.HasErrors() {
					fmt.Fprintf(env.Stderr, "nxc providers: %s: %s\n", name, diags.Error())
					status = exitError
					continue
				}
				list = append(list, describeProvider(name, p.Source(name), schema))
			}
			if asJSON {
				printed := printJSON(env, struct {
					FormatVersion string         `json:"format_version"`
					Providers     []providerJSON `json:"providers"`
				}{"1.0", list})
				return max(status, printed)
			}
			for _, d := range list {
				fmt.Fprintf(env.Stdout, "%s %s (%s)\n", d.Name, d.Version, d.Source)
				for _, part := range []struct {
					what  string
					names []string
				}{{"flavours", d.Flavours}, {"resources", d.Resources}, {"data", d.Data}} {
					if len(part.names) > 0 {
						fmt.Fprintf(env.Stdout, "  %-10s %s\n", part.what, strings.Join(part.names, ", "))
					}
				}
			}
			return status
		},
	}
}

type providerJSON struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Source    string   `json:"source"`
	Flavours  []string `json:"flavours"`
	Resources []string `json:"resources"`
	Data      []string `json:"data"`
}

func describeProvider(name, source string, s *plugins.Schema) providerJSON {
	d := providerJSON{Name: name, Version: s.Version, Source: source, Flavours: []string{}, Resources: []string{}, Data: []string{}}
	for n := range s.Flavours {
		d.Flavours = append(d.Flavours, n)
	}
	for n := range s.Resources {
		d.Resources = append(d.Resources, n)
	}
	for n := range s.Data {
		d.Data = append(d.Data, n)
	}
	slices.Sort(d.Flavours)
	slices.Sort(d.Resources)
	slices.Sort(d.Data)
	return d
}
