package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// CollectOptions say what to collect, and where to.
type CollectOptions struct {
	Paths   []string // absolute, on every node
	Out     string   // folder of this machine
	Replace bool     // an Out that is there gives way
	// Each calls do for every index below n, concurrently, and returns when
	// all have returned. When ctx ends it begins no further call.
	Each  func(ctx context.Context, n int, do func(i int))
	Moved func(n int) // told of bytes that go by; may be called concurrently
}

// Collect copies files of nodes, which are of one deployment, into a folder
// for each, and writes a manifest of what ran there. The folder appears when
// all is in it: a crash leaves the old one, or none. What could not be
// collected is in the manifest, and no error, as long as something was.
func (p *Project) Collect(ctx context.Context, nodes []ChosenNode, o CollectOptions) (*Manifest, hcl.Diagnostics) {
	paths, diags := collectedPaths(o.Paths)
	if diags.HasErrors() {
		return nil, diags
	}
	deployment, diags := p.collectedFrom(nodes)
	if diags.HasErrors() {
		return nil, diags
	}
	if diags := outIsFree(o); diags.HasErrors() {
		return nil, diags
	}
	draft, diags := openDraft(o.Out)
	if diags.HasErrors() {
		return nil, diags
	}
	defer draft.close()
	m := p.manifestOf(deployment, paths)
	m.Started = now()
	m.Nodes = make([]CollectedNode, len(nodes))
	var mu sync.Mutex
	var problem hcl.Diagnostics
	for i, n := range nodes {
		m.Nodes[i] = p.collectedNode(deployment, n)
	}
	o.Each(ctx, len(nodes), func(i int) {
		err := p.collectNode(ctx, nodes[i], &m.Nodes[i], paths, draft.folder, o.Moved)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && problem == nil {
			problem = hcl.Diagnostics{errorf("The results cannot be written", "%s", sentence(err))}
		}
	})
	switch {
	case ctx.Err() != nil:
		return m, hcl.Diagnostics{errorf("Interrupted", "Nothing was kept.")}
	case problem != nil:
		return m, problem
	case !slices.ContainsFunc(m.Nodes, func(n CollectedNode) bool { return len(n.Failed) < len(paths) }):
		return m, nil
	}
	m.Finished = now()
	content, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = atomicfile.Write(filepath.Join(draft.folder, "manifest.json"), append(content, '\n'), 0o644)
	}
	if err == nil {
		err = draft.publish(o)
	}
	if err != nil {
		return m, hcl.Diagnostics{errorf("The results cannot be put in place", "%s", sentence(err))}
	}
	m.Out = o.Out
	return m, nil
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// collectedPaths checks the paths and drops what is named twice.
func collectedPaths(given []string) ([]string, hcl.Diagnostics) {
	var paths []string
	for _, p := range given {
		clean := path.Clean(p)
		switch {
		case !strings.HasPrefix(p, "/"):
			return nil, hcl.Diagnostics{errorf(fmt.Sprintf("%q is not an absolute path", p), "A path on a node begins with a slash, such as /tmp/results.")}
		case clean == "/":
			return nil, hcl.Diagnostics{errorf("All of a node cannot be collected", "Name the folders that the results are in.")}
		}
		if !slices.Contains(paths, clean) {
			paths = append(paths, clean)
		}
	}
	slices.Sort(paths)
	for i, p := range paths {
		for _, outer := range paths[:i] {
			if strings.HasPrefix(p, outer+"/") {
				return nil, hcl.Diagnostics{errorf(p+" would be collected twice", "It is inside %s, which is collected whole. Leave one of them out.", outer)}
			}
		}
	}
	return paths, nil
}

// collectedFrom is the deployment that all the nodes are of.
func (p *Project) collectedFrom(nodes []ChosenNode) (addr.Deployment, hcl.Diagnostics) {
	of := nodes[0].deployment
	for _, n := range nodes {
		if n.deployment != of {
			return of, hcl.Diagnostics{errorf("These nodes are of several deployments", "Collect those of %s and of %s one after the other, each into a folder of its own with -out.", of, n.deployment)}
		}
	}
	return of, nil
}

// outIsFree refuses to overwrite what nobody said may go.
func outIsFree(o CollectOptions) hcl.Diagnostics {
	entries, err := os.ReadDir(o.Out)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return hcl.Diagnostics{errorf("The results have no place", "%s", sentence(err))}
	case !o.Replace:
		return hcl.Diagnostics{errorf(o.Out+" is there already", "Choose another folder with -out, or have this one replaced with -replace.")}
	}
	if _, err := os.Stat(filepath.Join(o.Out, "manifest.json")); err != nil {
		return hcl.Diagnostics{errorf(o.Out+" holds no results", "Only a folder that nxc collect made is replaced, and this one has no manifest.json. Choose another one with -out.")}
	}
	return nil
}

// collectNode copies the paths of one node and lists what came. An error is
// this machine's; the node's are in its record.
func (p *Project) collectNode(ctx context.Context, n ChosenNode, record *CollectedNode, paths []string, folder string, moved func(int)) error {
	for _, from := range paths {
		fail := func(reason string) {
			record.Failed = append(record.Failed, FailedPath{Path: from, Reason: reason})
		}
		if n.Missing.HasErrors() {
			fail(n.Missing[0].Summary)
			continue
		}
		diags := p.TransferInto(ctx, Place{Node: n.RunningNode, Path: from}, Place{Path: folder}, record.Name+path.Dir(from), moved)
		if ctx.Err() != nil {
			return nil
		}
		at := filepath.Join(folder, record.Name, filepath.FromSlash(from))
		reason := ""
		if diags.HasErrors() {
			reason = firstProblem(diags)
		} else if target, err := os.Readlink(at); err == nil {
			reason = "is a link to " + target + "; collect that"
		}
		if reason == "" {
			continue
		}
		fail(reason)
		if err := os.RemoveAll(at); err != nil { // half of it is not it
			return err
		}
		for dir := filepath.Dir(at); dir != folder && os.Remove(dir) == nil; {
			dir = filepath.Dir(dir)
		}
	}
	var err error
	record.Files, err = listFiles(folder, record.Name)
	return err
}

// firstProblem is the first error, in a line.
func firstProblem(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return d.Summary
		}
	}
	return ""
}
