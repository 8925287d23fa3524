package command

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/nixoscompose"
)

// convertProject writes a configuration for a project of NixOSCompose.
func convertProject(ctx context.Context, env *Env, folder, roles string) int {
	fail := func(err error) int {
		fmt.Fprintln(env.Stderr, "nxc init:", err)
		return exitError
	}
	if present, _ := filepath.Glob(filepath.Join(folder, "*.nxc.hcl")); len(present) > 0 {
		return fail(fmt.Errorf("%s is there already: this folder has a configuration, and needs no init; go on with nxc plan", present[0]))
	}
	project, err := nixoscompose.Read(folder, roles)
	if err != nil {
		return fail(err)
	}
	offer := nixoscompose.Offer{Flavours: offeredFlavours(ctx, env, project.Flavour)}
	if project.Flake {
		composed, err := flakeCompositions(ctx, env, project.Dir)
		if err != nil {
			return fail(err)
		}
		offer.Compositions, offer.Outputs = composed.Names, composed.Outputs
	}
	converted := nixoscompose.Convert(project, offer)
	path := filepath.Join(folder, converted.File)
	if err := atomicfile.Write(path, converted.Text, 0o644); err != nil {
		return fail(err)
	}
	fmt.Fprintf(env.Stdout, "wrote %s:\n\n", path)
	for line := range strings.Lines(string(converted.Text)) {
		fmt.Fprint(env.Stdout, "  ", line)
	}
	if len(converted.Notes) > 0 {
		fmt.Fprintln(env.Stdout)
	}
	for _, note := range converted.Notes {
		fmt.Fprintln(env.Stdout, "-", note)
	}
	next := "nxc plan"
	if folder != "." {
		next = "cd " + folder + " && nxc plan"
	}
	fmt.Fprintf(env.Stdout, "\nNow look at it, and run: %s\n", next)
	return exitOK
}

// flakeCompositions asks Nix which compositions a flake has.
func flakeCompositions(ctx context.Context, env *Env, folder string) (nix.Compositions, error) {
	var none nix.Compositions
	n, err := nix.New(nix.Options{CacheDir: xdg(env, "XDG_CACHE_HOME", ".cache"), Logger: logger(env)})
	if err != nil {
		return none, fmt.Errorf("Nix is not here, and must say what the flake composes: %w", err)
	}
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return none, err
	}
	return n.Compositions(ctx, absolute)
}

// offeredFlavours lists the flavours for which a project of NixOSCompose can be
// converted, the lightest first, as far as there are providers for them. Its own
// default is one of them.
func offeredFlavours(ctx context.Context, env *Env, own string) []string {
	p := newPlugins(env, xdg(env, "XDG_CACHE_HOME", ".cache"), logger(env))
	var offered []string
	for _, name := range p.Names() {
		schema, diags := p.Schema(ctx, name)
		if diags.HasErrors() {
			continue // it is of no use now, and plan says why
		}
		offered = append(offered, describeProvider(name, "", schema).Flavours...)
	}
	known := []string{"docker", "vm-ramdisk", "vm", "nixos-test", "g5k-image", "g5k-ramdisk", "g5k-nfs-store"}
	if !slices.Contains(known, own) {
		known = append(known, own)
	}
	return slices.DeleteFunc(known, func(flavour string) bool { return !slices.Contains(offered, flavour) })
}
