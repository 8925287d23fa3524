package view

import (
	"fmt"

	"github.com/nixos-compose/nxc/deploy"
)

// builtJSON is a deployment that was built, or would be.
type builtJSON struct {
	Deployment  string            `json:"deployment"`
	Systems     map[string]string `json:"systems"`
	Artifacts   map[string]string `json:"artifacts"`
	Derivations map[string]string `json:"derivations"` // by what is built from them
	Files       []string          `json:"files"`
	DryRun      bool              `json:"dry_run"`
}

// Built shows what was built, or would be.
func (h *Human) Built(list []deploy.Built, dry bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	h.status, h.nix = "", nixStatus{}
	for _, b := range list {
		fmt.Fprintf(h.o.Out, "%s\n", h.bold(b.Deployment.String()))
		for _, o := range b.Outputs {
			fmt.Fprintf(h.o.Out, "  %-18s %s\n", o, o.Path)
		}
		verb := "wrote"
		if dry {
			verb = "would write"
		}
		for _, f := range b.Files {
			fmt.Fprintf(h.o.Out, "  %-18s %s\n", verb, f)
		}
	}
	if dry {
		fmt.Fprintln(h.o.Out, "Nothing was built.")
	}
}

// Built prints one line a deployment.
func (j *JSON) Built(list []deploy.Built, dry bool) {
	for _, b := range list {
		out := &builtJSON{
			Deployment: b.Deployment.String(), Files: b.Files, DryRun: dry,
			Systems: map[string]string{}, Artifacts: map[string]string{}, Derivations: map[string]string{},
		}
		if out.Files == nil {
			out.Files = []string{}
		}
		for _, o := range b.Outputs {
			if o.Drv != "" {
				out.Derivations[o.Path] = o.Drv
			}
			if o.Kind == "system" {
				out.Systems[o.Name] = o.Path
			} else {
				out.Artifacts[o.Name] = o.Path
			}
		}
		j.emit(message{Type: "built", Message: "built " + b.Deployment.String(), Built: out})
	}
}
