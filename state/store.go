package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// Options say which state to open, and how.
type Options struct {
	Dir       string // the configuration's folder; "" is "."
	Workspace string // "" is the selected one
	StatePath string // an explicit file instead (-state)

	// StateHome is $XDG_STATE_HOME/nxc, where the owner's token and a copy of
	// each journal are kept out of the project's reach; "" keeps none.
	StateHome string
	// OwnerToken is $NXC_OWNER_TOKEN: the token, where no file keeps one.
	OwnerToken string

	Command     string        // what runs, such as "nxc apply": others see it in locks and open marks
	LockTimeout time.Duration // how long to wait for a lock
	Disk        Disk          // nil: RealDisk
	OnWait      func(*LockedError)
}

// Store is one workspace's state in a folder. Everything that belongs to the
// state lies beside its file: .nxc/lock, .nxc/journal, .nxc/token, .nxc/backup.
type Store struct {
	options   Options
	dir       string // absolute, of the configuration
	path      string // absolute, of the state file
	workspace string
	lineage   string // of a new state, when there is none

	mu    sync.Mutex
	bytes []byte // the file as it was last read, and what it meant
	state *State
}

// DefaultWorkspace is the workspace of nxc.state.json.
const DefaultWorkspace = "default"

// Open names the state that the options ask for. It reads no state and
// changes nothing: a folder where nobody may write can be looked at.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Disk == nil {
		o.Disk = RealDisk{}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot find the folder %s: %w", o.Dir, err)
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("cannot open the folder of the state: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	s := &Store{options: o, dir: dir, workspace: o.Workspace, lineage: NewUUID()}
	if o.StatePath != "" {
		return s, s.openExplicit(o.StatePath)
	}
	if s.workspace == "" {
		if s.workspace, err = SelectedWorkspace(dir); err != nil {
			return nil, err
		}
	}
	if err := checkWorkspaceName(s.workspace); err != nil {
		return nil, err
	}
	s.path = filepath.Join(dir, workspaceFile(s.workspace))
	return s, nil
}

// openExplicit takes a file by its path. Its name says which workspace it is;
// a file with a name of another kind is a workspace of its own.
func (s *Store) openExplicit(path string) error {
	if s.workspace != "" {
		return errors.New("a state file and a workspace cannot both be asked for: the file says which workspace it is")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("cannot find %s: %w", path, err)
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; -state takes the path of a file", path)
	}
	if _, err := os.Stat(filepath.Dir(abs)); err != nil {
		return fmt.Errorf("cannot open the folder of the state: %w", err)
	}
	s.path = abs
	if name, ok := workspaceOf(filepath.Base(abs)); ok {
		s.workspace = name
	} else {
		s.workspace = "file:" + url.PathEscape(filepath.Base(abs))
	}
	return nil
}

// Path returns the state file's absolute path.
func (s *Store) Path() string { return s.path }

// Workspace returns the workspace's name.
func (s *Store) Workspace() string { return s.workspace }

// Folder returns the absolute path of .nxc, beside the state file.
func (s *Store) Folder() string { return filepath.Join(filepath.Dir(s.path), ".nxc") }

func (s *Store) journalFolder() string { return filepath.Join(s.Folder(), "journal") }

func (s *Store) backupFolder() string { return filepath.Join(s.Folder(), "backup") }

// lockFolder is where the locks of this state file lie: beside it, so that
// commands from any folder meet there.
func (s *Store) lockFolder() string {
	return filepath.Join(s.Folder(), "lock", url.PathEscape(filepath.Base(s.path)))
}

// Home returns the folder that lives as long as the state, out of the
// project's reach: $XDG_STATE_HOME/nxc/LINEAGE/WORKSPACE. It may not exist
// yet. "" when there is no state home.
func (s *Store) Home(lineage string) string {
	if s.options.StateHome == "" || lineage == "" {
		return ""
	}
	return filepath.Join(s.options.StateHome, lineage, s.workspace)
}

func (s *Store) journalCopies(lineage string) string {
	home := s.Home(lineage)
	if home == "" {
		return ""
	}
	return filepath.Join(home, "journal")
}

// prepare makes .nxc and what is in it.
func (s *Store) prepare() error {
	if err := makeFolder(s.Folder()); err != nil {
		return err
	}
	for _, folder := range []string{s.journalFolder(), s.lockFolder()} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return unwritable(err)
		}
	}
	return nil
}

// unwritable says that nxc has no place for its own files, and what to do.
func unwritable(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("cannot make a folder for nxc's own files: %w; nxc writes beside the configuration: copy it into a folder of your own, and work there", err)
	}
	return fmt.Errorf("cannot make a folder for nxc's own files: %w", err)
}

// makeFolder makes a .nxc that git does not see.
func makeFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return unwritable(err)
	}
	ignore := filepath.Join(folder, ".gitignore")
	if _, err := os.Stat(ignore); err == nil {
		return nil
	}
	return atomicfile.Write(ignore, []byte("# nxc's own: locks, journals, the owner's token. Nothing here belongs into git.\n*\n"), 0o644)
}

// lockFile takes the short lock that is held while the state file is replaced.
func (s *Store) lockFile(ctx context.Context) (*fileLock, error) {
	return acquire(ctx, lockRequest{
		path:   filepath.Join(s.lockFolder(), "file"),
		what:   "the state file " + s.path,
		holder: self(s.options.Command),
		wait:   max(s.options.LockTimeout, 10*time.Second), // it is held for moments
		onWait: s.options.OnWait,
	})
}

// lockDeployments takes the locks of deployments, in order, so that two
// commands never wait for each other.
func (s *Store) lockDeployments(ctx context.Context, change, read []addr.Deployment) (locks []*fileLock, err error) {
	all := slices.Concat(change, read)
	slices.SortFunc(all, addr.Deployment.Compare)
	all = slices.Compact(all)
	deadline := time.Now().Add(s.options.LockTimeout)
	for _, d := range all {
		l, err := acquire(ctx, lockRequest{
			path:   filepath.Join(s.lockFolder(), "deployment-"+url.PathEscape(deploymentName(d))),
			what:   lockName(d),
			shared: !slices.Contains(change, d),
			holder: self(s.options.Command),
			wait:   max(0, time.Until(deadline)),
			onWait: s.options.OnWait,
		})
		if err != nil {
			releaseAll(locks)
			return nil, err
		}
		locks = append(locks, l)
	}
	return locks, nil
}

func lockName(d addr.Deployment) string {
	if d.IsTop() {
		return "the top level"
	}
	return d.String()
}

func releaseAll(locks []*fileLock) {
	for _, l := range locks {
		l.release()
	}
}

// write replaces the state file. The caller holds its lock, and does not
// change the state afterwards.
func (s *Store) write(state *State) error {
	if err := state.verify(false); err != nil {
		return fmt.Errorf("cannot write %s: %w", s.path, err)
	}
	data, err := state.Encode()
	if err != nil {
		return err
	}
	atomicfile.Sweep(s.path)
	if err := s.options.Disk.Replace(s.path, data); err != nil {
		return err
	}
	s.keepCopy(state.Lineage, data)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes, s.state = data, state
	return nil
}

// update reads the state file, lets change have it, and writes it back, under
// the lock. A file that is not there is an empty state.
func (s *Store) update(ctx context.Context, change func(file *State, found bool) error) error {
	lock, err := s.lockFile(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	file, found, err := s.read()
	if err != nil {
		return err
	}
	file = file.Clone()
	if err := change(file, found); err != nil {
		return err
	}
	return s.write(file)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// workspaceFile returns the state file's name of a workspace.
func workspaceFile(name string) string {
	if name == DefaultWorkspace {
		return "nxc.state.json"
	}
	return "nxc." + name + ".state.json"
}

// workspaceOf is the reverse of workspaceFile.
func workspaceOf(file string) (string, bool) {
	if file == workspaceFile(DefaultWorkspace) {
		return DefaultWorkspace, true
	}
	name, ok := strings.CutPrefix(file, "nxc.")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, ".state.json")
	return name, ok && checkWorkspaceName(name) == nil && name != DefaultWorkspace
}
