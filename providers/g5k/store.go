package g5k

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Store is what systems consist of, in a folder of the user's home at a site,
// which nodes mount by NFS as their Nix store.
type Store struct {
	Site    string `nxc:"site,required,replace" doc:"Site in whose home it lies."`
	Closure string `nxc:"closure,required" doc:"File on this machine that lists the store paths, one a line. What is not there yet is copied, each path once, whoever uses it."`
	Folder  string `nxc:"folder,optional,replace,default=.nxc/nix" doc:"Folder below the home that nxc has to itself; the store is the folder store in it."`

	Path   string `nxc:"path,computed" doc:"Where the store lies, below the home."`
	NFS    string `nxc:"nfs,computed" doc:"Where nodes mount it from, SERVER:/PATH: their kernel's parameter nfs_store."`
	Marker string `nxc:"marker,computed" doc:"File that keeps the paths in use, below the home at the site."`
	Paths  int64  `nxc:"paths,computed" doc:"How many store paths there are."`
}

// stores handles g5k_store. The folder holds each path once, under the name
// that it has in every Nix store. Who uses some leaves a marker that lists them;
// the last one to go takes a path along.
type stores struct{ *testbed }

var (
	_ sdk.Handler[Store]   = stores{}
	_ sdk.Updater[Store]   = stores{}
	_ sdk.Planner[Store]   = stores{}
	_ sdk.Validator[Store] = stores{}
)

// storeMarker is what a marker of a store says. Earlier are the paths of what
// was there before the last change: nodes run it until they are replaced. Older
// ones are about to go.
type storeMarker struct {
	UUID    string
	Address string
	Attempt string
	Done    bool
	Store   Store
	Names   []string
	Earlier []string
	Older   []string
}

// defaultStoreFolder is the folder of the flavour's stores, below the home.
const defaultStoreFolder = ".nxc/nix"

// place names what the attributes decide.
func (w *Store) place(user string) {
	if w.Folder == "" {
		w.Folder = defaultStoreFolder
	}
	w.Path = path.Join(w.Folder, "store")
	w.NFS = nfsStore(w.Site, user, w.Folder)
}

// nfsStore is where nodes of a site mount a store from: its server of homes.
func nfsStore(site, user, folder string) string {
	return fmt.Sprintf("nfs.%s.grid5000.fr:%s", site, path.Join("/export/home", user, folder, "store"))
}

// users is the folder of the markers.
func (w *Store) users() string { return path.Join(w.Folder, "users") }

// Create copies what is missing.
func (s stores) Create(ctx context.Context, op sdk.Operation, want *Store) error {
	names, err := s.readClosure(want.Closure)
	if err != nil {
		return err
	}
	want.place(s.client.User())
	if err := s.rememberStore(want.Site, want.Folder); err != nil {
		return fmt.Errorf("remember that there is a store at %s: %w", want.Site, err)
	}
	want.Marker, want.Paths = path.Join(want.users(), markerName(op)), int64(len(names))
	m := storeMarker{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Store: *want, Names: names}
	home, err := s.home(ctx, op, want.Site)
	if err != nil {
		return err
	}
	defer home.Close()
	return s.fill(ctx, op, home, want, m)
}

// fill writes the marker, copies what is missing, removes what is older, and
// says that it is done.
func (s stores) fill(ctx context.Context, op sdk.Operation, home home, want *Store, m storeMarker) error {
	c := &copying{testbed: s.testbed, op: op, home: home, store: want}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	if err := m.write(home); err != nil {
		return fmt.Errorf("write %s at %s: %w", want.Marker, want.Site, err)
	}
	// Somebody who went at this moment may have taken paths along.
	for tries := 0; tries < 3; tries++ {
		missing, err := c.missing(m.Names)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			break
		}
		if err := c.copy(ctx, missing); err != nil {
			return err
		}
	}
	if len(m.Older) > 0 {
		if err := c.remove(ctx, m.Older, ""); err != nil {
			return err
		}
	}
	m.Done, m.Older = true, nil
	return m.write(home)
}

func (m storeMarker) write(home home) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return home.Write(m.Store.Marker, text)
}

// storePath is how the names of store paths look. They go into commands.
var storePath = regexp.MustCompile(`^[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+$`)

// readClosure reads the list of store paths, and returns their names, sorted.
func (t *testbed) readClosure(file string) ([]string, error) {
	bad := func(detail string) error {
		return sdk.AttributeError("closure", "The list of store paths cannot be used", detail)
	}
	f, err := os.Open(t.nixStore().Place(file))
	if err != nil {
		return nil, bad(fmt.Sprintf("%s: %v. Build it first, or correct the path.", file, reason(err)))
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		name, ok := strings.CutPrefix(line, "/nix/store/")
		if !ok || !storePath.MatchString(name) {
			return nil, bad(fmt.Sprintf("%s: %q is not a store path.", file, line))
		}
		names = append(names, name)
	}
	if err := lines.Err(); err != nil {
		return nil, bad(fmt.Sprintf("%s: %v.", file, err))
	}
	if len(names) == 0 {
		return nil, bad(file + " lists none.")
	}
	return unique(names), nil
}

// Read looks whether the marker and all paths are there.
func (s stores) Read(ctx context.Context, op sdk.Operation, have *Store) (bool, error) {
	if have.Marker == "" {
		return false, nil
	}
	home, err := s.home(ctx, op, have.Site)
	if err != nil {
		return false, err
	}
	defer home.Close()
	m, err := readStoreMarker(home, have.Marker)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, sdk.Gone("it was removed")
	case err != nil:
		return false, fmt.Errorf("read %s at %s: %w", have.Marker, have.Site, err)
	}
	c := &copying{testbed: s.testbed, op: op, home: home, store: have}
	missing, err := c.missing(m.Names)
	if err != nil {
		return false, err
	}
	if len(missing) > 0 {
		return false, sdk.Gone(fmt.Sprintf("%d of its %d store paths were removed", len(missing), len(m.Names)))
	}
	return true, nil
}

func readStoreMarker(home home, name string) (storeMarker, error) {
	var m storeMarker
	text, err := home.Read(name)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// Update copies what other systems need. What was there before the change
// stays until the next one, because nodes run it until they are replaced.
func (s stores) Update(ctx context.Context, op sdk.Operation, have Store, want *Store) error {
	want.Marker, want.Paths = have.Marker, have.Paths
	want.place(s.client.User())
	if have.Closure == want.Closure {
		return nil
	}
	names, err := s.readClosure(want.Closure)
	if err != nil {
		return err
	}
	home, err := s.home(ctx, op, have.Site)
	if err != nil {
		return err
	}
	defer home.Close()
	m, err := readStoreMarker(home, have.Marker)
	if err != nil {
		return fmt.Errorf("read %s at %s: %w", have.Marker, have.Site, err)
	}
	want.Paths, m.Store = int64(len(names)), *want
	if !slices.Equal(m.Names, names) { // otherwise this was cut short before
		m.Names, m.Earlier, m.Older = names, m.Names, unique(append(m.Older, m.Earlier...))
	}
	return s.fill(ctx, op, home, want, m)
}

// Delete takes our marker away, and the paths that nobody else uses.
func (s stores) Delete(ctx context.Context, op sdk.Operation, have *Store) error {
	if have.Marker == "" {
		return nil
	}
	home, err := s.home(ctx, op, have.Site)
	if err != nil {
		return err
	}
	defer home.Close()
	c := &copying{testbed: s.testbed, op: op, home: home, store: have}
	m, err := readStoreMarker(home, have.Marker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m = storeMarker{} // it was cut short: nothing was copied for it yet
	}
	op.Phase("removing the store")
	if err := c.remove(ctx, slices.Concat(m.Names, m.Earlier, m.Older), have.Marker); err != nil {
		return err
	}
	// The marker goes last: as long as it is there, a removal that was cut short
	// is found and done again.
	for _, name := range []string{have.Marker + unfinishedFile, have.Marker} {
		if err := gone(home.Remove(name)); err != nil {
			return fmt.Errorf("remove %s at %s: %w", name, have.Site, err)
		}
	}
	_, _ = home.Rmdir(have.Path), home.Rmdir(have.users()) // which others may use
	for dir := have.Folder; dir != "." && home.Rmdir(dir) == nil; dir = path.Dir(dir) {
	}
	return nil
}

// Find lists the deployment's stores by their markers, at the sites and in the
// folders that it uses.
func (s stores) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Store], error) {
	var found []sdk.Found[Store]
	for _, place := range s.usedStores() {
		home, err := s.home(ctx, op, place.site)
		if err != nil {
			return nil, err
		}
		where := Store{Site: place.site, Folder: place.folder}
		where.place(s.client.User())
		list, err := findStores(home, op, where)
		home.Close()
		if err != nil {
			return nil, fmt.Errorf("list %s at %s: %w", where.users(), place.site, err)
		}
		found = append(found, list...)
	}
	return found, nil
}

func findStores(home home, op sdk.Operation, where Store) ([]sdk.Found[Store], error) {
	marks, err := home.List(where.users())
	if gone(err) != nil {
		return nil, err
	}
	for i := range marks { // one that was cut short while it was written counts as well
		marks[i] = strings.TrimSuffix(marks[i], unfinishedFile)
	}
	var found []sdk.Found[Store]
	for _, mark := range unique(marks) {
		rest, ours := strings.CutPrefix(mark, head(op.UUID, 32)+"-")
		if !ours {
			continue
		}
		m, err := readStoreMarker(home, path.Join(where.users(), mark))
		if err != nil { // the name says enough
			named := markerNamed(rest)
			m = storeMarker{Address: named.Address, Attempt: named.Attempt, Store: where}
		}
		m.Store.Marker = path.Join(where.users(), mark)
		found = append(found, sdk.Found[Store]{Address: m.Address, Attempt: m.Attempt, Complete: m.Done, Object: m.Store})
	}
	slices.SortFunc(found, func(a, b sdk.Found[Store]) int { return strings.Compare(a.Attempt, b.Attempt) })
	return found, nil
}

// Plan says where it will be. What is copied is known when it is built.
func (s stores) Plan(ctx context.Context, _ sdk.Operation, prior *Store, p *sdk.Planned[Store]) error {
	v := &p.Value
	if p.Unknown("site") || p.Unknown("folder") {
		return nil
	}
	if prior == nil {
		if err := s.checkSite(ctx, "site", v.Site); err != nil {
			return err
		}
	}
	v.place(s.client.User())
	p.SetKnown("path")
	p.SetKnown("nfs")
	if prior == nil || p.Unknown("closure") || prior.Closure != v.Closure {
		p.SetUnknown("paths")
	}
	if prior == nil && !p.Unknown("closure") && !inStore(v.Closure) {
		_, err := s.readClosure(v.Closure)
		return err
	}
	return nil
}

// plainFolder is how a folder looks that stands in commands and on a kernel's
// command line.
var plainFolder = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)

// Validate checks what the schema cannot say.
func (s stores) Validate(_ context.Context, config Store) plugins.Diagnostics {
	return checkStoreFolder("folder", config.Folder)
}

func checkStoreFolder(attribute, folder string) plugins.Diagnostics {
	if folder == "" || plainFolder.MatchString(folder) && filepath.IsLocal(folder) && path.Clean(folder) == folder && folder != "." {
		return nil
	}
	var d plugins.Diagnostics
	errors.As(sdk.AttributeError(attribute, fmt.Sprintf("%q is not a folder below a home", folder),
		"Write it as "+defaultStoreFolder+", of letters, digits, points, dashes and underscores."), &d)
	return d
}
