package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"github.com/nixos-compose/nxc/internal/addr"
)

const (
	nativeSuffix = ".nxc.hcl"
	jsonSuffix   = ".nxc.json"

	// maxFileSize is far beyond what a person or a generator writes; what is
	// bigger is not a configuration.
	maxFileSize = 64 << 20
)

// Load reads all configuration files of a folder and checks what needs neither
// providers nor values. The result is never nil, so that its Files can show
// the source of the diagnostics.
func Load(dir string) (*Config, hcl.Diagnostics) {
	names, diags := configurationFiles(dir)
	if diags.HasErrors() {
		return empty(dir), diags
	}
	sources := make(map[string][]byte, len(names))
	var paths []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		source, moreDiags := readSource(path)
		diags = append(diags, moreDiags...)
		if moreDiags.HasErrors() {
			continue
		}
		sources[path] = source
		paths = append(paths, path)
	}
	c, moreDiags := parse(dir, paths, sources)
	return c, append(diags, moreDiags...)
}

func empty(dir string) *Config {
	return &Config{
		Dir:          dir,
		Providers:    map[string]*Provider{},
		Variables:    map[string]*Variable{},
		Locals:       map[string]*Local{},
		Outputs:      map[string]*Output{},
		Compositions: map[string]*Composition{},
		Files:        map[string]*hcl.File{},
		resources:    map[addr.Instance]*Resource{},
		references:   map[entity][]reference{},
		functions:    functions(dir),
	}
}

// parse makes a configuration of sources, in the order of paths.
func parse(dir string, paths []string, sources map[string][]byte) (*Config, hcl.Diagnostics) {
	c := empty(dir)
	var diags hcl.Diagnostics
	for _, path := range paths {
		file, moreDiags := parseSource(path, sources[path])
		diags = append(diags, moreDiags...)
		c.Files[path] = file
	}
	if diags.HasErrors() {
		return c, diags // half a file would make every reference to the other half a mistake
	}
	d := &decoder{config: c, declared: map[string]hcl.Range{}}
	for _, path := range paths {
		d.file(c.Files[path].Body)
	}
	d.checkRefactoring()
	slices.SortFunc(c.Resources, func(a, b *Resource) int { return a.Addr.Compare(b.Addr) })
	diags = append(diags, d.diags...)
	if diags.HasErrors() {
		return c, inFileOrder(diags) // a block that could not be read would seem undeclared
	}
	diags = append(diags, c.resolve()...)
	if !diags.HasErrors() {
		c.buildGraph()
		diags = append(diags, c.findCycle()...)
	}
	return c, inFileOrder(diags)
}

// configurationFiles lists the names of a folder's configuration files, sorted.
func configurationFiles(dir string) ([]string, hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, failure("Folder not found", "There is no folder %q.", dir)
	case err != nil:
		return nil, failure("Folder cannot be read", "%s.", cause(dir, err))
	}
	var names, terraform []string
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, "."):
		case isConfiguration(name):
			names = append(names, name)
		case strings.HasSuffix(name, ".tf"):
			terraform = append(terraform, name)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	folder := fmt.Sprintf("The folder %q", dir)
	if dir == "." {
		folder = "This folder"
	}
	detail := fmt.Sprintf("%s has no *%s and no *%s file. Write one, or let `nxc init` begin it; -chdir=FOLDER works in another folder.", folder, nativeSuffix, jsonSuffix)
	if len(terraform) > 0 {
		detail += fmt.Sprintf(" It has Terraform's %s, which nxc does not read.", terraform[0])
	}
	return nil, failure("No configuration", "%s", detail)
}

func isConfiguration(name string) bool {
	return strings.HasSuffix(name, nativeSuffix) || strings.HasSuffix(name, jsonSuffix)
}

// readSource reads one file of text.
func readSource(path string) ([]byte, hcl.Diagnostics) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, failure("File cannot be read", "%s.", cause(path, err))
	case !info.Mode().IsRegular():
		return nil, failure("Not a file", "%s is a %s. Give it another name, or put a file in its place.", path, kindOf(info.Mode()))
	case info.Size() > maxFileSize:
		return nil, failure("File too big", "%s has %d MiB, and a configuration file at most %d MiB.", path, info.Size()>>20, maxFileSize>>20)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, failure("File cannot be read", "%s.", cause(path, err))
	}
	return source, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// cause spells an error of the file system with its path in front, once.
func cause(path string, err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return path + ": " + err.Error()
}

// parseSource parses one file by its suffix. The file is never nil.
func parseSource(path string, source []byte) (*hcl.File, hcl.Diagnostics) {
	if diags := checkText(path, source); diags.HasErrors() {
		return &hcl.File{Body: hcl.EmptyBody(), Bytes: source}, diags
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(path, ".json") {
		file, diags = hcljson.Parse(bytes.TrimPrefix(source, []byte(utf8Mark)), path)
	} else {
		file, diags = hclsyntax.ParseConfig(source, path, hcl.InitialPos)
	}
	if file == nil || file.Body == nil {
		file = &hcl.File{Body: hcl.EmptyBody(), Bytes: source}
	}
	return file, diags
}

// Byte order marks.
const (
	utf8Mark    = "\xef\xbb\xbf"
	utf16Little = "\xff\xfe"
	utf16Big    = "\xfe\xff"
)

// checkText refuses what is plainly no UTF-8 text, where a parser would report
// each byte.
func checkText(path string, source []byte) hcl.Diagnostics {
	if bytes.HasPrefix(source, []byte(utf16Little)) || bytes.HasPrefix(source, []byte(utf16Big)) {
		return failure("File is not UTF-8", "%s is written in UTF-16. Save it as UTF-8.", path)
	}
	if i := bytes.IndexByte(source, 0); i >= 0 {
		return failure("File is not text", "%s holds a zero byte at offset %d, so it is no configuration file.", path, i)
	}
	return nil
}
