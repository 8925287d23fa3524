// Package sdktest checks that a provider keeps the protocol's promises: that
// reading agrees with creating, that planning again finds nothing to do, that
// deleting twice is fine, that nothing leaks when a create is cut short.
//
// Run drives a provider over the real protocol, on its real outside. It does
// not know what a resource is for; a provider's own tests say that.
package sdktest

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Suite is a provider and what to try on it.
type Suite struct {
	Provider sdk.Provider // served in this process, over gRPC

	// Config is the provider block: a cty.Value, or a map[string]any with Go
	// values as encoding/json knows them. Nil is an empty block.
	Config any

	// Folders are what Configure gets; those left out are temporary ones.
	Folders plugins.Folders

	// Command runs the same provider as a child process that is killed in the
	// middle of its work; see Main and Self. Nil skips these checks.
	Command []string

	// Outside lists by any names what exists outside on the provider's
	// account, so that the suite sees what Find does not. Nil skips the check.
	Outside func(t *testing.T) []string

	// Writes counts the changes made outside so far, so that the suite sees
	// that planning makes none. Nil skips the check.
	Writes func() int

	Cases []Case
}

// Case is one resource and what is done to it. Config and Update are given as
// Suite.Config is; attributes left out are null.
type Case struct {
	Name   string // of the subtest; "": Type
	Type   string
	Config any
	Update any // another configuration; nil: no update is tried

	// Context is what the node is told at its creation.
	Context *plugins.Context

	// Break removes the object behind the provider's back.
	Break func(t *testing.T, object cty.Value)

	// Invisible says that nothing exists outside, so that Find finds nothing
	// and Read has nothing to miss.
	Invisible bool

	// Drifts names attributes that change by themselves.
	Drifts []string

	// ImportID returns the provider's own name for an object; nil: not tried.
	ImportID func(object cty.Value) string

	// Shell runs a script on the node, by default /bin/sh -c; CopyTo is a
	// folder on it. Both are for nodes that offer exec and copy.
	Shell  []string
	CopyTo string

	// Root returns where the node's root is for programs on it; nil: "/".
	Root func(object cty.Value) string

	// Kills is how often each verb is killed, spread over the time that it
	// takes; 0 is 4.
	Kills int
}

// Run runs the suite. Whatever it created is removed at the end, also when a
// check fails.
func Run(t *testing.T, s Suite) {
	t.Helper()
	p := Serve(t, s.Provider)
	schema, d := p.Schema(t.Context())
	if d.HasErrors() {
		t.Fatalf("Schema: %v", d)
	}
	t.Run("schema", func(t *testing.T) { checkSchema(t, schema) })
	config := configValue(t, &schema.Config, s.Config)
	s.Folders = withFolders(t, s.Folders)
	location, d := p.Configure(t.Context(), plugins.ConfigureRequest{Config: config, Folders: s.Folders})
	if d.HasErrors() {
		t.Fatalf("Configure: %v", d)
	}
	if location.Kind == "" || location.ID == "" || location.Label == "" {
		t.Errorf("Configure: the location %+v needs a kind, an id and a label", location)
	}
	for _, c := range s.Cases {
		name := c.Name
		if name == "" {
			name = c.Type
		}
		rt := schema.Resources[c.Type]
		if rt == nil {
			t.Errorf("case %s: the provider has no resource type %q", name, c.Type)
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := &run{Case: c, suite: &s, p: p, rt: rt, config: config, uuid: newID(16), took: map[plugins.Action]time.Duration{}}
			r.all(t)
		})
	}
}

// withFolders makes the folders that are missing.
func withFolders(t *testing.T, f plugins.Folders) plugins.Folders {
	for _, folder := range []*string{&f.Project, &f.State, &f.Cache, &f.Keys} {
		if *folder == "" {
			*folder = t.TempDir()
		}
	}
	if f.Runtime == "" { // sockets lie there: its path must be short
		dir, err := os.MkdirTemp("", "nxc")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		f.Runtime = dir
	}
	return f
}

// newID returns n random bytes in hex, as core draws uuids and attempts.
func newID(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// limit bounds each call: a conforming provider is quicker on any machine.
const limit = 5 * time.Minute
