package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

var workspaceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func checkWorkspaceName(name string) error {
	if !workspaceName.MatchString(name) {
		return fmt.Errorf("%q cannot name a workspace: a name has up to 64 letters, digits, hyphens and underscores, and begins with a letter or digit", name)
	}
	return nil
}

// SelectedWorkspace returns the workspace that was selected in a folder.
func SelectedWorkspace(dir string) (string, error) {
	data, err := os.ReadFile(selectionFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return DefaultWorkspace, nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot tell which workspace is selected: %w", err)
	}
	name := strings.TrimSpace(string(data))
	if err := checkWorkspaceName(name); err != nil {
		return "", fmt.Errorf("%s is damaged (%w); select a workspace again, or remove the file", selectionFile(dir), err)
	}
	return name, nil
}

func selectionFile(dir string) string { return filepath.Join(dir, ".nxc", "workspace") }

// Workspaces returns the folder's workspaces, sorted, the default one first.
func Workspaces(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot look for workspaces: %w", err)
	}
	all := []string{}
	for _, e := range entries {
		if name, ok := workspaceOf(e.Name()); ok && name != DefaultWorkspace {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return append([]string{DefaultWorkspace}, all...), nil
}

// SelectWorkspace makes a workspace that exists the one that commands use.
func SelectWorkspace(dir, name string) error {
	all, err := Workspaces(dir)
	if err != nil {
		return err
	}
	if !slices.Contains(all, name) {
		return fmt.Errorf("there is no workspace %q; there are %s. nxc workspace new %s makes it", name, strings.Join(all, ", "), name)
	}
	if err := makeFolder(filepath.Join(dir, ".nxc")); err != nil {
		return err
	}
	return atomicfile.Write(selectionFile(dir), []byte(name+"\n"), 0o644)
}

// NewWorkspace makes a workspace of one's own from this store's, which may be
// somebody else's, and selects it. It keeps what makes the deployments the
// same (their flavours and pins) and their outputs, for comparison; it has no
// resource, a lineage of its own, and a uuid of its own for each deployment.
func (s *Store) NewWorkspace(ctx context.Context, name string) (*Store, error) {
	if err := checkWorkspaceName(name); err != nil {
		return nil, err
	}
	o := s.options
	o.Workspace, o.StatePath = name, ""
	made, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if exists(made.path) {
		return nil, fmt.Errorf("the workspace %q exists; nxc workspace select %s makes it the current one", name, name)
	}
	from, _, err := s.read()
	if err != nil {
		return nil, err
	}
	if err := made.prepare(); err != nil {
		return nil, err
	}
	copied := copyOf(from)
	token := made.claim(copied)
	if err := made.keepToken(token, copied.Lineage); err != nil {
		return nil, err
	}
	err = made.update(ctx, func(file *State, found bool) error {
		if found {
			return fmt.Errorf("the workspace %q was made by another command just now", name)
		}
		*file = *copied
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, SelectWorkspace(made.dir, name)
}

// copyOf returns what a copy of one's own begins with.
func copyOf(from *State) *State {
	s := New()
	for _, d := range from.Deployments() {
		c := &Deployment{Name: d.Name, UUID: NewUUID(), Flavour: d.Flavour, Original: d.Outputs}
		if d.Pin != nil {
			pin := *d.Pin
			c.Pin = &pin
		}
		if len(c.Original) == 0 {
			c.Original = d.Original
		}
		s.SetDeployment(c)
	}
	return s
}

// DeleteWorkspace removes a workspace of the folder. Where it still has
// resources it refuses, unless forced: then they stay, and nxc forgets them.
func (s *Store) DeleteWorkspace(ctx context.Context, name string, force bool) error {
	if name == DefaultWorkspace {
		return errors.New("the default workspace cannot be deleted")
	}
	if name == s.workspace {
		return fmt.Errorf("the workspace %q is the selected one; select another first: nxc workspace select %s", name, DefaultWorkspace)
	}
	o := s.options
	o.Workspace, o.StatePath = name, ""
	doomed, err := Open(ctx, o)
	if err != nil {
		return err
	}
	snap, err := doomed.Load(ctx)
	if err != nil {
		return err
	}
	if !snap.Found {
		return fmt.Errorf("there is no workspace %q", name)
	}
	if err := doomed.prepare(); err != nil {
		return err
	}
	locks, err := doomed.lockDeployments(ctx, snap.State.Names(), nil)
	if err != nil {
		return err
	}
	defer releaseAll(locks)
	return doomed.remove(ctx, force)
}

// remove deletes the state file and what is kept for it.
func (s *Store) remove(ctx context.Context, force bool) error {
	lock, err := s.lockFile(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	snap, err := s.Load(ctx)
	if err != nil {
		return err
	}
	if n := snap.State.Len(); n > 0 && !force {
		return fmt.Errorf("the workspace %q still has %d resources; destroy them first, or delete it with -force, which leaves them where they are", s.workspace, n)
	}
	if len(snap.Recovered) > 0 && !force {
		return fmt.Errorf("a command on the workspace %q did not finish; run nxc plan there to see what it left, or delete it with -force", s.workspace)
	}
	if err := os.Remove(s.path); err != nil {
		return fmt.Errorf("cannot delete the workspace: %w", err)
	}
	lineage := snap.State.Lineage
	_ = os.Remove(s.tokenPath(filepath.Dir(s.path), lineage))
	if home := s.Home(lineage); home != "" && snap.Ownership.Kind != Foreign {
		_ = os.RemoveAll(home)
		_ = os.Remove(filepath.Dir(home))
	}
	return nil
}
