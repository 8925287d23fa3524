package nix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rootDerivations keeps an evaluation's derivations from the garbage collector
// with links in the cache, so that a plan can be applied later. When that
// fails, only a collection between the two can do harm; it is logged.
func (n *Nix) rootDerivations(ctx context.Context, key string, e *Evaluation) {
	var drvs []string
	for _, o := range e.Outputs() {
		if o.Drv != "" && !slices.Contains(drvs, o.Drv) {
			drvs = append(drvs, o.Drv)
		}
	}
	if len(drvs) == 0 {
		return
	}
	folder := n.derivationRoots(key)
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		_, err = n.output(ctx, command{
			path: n.instantiate,
			args: []string{"--add-root", filepath.Join(folder, "drv"), "--indirect", "-E", importAll(drvs)},
		})
	}
	if err == nil {
		err = Prune(folder, drvs)
	}
	if err != nil && ctx.Err() == nil {
		n.logger.Warn("derivations are not protected from the garbage collector", "error", err)
	}
}

// importAll is an expression whose value is the derivations themselves.
func importAll(drvs []string) string {
	var b strings.Builder
	b.WriteString("[")
	for _, drv := range drvs {
		fmt.Fprintf(&b, " (import %q)", drv)
	}
	b.WriteString(" ]")
	return b.String()
}

// Prune removes the links in rootDir that keep something else than the store
// paths in keep. What was kept by them alone may then be collected. A folder
// that does not exist keeps nothing.
func Prune(rootDir string, keep []string) error {
	entries, err := os.ReadDir(rootDir)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("garbage collector roots: %w", err)
	}
	for _, entry := range entries {
		link := filepath.Join(rootDir, entry.Name())
		target, err := os.Readlink(link)
		if err != nil || !isWithin(target, storeDir) || slices.Contains(keep, target) {
			continue // not a root of ours, or still wanted
		}
		if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("garbage collector roots: %w", err)
		}
	}
	return nil
}

// Unroot removes the links in rootDir that keep the given store paths.
func Unroot(rootDir string, paths []string) error {
	entries, err := os.ReadDir(rootDir)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("garbage collector roots: %w", err)
	}
	var keep []string
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(rootDir, entry.Name()))
		if err == nil && !slices.Contains(paths, target) {
			keep = append(keep, target)
		}
	}
	return Prune(rootDir, keep)
}
