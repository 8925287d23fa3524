package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
)

// contexts builds the context of every node of a deployment. It is called
// with what a plan knows, for creations, and again after the walk with what
// is known then.
type contexts struct {
	composition, flavour string
	nodes                []plugins.NodeFact // sorted by name
	keys                 *keyring           // nil: public parts only
}

// public returns the files that may stand anywhere, sorted by path.
func (c *contexts) public(node string) ([]plugins.ContextFile, error) {
	facts := plugins.Facts{Composition: c.composition, Flavour: c.flavour, Nodes: c.nodes}
	if c.keys != nil {
		facts.PublicKey = c.keys.public
	}
	return facts.Files(node)
}

// whole returns the context of a node that is about to be created, private
// parts included.
func (c *contexts) whole(node, attempt string) (*plugins.Context, error) {
	files, err := c.public(node)
	if err != nil {
		return nil, err
	}
	digest := digestOf(files)
	if c.keys != nil {
		private, err := c.keys.private(node, attempt)
		if err != nil {
			return nil, err
		}
		files = append(files, private...)
		slices.SortFunc(files, func(a, b plugins.ContextFile) int { return strings.Compare(a.Path, b.Path) })
	}
	return &plugins.Context{Files: files, Digest: digest}, nil
}

// digestOf identifies the public part of a context.
func digestOf(files []plugins.ContextFile) string {
	h := sha256.New()
	for _, f := range files {
		if f.Private {
			continue
		}
		fmt.Fprintf(h, "%s\x00%o\x00%d\x00", f.Path, f.Mode, len(f.Content))
		h.Write(f.Content)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
