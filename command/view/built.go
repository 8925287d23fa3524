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
	Build       []string          `json:"would_build,omitempty"` // derivations
	Fetch       []string          `json:"would_fetch,omitempty"` // store paths
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
		if b.Missing != nil {
			h.missing("would build", b.Missing.Build)
			h.missing("would fetch", b.Missing.Fetch)
		}
	}
	if dry {
		fmt.Fprintln(h.o.Out, "Nothing was built.")
	}
}

// missingShown is how many store paths of a build to come are named.
const missingShown = 20

// missing names what a build would make, or fetch.
func (h *Human) missing(verb string, paths []string) {
	for _, path := range paths[:min(len(paths), missingShown)] {
		fmt.Fprintf(h.o.Out, "  %-18s %s\n", verb, path)
	}
	if more := len(paths) - missingShown; more > 0 {
		fmt.Fprintf(h.o.Out, "  %-18s %d more\n", verb, more)
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
		if b.Missing != nil {
			out.Build, out.Fetch = b.Missing.Build, b.Missing.Fetch
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
