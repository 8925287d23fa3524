// Package nix is nxc's way to the Nix package manager. It evaluates
// compositions, realises what they evaluate to, keeps it from the garbage
// collector, and says what differs between two systems.
//
// It runs only the commands that every Nix since 2.8 understands, and talks to
// them with their machine-readable log, so that progress and errors do not
// depend on how a version prints them. Evaluations are cached by what they
// read: evaluating again when nothing changed starts no process. Errors are
// cut down to the part that concerns the user's own files.
//
// The package brings the Nix half of nxc (the folder lib) with it. It knows
// nothing of deployments, providers, state or terminals.
package nix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Options says where Nix is and where its cache may lie. The zero value works.
type Options struct {
	// CacheDir holds what can be made again: evaluations, the unpacked library.
	// The default is nxc in the user's cache folder.
	CacheDir string

	// Bin is the folder that holds nix-instantiate and nix-store. By default
	// they are searched in PATH, then where Nix's installers put them.
	Bin string

	// Settings are the project's own.
	Settings []Setting

	// Environ is the environment for Nix's commands; the default is our own.
	Environ []string

	// Logger hears what helps to understand a problem; the default is silent.
	Logger *slog.Logger

	// Standin prepares the embedded nixpkgs and returns the path of its index
	// in the Nix store, which lies below storeRoot. It is called for each
	// evaluation with Nixpkgs.Embedded and must be quick when there is nothing
	// to do.
	Standin func(ctx context.Context, storeRoot string, progress func(string)) (indexPath string, err error)

	// Emulator prepares what tests of the embedded nixpkgs run machines with, and
	// returns a JSON object that says where it is. It is called for flavours
	// that are told their nodes.
	Emulator func(ctx context.Context, storeRoot string, progress func(string)) (json.RawMessage, error)

	library map[string]string // replaces the embedded library, in tests
}

// Nix runs the Nix commands of one installation. It is safe for concurrent use.
type Nix struct {
	cacheDir string
	environ  []string
	logger   *slog.Logger
	standin  func(ctx context.Context, storeRoot string, progress func(string)) (string, error)
	emulator func(ctx context.Context, storeRoot string, progress func(string)) (json.RawMessage, error)
	library  map[string]string
	settings settings
	decided  settings  // with those of the project
	project  []setting // of the project, which have the last word

	where StoreAddress

	instantiate, store string // absolute paths of the two commands

	versionMu sync.Mutex
	version   string
}

// New finds Nix. It starts no process. Without Nix the error is a
// *MissingError, which says how to install it.
func New(o Options) (*Nix, error) {
	n := &Nix{
		cacheDir: o.CacheDir,
		environ:  o.Environ,
		logger:   o.Logger,
		standin:  o.Standin,
		emulator: o.Emulator,
		library:  o.library,
	}
	if n.environ == nil {
		n.environ = os.Environ()
	}
	if n.logger == nil {
		n.logger = slog.New(slog.DiscardHandler)
	}
	if n.cacheDir == "" {
		dir, err := userCacheDir(n.environ)
		if err != nil {
			return nil, err
		}
		n.cacheDir = dir
	}
	dir, err := filepath.Abs(n.cacheDir)
	if err != nil {
		return nil, fmt.Errorf("cache folder %s: %w", n.cacheDir, err)
	}
	n.cacheDir = dir
	if n.library == nil {
		if n.library, err = embeddedLibrary(); err != nil {
			return nil, err
		}
	}
	if n.instantiate, err = findCommand("nix-instantiate", o.Bin, n.environ); err != nil {
		return nil, err
	}
	if n.store, err = findCommand("nix-store", filepath.Dir(n.instantiate), n.environ); err != nil {
		return nil, err
	}
	n.settings = readSettings(n.environ)
	n.decided = maps.Clone(n.settings)
	for _, s := range o.Settings {
		if s.Name != storeSetting {
			n.project = append(n.project, setting{s.Name, s.Value})
			n.decided.set(s.Name, strings.Fields(s.Value))
		}
	}
	if n.where, err = findStore(o.Settings, n.settings, n.environ); err != nil {
		return nil, err
	}
	if n.where.setting != "" {
		n.project = append(n.project, setting{storeSetting, n.where.setting})
	}
	return n, nil
}

// userCacheDir returns nxc's folder in the user's cache, as the XDG base
// directory specification places it.
func userCacheDir(environ []string) (string, error) {
	if dir := getenv(environ, "XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nxc"), nil
	}
	if home := getenv(environ, "HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "nxc"), nil
	}
	return "", errors.New("no cache folder: neither XDG_CACHE_HOME nor HOME is set")
}

// HostSystem is Nix's name for the machine that nxc runs on, such as
// "x86_64-linux".
func HostSystem() string {
	cpu, known := map[string]string{
		"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l",
		"riscv64": "riscv64", "ppc64le": "powerpc64le", "loong64": "loongarch64",
	}[runtime.GOARCH]
	if !known {
		cpu = runtime.GOARCH
	}
	return cpu + "-" + runtime.GOOS
}
