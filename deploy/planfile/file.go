// Package planfile reads and writes saved plans: what "nxc plan -out" leaves
// for "nxc apply FILE".
//
// A saved plan is a record to compare with, and no program: it says what was
// asked for, on which state, and what was going to be done. Who applies it
// plans again and compares, so that a file that was changed, or that is old,
// can make nxc refuse, and never make it do something that nobody saw.
//
// The package knows the file's form and what differs between two of them. It
// neither plans nor applies.
package planfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Format is the version of the file that this nxc writes and reads.
const Format = 1

// File is a saved plan. The same plan of the same state is the same bytes.
type File struct {
	Format    int    `json:"nxc_plan"`
	Version   string `json:"version"`           // of the nxc that made it, for people
	Lineage   string `json:"lineage,omitempty"` // of the state; none: there was no state yet
	Workspace string `json:"workspace"`
	// Hashes are those of the deployments that the plan changes or reads, as
	// the state had them; "top" is the top level, and "" is nothing recorded.
	Hashes  map[string]string `json:"hashes"`
	Request Request           `json:"request"`
	Record  Record            `json:"plan"`
}

// Request is what was asked for: with it the same plan is made again.
type Request struct {
	Destroy  bool     `json:"destroy,omitempty"`
	Flavours []string `json:"flavours,omitempty"`
	Replace  []string `json:"replace,omitempty"`
	// Variables are the values that variables had, however they were given.
	Variables map[string]json.RawMessage `json:"variables,omitempty"`
	// Withheld are sensitive variables to which a value was given. It is not
	// here, and must be given again.
	Withheld []string `json:"withheld,omitempty"`
}

// Record is what was going to be done.
type Record struct {
	Rearranges  bool         `json:"rearranges,omitempty"` // moved, removed or import blocks have something to do
	Notices     []string     `json:"notices,omitempty"`
	Deployments []Deployment `json:"deployments,omitempty"`
	Drift       []Drift      `json:"drift,omitempty"`
	Changes     []Change     `json:"changes,omitempty"`
	Outputs     []Output     `json:"outputs,omitempty"`
	Left        []string     `json:"left,omitempty"`
}

// Deployment is one deployment that takes part.
type Deployment struct {
	Name     string    `json:"name"`
	Type     string    `json:"type,omitempty"` // of its flavour
	Provider string    `json:"provider,omitempty"`
	Location *Location `json:"location,omitempty"`
	Source   string    `json:"source,omitempty"` // the composition's file, where it is inside the project
	Nixpkgs  *Nixpkgs  `json:"nixpkgs,omitempty"`
	Was      *Pin      `json:"nixpkgs_changes,omitempty"`
	Roles    []Role    `json:"roles,omitempty"`
	Systems  []Changed `json:"systems,omitempty"`
	Nodes    []Node    `json:"nodes,omitempty"`
	Contexts []Context `json:"contexts,omitempty"`
}

// Location is where a deployment's provider points at.
type Location struct {
	Kind  string `json:"kind"`
	ID    string `json:"id"`
	Label string `json:"label,omitempty"`
}

// Nixpkgs is what a composition is made from.
type Nixpkgs struct {
	Label    string `json:"label,omitempty"`
	Revision string `json:"revision,omitempty"`
}

// Pin says, in people's words, that nixpkgs moved.
type Pin struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Role is the system of a role.
type Role struct {
	Name       string `json:"name"`
	System     string `json:"system"`
	Derivation string `json:"derivation,omitempty"`
}

// Changed is a role whose system becomes another one, and what is in both, as
// far as that was known: it is told, and not compared.
type Changed struct {
	Role string          `json:"role"`
	From string          `json:"from"`
	To   string          `json:"to"`
	Told json.RawMessage `json:"told,omitempty"`
}

// Node is a node by its role and its resource.
type Node struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Resource string `json:"resource"`
	Address  string `json:"address_attribute,omitempty"`
}

// Context is a node that will be told something new.
type Context struct {
	Node string `json:"node"`
	What string `json:"what"`
}

// Change is what becomes of one object.
type Change struct {
	Address     string   `json:"address"`
	Deposed     int      `json:"deposed,omitempty"`
	From        string   `json:"from,omitempty"`
	Provider    string   `json:"provider,omitempty"`
	Action      string   `json:"action"`
	CreateFirst bool     `json:"create_before_destroy,omitempty"`
	Before      *Value   `json:"before,omitempty"`
	After       *Value   `json:"after,omitempty"`
	Changed     []Path   `json:"changed,omitempty"`
	Reasons     []Reason `json:"reasons,omitempty"`
}

// Reason says why; its path is the attribute that is the cause.
type Reason struct {
	Path Path   `json:"path,omitempty"`
	Text string `json:"text,omitempty"`
}

// Drift is what changed outside nxc.
type Drift struct {
	Address  string `json:"address"`
	Deposed  int    `json:"deposed,omitempty"`
	Provider string `json:"provider,omitempty"`
	Recorded *Value `json:"recorded,omitempty"`
	Current  *Value `json:"current,omitempty"`
	Gone     string `json:"gone,omitempty"`
}

// Output is an output before and after.
type Output struct {
	Deployment string `json:"deployment,omitempty"`
	Name       string `json:"name"`
	Sensitive  bool   `json:"sensitive,omitempty"`
	Before     *Value `json:"before,omitempty"`
	After      *Value `json:"after,omitempty"`
}

// Encode returns the file's bytes.
func (f *File) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("cannot write a saved plan: %w", err)
	}
	return b.Bytes(), nil
}

// ErrNoPlan is returned for something else than a saved plan.
var ErrNoPlan = errors.New("it is no saved plan: nxc plan -out FILE writes one")

// Decode reads a saved plan. It returns ErrNoPlan for what was never one.
func Decode(data []byte) (*File, error) {
	var head struct {
		Format *int   `json:"nxc_plan"`
		By     string `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil && !isPlan(data) {
		return nil, ErrNoPlan
	} else if err != nil {
		return nil, fmt.Errorf("the saved plan is broken: %w", err)
	}
	switch {
	case head.Format == nil:
		return nil, ErrNoPlan
	case *head.Format > Format:
		return nil, fmt.Errorf("the plan was saved by nxc %s, in a form (%d) that this nxc does not know: use that version, or plan again", head.By, *head.Format)
	case *head.Format != Format:
		return nil, fmt.Errorf("the saved plan has the form %d, which never was: plan again", *head.Format)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	f := &File{}
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("the saved plan is broken: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the saved plan is broken: something follows its end")
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("the saved plan is broken: %w", err)
	}
	return f, nil
}

// isPlan reports whether something that is no JSON was meant to be a plan.
func isPlan(data []byte) bool {
	return strings.HasPrefix(strings.Join(strings.Fields(string(data[:min(len(data), 100)])), ""), `{"nxc_plan":`)
}

// check demands that names mean something.
func (f *File) check() error {
	var names []string
	for name := range f.Hashes {
		if name != Top {
			names = append(names, name)
		}
	}
	for i := range f.Record.Deployments {
		names = append(names, f.Record.Deployments[i].Name)
	}
	names = append(names, f.Record.Left...)
	for _, name := range names {
		if d, err := addr.ParseDeployment(name); err != nil || d.String() != name {
			return fmt.Errorf("%q is no deployment", name)
		}
	}
	addresses := f.Request.Replace
	for i := range f.Record.Changes {
		c := &f.Record.Changes[i]
		addresses = append(addresses, c.Address)
		if c.From != "" {
			addresses = append(addresses, c.From)
		}
	}
	for i := range f.Record.Drift {
		addresses = append(addresses, f.Record.Drift[i].Address)
	}
	for i := range f.Record.Deployments {
		for _, n := range f.Record.Deployments[i].Nodes {
			addresses = append(addresses, n.Resource)
		}
	}
	for _, a := range addresses {
		if _, err := addr.Parse(a); err != nil {
			return err
		}
	}
	return nil
}

// Top names the top level.
const Top = "top"

// NameOf names a deployment as the file does.
func NameOf(d addr.Deployment) string {
	if d.IsTop() {
		return Top
	}
	return d.String()
}
