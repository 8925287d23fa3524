package nixoscompose

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Role is how many nodes a role has: a number, their names, or the nodes that
// remain.
type Role struct {
	Count int
	Names []string
	Rest  bool // NixOSCompose's !DefaultRole
	Min   int  // of the rest
}

// readRoles reads the role distribution file that is named, or the only one
// that the folder has.
func (p *Project) readRoles(dir, named string) error {
	if named != "" {
		roles, err := readDistribution(filepath.Join(dir, named))
		if err != nil {
			return err
		}
		p.Roles, p.RolesFile = roles, named
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		isOther := slices.Contains([]string{"nxc.json", "package.json", "nxc.state.json"}, name) || strings.HasPrefix(name, ".")
		if isOther || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			continue
		}
		roles, err := readDistribution(filepath.Join(dir, name))
		if err != nil || len(roles) == 0 {
			continue // some other file
		}
		p.Candidates = append(p.Candidates, name)
		p.Roles, p.RolesFile = roles, name
	}
	if len(p.Candidates) > 1 {
		p.Roles, p.RolesFile = nil, "" // nobody says which
	} else {
		p.Candidates = nil
	}
	return nil
}

// readDistribution reads a role distribution file. JSON is YAML as well.
func readDistribution(path string) (map[string]Role, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var content map[string]yaml.Node
	if err := yaml.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	roles := make(map[string]Role, len(content))
	for name, node := range content {
		role, err := roleOf(&node)
		if err != nil {
			return nil, fmt.Errorf("%s line %d: role %s: %w", filepath.Base(path), node.Line, name, err)
		}
		roles[name] = role
	}
	return roles, nil
}

func roleOf(node *yaml.Node) (Role, error) {
	switch {
	case node.Tag == "!DefaultRole":
		least := 0
		if node.Value != "" {
			var err error
			if least, err = strconv.Atoi(node.Value); err != nil || least < 0 {
				return Role{}, fmt.Errorf("%q is no number of nodes", node.Value)
			}
		}
		return Role{Rest: true, Min: least}, nil
	case node.Kind == yaml.SequenceNode:
		var names []string
		if err := node.Decode(&names); err != nil {
			return Role{}, err
		}
		return Role{Names: names}, nil
	case node.Kind == yaml.ScalarNode:
		var count int
		if err := node.Decode(&count); err != nil || count < 0 {
			return Role{}, fmt.Errorf("%q is no number of nodes", node.Value)
		}
		return Role{Count: count}, nil
	}
	return Role{}, errors.New("it must be a number, a list of names, or !DefaultRole")
}
