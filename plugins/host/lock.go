package host

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/plugins"
)

// LockName is the name of the file that pins third parties' plugins. It lies
// beside the configuration and is meant to be committed.
const LockName = ".nxc.lock.hcl"

// Lock pins the programs of third parties' plugins.
type Lock struct {
	path string
	pins map[string]Pin
}

// Pin is what a provider's program must be.
type Pin struct {
	Version string
	// Checksums are those of the programs that may be used: one for each
	// system that somebody ran nxc init on.
	Checksums []string
}

// lockFile is the file's form.
type lockFile struct {
	Providers []struct {
		Name      string   `hcl:"name,label"`
		Version   string   `hcl:"version"`
		Checksums []string `hcl:"checksums"`
	} `hcl:"provider,block"`
}

// ReadLock reads the lock file of a folder. A folder without one pins nothing.
func ReadLock(folder string) (*Lock, error) {
	l := &Lock{path: filepath.Join(folder, LockName), pins: map[string]Pin{}}
	text, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	file, diags := hclparse.NewParser().ParseHCL(text, l.path)
	var content lockFile
	if !diags.HasErrors() {
		diags = gohcl.DecodeBody(file.Body, nil, &content)
	}
	if diags.HasErrors() {
		return nil, fmt.Errorf("%s cannot be read; remove it, and the next apply writes it anew: %w", LockName, diags.Errs()[0])
	}
	for _, p := range content.Providers {
		if _, twice := l.pins[p.Name]; twice {
			return nil, fmt.Errorf("%s pins provider %q twice; remove one of the blocks", l.path, p.Name)
		}
		l.pins[p.Name] = Pin{Version: p.Version, Checksums: p.Checksums}
	}
	return l, nil
}

// Pin returns what is pinned for a provider.
func (l *Lock) Pin(name string) (Pin, bool) {
	p, ok := l.pins[name]
	return p, ok
}

// Add pins a program: a new version forgets the old one's checksums, the same
// version has one more.
func (l *Lock) Add(name, version, checksum string) {
	p := l.pins[name]
	if p.Version != version {
		p = Pin{Version: version}
	}
	if !slices.Contains(p.Checksums, checksum) {
		p.Checksums = append(slices.Clone(p.Checksums), checksum)
		slices.Sort(p.Checksums)
	}
	l.pins[name] = p
}

// Remove forgets a provider.
func (l *Lock) Remove(name string) { delete(l.pins, name) }

// Verify reports a program that is not pinned, or not the pinned one.
func (l *Lock) Verify(name, path, checksum string) plugins.Diagnostics {
	p, ok := l.pins[name]
	switch {
	case !ok:
		return plugins.NewError(fmt.Sprintf("Provider %s is not pinned", name),
			fmt.Sprintf("%s was found, and %s does not name it. Run nxc init to use it.", path, LockName))
	case !slices.Contains(p.Checksums, checksum):
		return plugins.NewError(fmt.Sprintf("The plugin of provider %s is not the one that was pinned", name),
			fmt.Sprintf("%s has %s; %s pins version %s with another. If you changed the plugin on purpose, run nxc init -upgrade; otherwise do not use it.",
				path, checksum, LockName, p.Version))
	default:
		return nil
	}
}

// Write writes the file; a lock that pins nothing has none.
func (l *Lock) Write() error {
	if len(l.pins) == 0 {
		if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f := hclwrite.NewEmptyFile()
	comment := "# The plugins that this folder's configuration uses. The first apply writes it; commit it.\n"
	f.Body().AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte(comment)}})
	for _, name := range slices.Sorted(maps.Keys(l.pins)) {
		p := l.pins[name]
		f.Body().AppendNewline()
		body := f.Body().AppendNewBlock("provider", []string{name}).Body()
		body.SetAttributeValue("version", cty.StringVal(p.Version))
		sums := make([]cty.Value, len(p.Checksums))
		for i, sum := range p.Checksums {
			sums[i] = cty.StringVal(sum)
		}
		body.SetAttributeValue("checksums", cty.ListVal(sums))
	}
	return atomicfile.Write(l.path, hclwrite.Format(f.Bytes()), 0o644)
}
