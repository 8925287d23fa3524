package standin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// record is what an earlier run left: where things are, and what they hold.
type record struct {
	Layout   int      `json:"layout"`
	Roots    string   `json:"roots"`    // digest of the list that was asked for
	Packages []string `json:"packages"` // what was asked for beyond it
	Index    string   `json:"index"`
	Tree     string   `json:"tree"`
	Busybox  string   `json:"busybox"`
	Kernel   string   `json:"kernel"`
}

// recordFile keeps releases of distributions apart: a home folder may be
// shared between machines.
func recordFile(dir string, host distribution) string {
	return filepath.Join(dir, host.key()+"-"+architecture()+".json")
}

// rootOf is the link that keeps an index, and all that it names, from the
// garbage collector.
func rootOf(dir, index string) string {
	return filepath.Join(dir, "roots", filepath.Base(index))
}

// readRecord reads what an earlier run left for this distribution.
func readRecord(dir string, host distribution) (record, error) {
	file := recordFile(dir, host)
	text, err := os.ReadFile(file)
	if err != nil {
		return record{}, err
	}
	var known record
	if err := json.Unmarshal(text, &known); err != nil {
		return record{}, fmt.Errorf("%s: %w", file, err)
	}
	return known, nil
}

// covers says whether the record holds what is asked for today.
func (r record) covers(packages []string) bool {
	if r.Layout != layout || r.Roots != rootsDigest() {
		return false
	}
	return !slices.ContainsFunc(sortedUnique(packages), func(name string) bool {
		return !slices.Contains(r.Packages, name)
	})
}

// write replaces the record in one step.
func (r record) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("recording the stand-in: %w", err)
	}
	return nil
}

// rootsDigest changes when the lists in packages.go change.
func rootsDigest() string {
	var text strings.Builder
	for _, list := range [][]string{roots, machineRoots, leftPatterns, dropped, sortedKeys(left), sortedKeys(unitMakers)} {
		text.WriteString(strings.Join(list, " ") + "\n")
	}
	for _, alternative := range alternatives {
		text.WriteString(alternative.name + "=" + alternative.target + "\n")
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:8])
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// lock makes two commands prepare the stand-in one after the other. The kernel
// releases it when the holder ends, however it ends.
func lock(ctx context.Context, dir string, progress func(string)) (func(), error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the stand-in's folder: %w", err)
	}
	for waited := false; ; waited = true {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		if !waited {
			progress("waiting for another nxc that prepares the stand-in (" + file.Name() + ")")
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
