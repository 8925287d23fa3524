package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/state"
)

// Manifests of deployed systems lie under .nxc/manifests, one a system, so
// that the next plan can say what changes inside.

func (p *Project) manifestPath(system string) string {
	return filepath.Join(p.Store.Folder(), "manifests", filepath.Base(system)+".json")
}

func (p *Project) saveManifest(system string, m nix.Manifest) error {
	path := p.manifestPath(system)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return atomicfile.Write(path, append(content, '\n'), 0o644)
}

func (p *Project) loadManifest(system string) (nix.Manifest, bool) {
	return readManifest(p.Store.Folder(), system)
}

// rootFolder holds a deployment's GC roots.
func (p *Project) rootFolder(d addr.Deployment) string {
	return filepath.Join(p.Store.Folder(), "gcroots", d.Composition+"."+d.Flavour)
}

// prune gives up the GC roots of what a deployment no longer uses, and brings
// the files that are kept of it up to date.
func (p *Project) prune(record *state.Deployment, d *Deployment) {
	folder := p.rootFolder(record.Name)
	if len(record.Nodes) == 0 {
		if err := os.RemoveAll(folder); err != nil {
			p.o.Logger.Warn("roots not removed", "folder", folder, "err", err)
		}
		p.dropFiles(record)
		return
	}
	var keep []string
	for _, n := range record.Nodes {
		keep = append(keep, n.System)
	}
	if d != nil {
		p.keepFiles(record, d)
		for _, name := range sortedKeys(d.Evaluation.Artifacts) {
			keep = append(keep, d.Evaluation.Artifacts[name].Path)
		}
	}
	if err := nix.Prune(folder, keep); err != nil {
		p.o.Logger.Warn("roots not pruned", "folder", folder, "err", err)
	}
}

// roleChanges says what changes inside the systems of roles whose nodes are
// replaced.
func (p *Project) roleChanges(ctx context.Context, d *Deployment, made *plan.Plan) []RoleChange {
	recorded := p.recorded.Deployment(d.Name)
	if recorded == nil {
		return nil
	}
	old := map[string]string{}
	for _, n := range recorded.Nodes {
		if p.recorded.Resource(n.Resource) != nil {
			old[n.Role] = n.System
		}
	}
	var list []RoleChange
	for _, role := range sortedKeys(d.Evaluation.Roles) {
		now := d.Evaluation.Roles[role]
		was, deployed := old[role]
		if !deployed || was == now.System.Path {
			continue
		}
		change := RoleChange{Role: role, Old: was, New: now.System.Path, Opaque: now.Opaque}
		if m, ok := p.loadManifest(was); ok && !now.Opaque {
			change.Known, change.Diff = true, nix.Diff(m, now.Manifest)
		}
		change.Size = p.sizes(ctx, was, now.System.Path)
		list = append(list, change)
	}
	return list
}

// sizes returns the closures' sizes where they are known without a build.
func (p *Project) sizes(ctx context.Context, was, now string) Sizes {
	s := Sizes{Old: -1, New: -1}
	n, diags := p.startNix()
	if diags.HasErrors() {
		return s
	}
	if c, err := n.Closure(ctx, was); err == nil {
		s.Old = c.Size
	}
	if c, err := n.Closure(ctx, now); err == nil {
		s.New = c.Size
	}
	return s
}

func upperFirst(s string) string {
	return strings.Map(unicode.ToUpper, s)
}

func trimStop(s string) string { return strings.TrimRight(s, ".\n") }
