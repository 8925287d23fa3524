package deploy

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
)

// BuildOptions say what becomes of a build.
type BuildOptions struct {
	Out    string // folder for the flavours' files; "" writes none
	DryRun bool   // build and write nothing
}

// Built is what a build gave, or would give, a deployment.
type Built struct {
	Deployment addr.Deployment
	Outputs    []BuiltOutput // systems first, then artifacts
	Files      []string      // written, below Out
	Missing    *nix.Missing  // what a build would take; nil when it is not known
}

// BuiltOutput is a store path and what it is for.
type BuiltOutput struct {
	Kind string // "system" or "artifact"
	Name string // of the role or artifact
	Path string
	Drv  string // the derivation that it is built from
}

// Build realises what the planned deployments consist of and writes the files
// that their flavours contribute, without applying anything. The state is not
// touched. With Out, links there keep what the files speak of from the garbage
// collector; without, the next apply decides what is kept.
func (p *Project) Build(ctx context.Context, planned *Planned, o BuildOptions) ([]Built, hcl.Diagnostics) {
	var list []Built
	for _, d := range planned.Deployments {
		built := Built{Deployment: d.Name, Outputs: outputsOf(d)}
		folder := o.Out
		if len(planned.Deployments) > 1 {
			folder = filepath.Join(o.Out, folderName(d.Name))
		}
		if o.DryRun {
			for _, f := range d.expansion.Files {
				if o.Out != "" {
					built.Files = append(built.Files, filepath.Join(folder, filepath.FromSlash(f.Path)))
				}
			}
			missing, diags := p.wouldTake(ctx, d)
			if diags.HasErrors() {
				return list, diags
			}
			built.Missing = missing
			list = append(list, built)
			continue
		}
		roots := p.rootFolder(d.Name)
		if o.Out != "" {
			roots = filepath.Join(folder, "gcroots")
		}
		if diags := p.realiseInto(ctx, d, roots, "Nothing was written."); diags.HasErrors() {
			return list, diags
		}
		if o.Out != "" {
			files, err := writeFiles(folder, d.expansion.Files)
			if err == nil {
				err = nix.Prune(roots, pathsOf(built.Outputs))
			}
			if err != nil {
				return list, hcl.Diagnostics{errorf("The files of "+d.Name.String()+" cannot be written", "%s", sentence(err))}
			}
			built.Files = files
		}
		list = append(list, built)
	}
	return list, nil
}

// wouldTake asks what the build of a deployment would take.
func (p *Project) wouldTake(ctx context.Context, d *Deployment) (*nix.Missing, hcl.Diagnostics) {
	n, diags := p.startNix()
	if diags.HasErrors() {
		return nil, diags
	}
	missing, err := n.Missing(ctx, neededOutputs(d), func(e nix.Event) { p.o.Events.Nix(d.Name, e) })
	if err != nil {
		return nil, hcl.Diagnostics{errorf("What a build of "+d.Name.String()+" would take cannot be said", "%s", sentence(err))}
	}
	return missing, nil
}

// BuildPlanned builds what a plan needs, without applying it, and completes the
// plan with what only a build tells: what the closures of systems that change
// consist of.
func (p *Project) BuildPlanned(ctx context.Context, planned *Planned) hcl.Diagnostics {
	if _, diags := p.Build(ctx, planned, BuildOptions{}); diags.HasErrors() {
		return diags
	}
	n, diags := p.startNix()
	if diags.HasErrors() {
		return diags
	}
	for _, d := range planned.Deployments {
		for i := range d.Roles {
			d.Roles[i].compareClosures(ctx, n)
		}
	}
	return nil
}

// realiseInto builds what a deployment needs, kept by links in a folder.
func (p *Project) realiseInto(ctx context.Context, d *Deployment, roots, otherwise string) hcl.Diagnostics {
	outputs := neededOutputs(d)
	if len(outputs) == 0 {
		return nil
	}
	n, diags := p.startNix()
	if diags.HasErrors() {
		return diags
	}
	p.o.Events.Step("Building " + d.Name.String())
	if err := n.Realise(ctx, outputs, roots, func(e nix.Event) { p.o.Events.Nix(d.Name, e) }); err != nil {
		e := errorf("The build of "+d.Name.String()+" failed", "%v\n%s", err, otherwise)
		e.Subject = p.Config.RangeOf(addr.Instance{Deployment: d.Name}, nil)
		return hcl.Diagnostics{e}
	}
	return nil
}

// outputsOf names what a deployment consists of.
func outputsOf(d *Deployment) []BuiltOutput {
	var list []BuiltOutput
	for _, role := range sortedKeys(d.Evaluation.Roles) {
		if slices.ContainsFunc(d.Nodes, func(n Node) bool { return n.Role == role }) {
			list = append(list, BuiltOutput{"system", role, d.Evaluation.Roles[role].System.Path, d.Evaluation.Roles[role].System.Drv})
		}
	}
	for _, name := range sortedKeys(d.Evaluation.Artifacts) {
		list = append(list, BuiltOutput{"artifact", name, d.Evaluation.Artifacts[name].Path, d.Evaluation.Artifacts[name].Drv})
	}
	return list
}

func pathsOf(outputs []BuiltOutput) []string {
	paths := make([]string, len(outputs))
	for i, o := range outputs {
		paths[i] = o.Path
	}
	return paths
}

// String says what an output is, for people.
func (o BuiltOutput) String() string { return fmt.Sprintf("%s %s", o.Kind, o.Name) }
