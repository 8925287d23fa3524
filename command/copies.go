package command

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
)

// copying is one file or folder to be copied from one place to another.
type copying struct {
	from, to deploy.Place
	below    string // folder in to
	node     string // whose it is: the one of several, or the only one
	text     string // the source as it was typed
	missing  hcl.Diagnostics
}

// copy copies all but the last place into, or to, the last.
func (f *cpFlags) copy(ctx context.Context, env *Env, places []namedPlace) int {
	f.all = true
	soft, _, stop := interruptible(ctx, func(int) {})
	defer stop()
	return f.open(soft, env, "cp", func(o opened) int {
		byNode, diags := o.copies(soft, places)
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		t := &transport{opened: o, json: f.json, out: &sharedOutput{out: env.Stdout}, of: len(byNode)}
		found := make([]hcl.Diagnostics, len(byNode))
		shown := t.show()
		each(soft, len(byNode), f.nodes.parallel, func(i int) { found[i] = t.copyAll(soft, byNode[i]) })
		shown()
		if soft.Err() != nil {
			return exitInterrupted
		}
		failed := 0
		for _, diags := range found {
			o.view.Diagnostics(diags)
			if diags.HasErrors() {
				failed++
			}
		}
		if failed == 0 {
			return exitOK
		}
		if t.of > 1 {
			o.view.Note(fmt.Sprintf("%d of %d nodes failed.", failed, t.of))
		}
		return exitError
	})
}

// copies finds the nodes of places and lists what is to be copied, for each
// node of several apart.
func (o opened) copies(ctx context.Context, places []namedPlace) ([][]copying, hcl.Diagnostics) {
	here := []deploy.ChosenNode{{}}
	nodes := make([][]deploy.ChosenNode, len(places))
	for i, p := range places {
		if nodes[i] = here; p.on == nil {
			if _, err := os.Stat(p.path); err != nil && i < len(places)-1 {
				return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Cannot read " + p.text, Detail: err.Error() + "."}}
			}
			continue
		}
		var diags hcl.Diagnostics
		if nodes[i], diags = o.ChooseNodes(ctx, *p.on); diags.HasErrors() {
			return nil, diags
		}
	}
	last := len(places) - 1
	path := places[last].path
	if last > 1 && !strings.HasSuffix(path, "/") {
		path += "/" // several are copied into a folder
	}
	var order []string
	jobs := map[string][]copying{}
	for _, to := range nodes[last] {
		taken := map[string]string{}
		for i, p := range places[:last] {
			for _, from := range nodes[i] {
				c := copying{text: p.text, from: deploy.Place{Node: from.RunningNode, Path: p.path}, to: deploy.Place{Node: to.RunningNode, Path: path}}
				c.missing = append(append(c.missing, from.Missing...), to.Missing...)
				if c.node = to.Label; p.many() || c.node == "" {
					c.node = from.Label
				}
				if p.many() {
					c.below = filepath.FromSlash(from.Label)
				}
				if clash := c.clash(taken, last > 1); clash != nil {
					return nil, hcl.Diagnostics{clash}
				}
				key := c.node
				if !p.many() && !places[last].many() {
					key = "" // in their order, one after the other
				}
				if jobs[key] == nil {
					order = append(order, key)
				}
				jobs[key] = append(jobs[key], c)
			}
		}
	}
	list := make([][]copying, len(order))
	for i, key := range order {
		list[i] = jobs[key]
	}
	return list, nil
}

// clash complains when two copies would have one name.
func (c *copying) clash(taken map[string]string, several bool) *hcl.Diagnostic {
	if !several && c.below == "" {
		return nil
	}
	name := path.Join(filepath.ToSlash(c.below), path.Base(filepath.ToSlash(filepath.Clean(c.from.Path))))
	other, clashes := taken[name]
	taken[name] = c.text
	if !clashes {
		return nil
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Two copies would have one name",
		Detail: fmt.Sprintf("%s and %s would both become %s. Copy them one by one, to names of their own; what comes from nodes of a pattern such as 'client*' lies in a folder for each.", other, c.text, name),
	}
}

// transport copies for many nodes at one time, and shows how far it is.
type transport struct {
	opened
	json bool
	out  *sharedOutput
	of   int

	moved atomic.Int64
	mu    sync.Mutex
	done  int
	what  string
}

// copyEvent is one line of nxc cp -json. It is part of the interface.
type copyEvent struct {
	Type    string `json:"type"` // copy
	Node    string `json:"node"`
	From    string `json:"from"`
	Bytes   int64  `json:"bytes"` // of the files
	Problem string `json:"problem,omitempty"`
}

// copyAll copies what is to be copied for one node, until something fails.
func (t *transport) copyAll(ctx context.Context, list []copying) (diags hcl.Diagnostics) {
	for _, c := range list {
		t.mu.Lock()
		t.what = c.text
		t.mu.Unlock()
		var bytes int64
		more := c.missing
		if !more.HasErrors() {
			more = t.TransferInto(ctx, c.from, c.to, c.below, func(n int) { bytes += int64(n); t.moved.Add(int64(n)) })
		}
		more = ofNode(c.node, more)
		diags = append(diags, more...)
		if t.json {
			line, err := json.Marshal(copyEvent{Type: "copy", Node: c.node, From: c.text, Bytes: bytes, Problem: inOneLine(more)})
			if err == nil {
				_, _ = t.out.Write(append(line, '\n'))
			}
		}
		if more.HasErrors() {
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	return diags
}

// oneDone counts a node that is done with.
func (t *transport) oneDone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
}

// show tells how far it is until the returned function is called.
func (t *transport) show() (stop func()) {
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				t.mu.Lock()
				text := "Copying " + t.what
				if t.of > 1 {
					text += fmt.Sprintf(", %d of %d nodes done", t.done, t.of)
				}
				t.mu.Unlock()
				t.view.Step(text + ", " + view.Bytes(t.moved.Load()))
			}
		}
	})
	return func() { close(done); ended.Wait() }
}

// ofNode makes errors name their node, where they do not.
func ofNode(node string, diags hcl.Diagnostics) hcl.Diagnostics {
	if node == "" {
		return diags
	}
	var list hcl.Diagnostics
	for _, d := range diags {
		named := *d
		words := strings.FieldsFunc(d.Summary, func(r rune) bool { return r == ' ' || r == ':' || r == ',' })
		if !slices.Contains(words, node) {
			named.Summary = node + ": " + d.Summary
		}
		list = append(list, &named)
	}
	return list
}
