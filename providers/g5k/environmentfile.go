package g5k

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// A description of an environment on this machine is looked through before
// anything is reserved: Kadeploy would say what is wrong with it when the nodes
// are there.

// isFile reports whether an environment is named by a file of this machine.
func isFile(environment string) bool {
	return !isAddress(environment) && (strings.ContainsRune(environment, '/') ||
		slices.Contains([]string{".yaml", ".yml", ".env", ".dsc"}, filepath.Ext(environment)))
}

// checkEnvironmentFile refuses a description on this machine: for what is
// wrong with it, or else because it lies where Kadeploy cannot read it.
func (t *testbed) checkEnvironmentFile(site, file string) error {
	name := file
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.folders.Project, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return sdk.AttributeError("environment", "The description of the environment cannot be read", fmt.Sprintf("%s: %v.", file, reason(err)))
	}
	if faults := faultsOf(text); len(faults) > 0 {
		for i, f := range faults {
			faults[i] = f.in(file)
		}
		return sdk.AttributeError("environment", "The description of the environment is not one that Kadeploy takes", joinFaults(faults))
	}
	base := filepath.Base(name)
	return sdk.AttributeError("environment", "Kadeploy reads descriptions from an address, not from this machine",
		fmt.Sprintf("%s is in order. Copy it into your public folder, scp %s %s.g5k:public/, and write %s; a g5k_image makes and uploads one by itself.",
			file, file, site, publicURL(site, t.client.User(), base)))
}

// fault is something wrong in a description.
type fault struct {
	line int // 0 for none in particular
	text string
}

func (f fault) in(file string) fault {
	if f.line > 0 {
		file = fmt.Sprintf("%s, line %d", file, f.line)
	}
	f.text = file + ": " + f.text
	return f
}

func joinFaults(faults []fault) string {
	var list []string
	for _, f := range faults {
		list = append(list, f.text+".")
	}
	return strings.Join(list, "\n")
}

// yamlLine is how the parser says where it stopped.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

// faultsOf lists what is wrong with a description.
func faultsOf(text []byte) []fault {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		f := fault{text: "it is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			_, _ = fmt.Sscan(m[1], &f.line)
			f.text = "it is not YAML: " + m[2]
		}
		return []fault{f}
	}
	if len(document.Content) == 0 {
		return []fault{{text: "it is empty"}}
	}
	d := described{node: document.Content[0]}
	if d.node.Kind != yaml.MappingNode {
		return []fault{{d.node.Line, "it does not consist of names and values, such as name: nixos"}}
	}
	d.want("name", "", nil)
	d.want("os", "", []string{"linux", "xen", "other", "bsd", "windows"})
	d.want("image.file", "", nil)
	kind := d.want("image.kind", "", []string{"tar", "dd", "fsa"})
	if kind == "tar" || kind == "dd" {
		d.want("image.compression", "", []string{"gzip", "bzip2", "xz", "zstd"})
	}
	if kind == "tar" {
		d.want("filesystem", "The archive is unpacked into one", nil)
		d.want("partition_type", "Of Linux's file systems it is 131", nil)
		d.want("boot.kernel", "Kadeploy boots it from the archive", nil)
	}
	slices.SortStableFunc(d.faults, func(a, b fault) int { return a.line - b.line })
	return d.faults
}

// described is a description that is looked through.
type described struct {
	node   *yaml.Node
	faults []fault
}

// want returns a value that has to be there, in dots, and notes when it is
// not, or is none of those that it may be.
func (d *described) want(where, why string, among []string) string {
	at := d.node
	for _, name := range strings.Split(where, ".") {
		if at.Kind != yaml.MappingNode {
			d.faults = append(d.faults, fault{at.Line, fmt.Sprintf("%s cannot stand in what is no block of names and values", where)})
			return ""
		}
		next := valueOf(at, name)
		if next == nil {
			text := where + " is missing"
			if why != "" {
				text += ". " + why
			}
			d.faults = append(d.faults, fault{at.Line, text})
			return ""
		}
		at = next
	}
	switch {
	case at.Kind != yaml.ScalarNode || at.Value == "":
		d.faults = append(d.faults, fault{at.Line, where + " holds no value"})
		return ""
	case among != nil && !slices.Contains(among, at.Value):
		d.faults = append(d.faults, fault{at.Line, fmt.Sprintf("%s is %s, and not one of %s", where, at.Value, strings.Join(among, ", "))})
	}
	return at.Value
}

// valueOf finds a value of a block by its name.
func valueOf(block *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(block.Content); i += 2 {
		if block.Content[i].Value == name {
			return block.Content[i+1]
		}
	}
	return nil
}
