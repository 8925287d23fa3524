package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
)

// Manifest says where collected files come from. Its JSON is part of the
// interface; apart from the times it is the same for the same results of the
// same deployment.
type Manifest struct {
	Format     int                  `json:"format"` // 1
	NXC        string               `json:"nxc"`    // version of nxc
	Started    string               `json:"started"`
	Finished   string               `json:"finished"`
	Deployment CollectedDeployment  `json:"deployment"`
	Paths      []string             `json:"paths"` // what was asked for, on every node
	Nodes      []CollectedNode      `json:"nodes"`
	Systems    map[string]SystemSum `json:"systems"` // store path to what is in it

	Out string `json:"-"` // where it lies now; "" when nothing came
}

// CollectedDeployment is the deployment that the nodes are of.
type CollectedDeployment struct {
	Name        string           `json:"name"`
	Composition string           `json:"composition"`
	Flavour     string           `json:"flavour"` // its label
	Type        string           `json:"type"`    // the flavour's
	UUID        string           `json:"uuid"`
	Nixpkgs     *CollectedPin    `json:"nixpkgs,omitempty"`
	Params      json.RawMessage  `json:"params,omitempty"`
	On          []CollectedPlace `json:"on"` // where it runs
	State       CollectedState   `json:"state"`
}

// CollectedPin is the nixpkgs that the systems were built with.
type CollectedPin struct {
	Label    string `json:"label,omitempty"`
	Revision string `json:"revision,omitempty"`
	Hash     string `json:"hash,omitempty"`
}

// CollectedPlace is where a provider of the deployment points.
type CollectedPlace struct {
	Provider string `json:"provider"`
	Kind     string `json:"kind"`
	ID       string `json:"id"`
	Label    string `json:"label,omitempty"`
}

// CollectedState names the state that the deployment was in.
type CollectedState struct {
	Lineage string `json:"lineage"`
	Hash    string `json:"hash"` // of all that the state says of the deployment
}

// CollectedNode is one node and what came from it.
type CollectedNode struct {
	Name    string          `json:"name"`
	Role    string          `json:"role"`
	Index   int             `json:"index"` // within its role, from 0
	System  string          `json:"system"`
	Address string          `json:"address,omitempty"`
	Files   []CollectedFile `json:"files"`
	Failed  []FailedPath    `json:"failed,omitempty"`
}

// CollectedFile is a file or link.
type CollectedFile struct {
	Path   string `json:"path"` // below the manifest's folder
	Mode   string `json:"mode,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
	Link   string `json:"link,omitempty"` // a link's target
}

// FailedPath is a path that a node did not give.
type FailedPath struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// SystemSum is what is in a system, as far as its evaluation told.
type SystemSum struct {
	Kernel   string        `json:"kernel,omitempty"`
	Packages []nix.Package `json:"packages"`
}

// manifestOf says what ran, without nodes and times.
func (p *Project) manifestOf(d addr.Deployment, paths []string) *Manifest {
	record := p.recorded.Deployment(d)
	m := &Manifest{Format: 1, NXC: p.o.Version, Paths: paths, Systems: map[string]SystemSum{}}
	m.Deployment = CollectedDeployment{
		Name: d.String(), Composition: d.Composition, Flavour: d.Flavour, Type: record.Flavour,
		UUID: record.UUID, Params: record.Params,
		State: CollectedState{Lineage: p.recorded.Lineage, Hash: p.recorded.Hash(d)},
	}
	if pin := record.Pin; pin != nil {
		m.Deployment.Nixpkgs = &CollectedPin{Label: pin.Label, Revision: pin.Revision, Hash: pin.Hash}
	}
	for _, name := range sortedKeys(record.Providers) {
		at := record.Providers[name].Location
		m.Deployment.On = append(m.Deployment.On, CollectedPlace{Provider: name, Kind: at.Kind, ID: at.ID, Label: at.Label})
	}
	for i := range record.Nodes {
		system := record.Nodes[i].System
		if inside, ok := p.loadManifest(system); ok {
			m.Systems[system] = SystemSum{Kernel: inside.Kernel.String(), Packages: inside.Packages}
		}
	}
	return m
}

func (p *Project) collectedNode(d addr.Deployment, n ChosenNode) CollectedNode {
	found := p.recorded.Deployment(d).Node(n.name)
	return CollectedNode{Name: found.Name, Role: found.Role, Index: found.Index, System: found.System, Address: found.Address, Files: []CollectedFile{}}
}

// listFiles lists what lies below a folder's folder, sorted by path.
func listFiles(folder, name string) ([]CollectedFile, error) {
	list := []CollectedFile{}
	err := filepath.WalkDir(filepath.Join(folder, name), func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if errors.Is(err, fs.ErrNotExist) { // nothing came
				return nil
			}
			return err
		}
		found, err := collectedFile(file, e)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		found.Path = filepath.ToSlash(inside)
		list = append(list, found)
		return nil
	})
	return list, err
}

func collectedFile(file string, e fs.DirEntry) (c CollectedFile, err error) {
	if e.Type()&fs.ModeSymlink != 0 {
		c.Link, err = os.Readlink(file)
		return c, err
	}
	info, err := e.Info()
	if err != nil {
		return c, err
	}
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	sum := sha256.New()
	if c.Size, err = io.Copy(sum, f); err != nil {
		return c, fmt.Errorf("read %s: %w", file, err)
	}
	c.Mode, c.SHA256 = fmt.Sprintf("%04o", info.Mode().Perm()), hex.EncodeToString(sum.Sum(nil))
	return c, nil
}
