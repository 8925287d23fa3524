// Package standin brings the programs of the host's distribution into the Nix
// store, for compositions that are evaluated with nixpkgs = "embedded".
//
// With no network beyond the distribution's own mirror and no binary cache, it
// gives a newcomer real systems within a minute: it asks apt which packages a
// short visible list needs, fetches and unpacks them without installing
// anything, and adds the result to the store as one tree. A JSON index, in the
// store too, tells the Nix half which package gives which program. The same
// versions of the same packages give the same store paths on every machine.
//
// It does not evaluate or build anything, and it changes nothing of the host's
// own packages. It works for a normal user.
package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options say where to keep records and what else to bring.
// The zero value works.
type Options struct {
	// CacheDir holds records, downloads and the garbage collector's root;
	// empty means nxc/standin in the user's cache folder.
	CacheDir string
	// StoreRoot is the folder below which /nix/store lies; empty means that it is
	// the root of the file system. Each store has records of its own.
	StoreRoot string
	// Packages are distribution packages to bring beyond the usual ones.
	// Once asked for, they stay part of the tree until Refresh without them.
	Packages []string
	// Refresh asks the distribution for newer versions, even if a tree exists.
	Refresh bool
	// Verify asks Nix whether a recorded tree is valid, instead of only looking
	// whether it is there.
	Verify bool
}

// PackagesVariable names the environment variable that adds to
// Options.Packages, separated by blanks.
const PackagesVariable = "NXC_STANDIN_PACKAGES"

// Ensure makes certain that the stand-in's tree is in the Nix store and returns
// the store path of its index. The first time it fetches and unpacks packages
// and reports what it does through progress, one line a call; later it only
// looks whether what it recorded still exists, and starts no program.
func Ensure(ctx context.Context, options Options, progress func(string)) (string, error) {
	if progress == nil {
		progress = func(string) {}
	}
	options.Packages = append(slices.Clone(options.Packages), strings.Fields(os.Getenv(PackagesVariable))...)
	host, err := readDistribution("/etc/os-release")
	if err != nil {
		return "", err
	}
	dir, err := options.cacheDir()
	if err != nil {
		return "", err
	}
	if index, ok := recorded(ctx, dir, host, options); ok {
		return index, nil
	}
	unlock, err := lock(ctx, dir, progress)
	if err != nil {
		return "", err
	}
	defer unlock()
	if index, ok := recorded(ctx, dir, host, options); ok {
		return index, nil
	}
	if made, ok := elsewhere(ctx, dir, host, options, progress); ok {
		return made.Index, made.write(recordFile(dir, host))
	}
	return prepare(ctx, dir, host, options, progress)
}

// elsewhere takes what the machine's usual store has into one in a folder. When
// that does not work, it is fetched.
func elsewhere(ctx context.Context, dir string, host distribution, options Options, progress func(string)) (record, bool) {
	usual := options
	if usual.StoreRoot = ""; options.StoreRoot == "" || options.Refresh {
		return record{}, false
	}
	from, err := usual.cacheDir()
	if err != nil {
		return record{}, false
	}
	known, err := readRecord(from, host)
	if err != nil || !known.covers(options.Packages) || !usual.store().holds(known.Index, known.Tree, known.Busybox, known.Kernel) {
		return record{}, false
	}
	progress("copying the packages from /nix/store")
	in := options.store()
	_, err = in.run(ctx, "nix", "copy", "--extra-experimental-features", "nix-command", "--no-check-sigs", "--from", "auto", "--to", in.address(), known.Index)
	if err == nil {
		err = in.keep(ctx, dir, known.Index)
	}
	return known, err == nil
}

// recorded answers from the cache when it can.
func recorded(ctx context.Context, dir string, host distribution, options Options) (string, bool) {
	if options.Refresh {
		return "", false
	}
	known, err := readRecord(dir, host)
	if err != nil || !known.covers(options.Packages) || !options.store().holds(known.Index, known.Tree, known.Busybox, known.Kernel) {
		return "", false
	}
	if options.Verify && !options.store().valid(ctx, known.Index, known.Tree, known.Busybox, known.Kernel) {
		return "", false
	}
	return known.Index, true
}

// prepare fetches, unpacks and adds everything, and records it.
func prepare(ctx context.Context, dir string, host distribution, options Options, progress func(string)) (string, error) {
	if err := requireTools(); err != nil {
		return "", err
	}
	if err := options.store().writable(ctx, dir); err != nil {
		return "", err
	}
	known, _ := readRecord(dir, host) // without one, there is nothing to keep
	wanted := options.Packages
	if !options.Refresh {
		wanted = append(slices.Clone(known.Packages), wanted...)
	}
	wanted = sortedUnique(wanted)

	apt := aptClient{dir: dir, host: host, progress: progress}
	packages, archives, err := apt.fetch(ctx, sortedUnique(slices.Concat(roots, machineRoots, wanted)))
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(dir, "unpack-")
	if err != nil {
		return "", fmt.Errorf("making a folder to unpack packages in: %w", err)
	}
	defer os.RemoveAll(work)
	progress(fmt.Sprintf("unpacking %d packages", len(archives)))
	contents, err := unpack(ctx, archives, filepath.Join(work, "debian-tree"))
	if err != nil {
		return "", err
	}
	linux, err := apt.fetchKernel(ctx, work)
	if err != nil {
		return "", err
	}
	made, err := options.store().addAll(ctx, work, dir, host, packages, contents, linux, progress)
	if err != nil {
		return "", err
	}
	made.Packages = wanted
	if err := made.write(recordFile(dir, host)); err != nil {
		return "", err
	}
	if known.Index != "" && known.Index != made.Index {
		// The collector may have what no deployment uses any more.
		_ = os.Remove(rootOf(dir, known.Index))
	}
	apt.tidy()
	progress(fmt.Sprintf("%s is ready: %d packages in %s", host.label(), len(packages), made.Tree))
	return made.Index, nil
}

// cacheDir finds the folder for records and makes it.
func (o Options) cacheDir() (string, error) {
	dir := o.CacheDir
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("finding the user's cache folder (set HOME or XDG_CACHE_HOME): %w", err)
		}
		dir = filepath.Join(base, "nxc", "standin")
	}
	if o.StoreRoot != "" {
		sum := sha256.Sum256([]byte(o.StoreRoot))
		dir = filepath.Join(dir, "store-"+hex.EncodeToString(sum[:6]))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the stand-in's cache folder: %w", err)
	}
	return filepath.Abs(dir)
}

// sortedUnique returns names in order, each once, without empty ones.
func sortedUnique(names []string) []string {
	kept := make([]string, 0, len(names))
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}
