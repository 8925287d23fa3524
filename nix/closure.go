package nix

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Closure is everything that a store path needs at run time, itself included.
type Closure struct {
	Size  int64    // bytes, uncompressed
	Paths []string // sorted
	Sizes []int64  // of each path alone, in bytes
}

// queryBatch is how many paths one command is given, which keeps its arguments
// below the kernel's limit.
const queryBatch = 500

// Valid says of each path whether it is complete in the Nix store.
func (n *Nix) Valid(ctx context.Context, paths []string) (map[string]bool, error) {
	valid := make(map[string]bool, len(paths))
	var present []string
	for _, path := range paths {
		valid[path] = false
		if isWithin(path, storeDir) && n.exists(path) {
			present = append(present, path)
		}
	}
	slices.Sort(present)
	for batch := range slices.Chunk(slices.Compact(present), queryBatch) {
		out, err := n.output(ctx, command{path: n.store, args: append([]string{"--check-validity", "--print-invalid"}, batch...)})
		if err != nil {
			return nil, fmt.Errorf("asking which paths are valid: %w", err)
		}
		invalid := strings.Fields(string(out))
		for _, path := range batch {
			valid[path] = !slices.Contains(invalid, path)
		}
	}
	return valid, nil
}

// Closure returns the closure of a store path. A path that is not built has
// none yet; the error is then ErrNotValid.
func (n *Nix) Closure(ctx context.Context, path string) (Closure, error) {
	valid, err := n.Valid(ctx, []string{path})
	if err != nil {
		return Closure{}, err
	}
	if !valid[path] {
		return Closure{}, fmt.Errorf("%s is %w", path, ErrNotValid)
	}
	out, err := n.output(ctx, command{path: n.store, args: []string{"--query", "--requisites", path}})
	if err != nil {
		return Closure{}, fmt.Errorf("closure of %s: %w", path, err)
	}
	c := Closure{Paths: strings.Fields(string(out))}
	slices.Sort(c.Paths)
	for batch := range slices.Chunk(c.Paths, queryBatch) {
		out, err := n.output(ctx, command{path: n.store, args: append([]string{"--query", "--size"}, batch...)})
		if err != nil {
			return Closure{}, fmt.Errorf("size of %s: %w", path, err)
		}
		for field := range strings.FieldsSeq(string(out)) {
			size, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return Closure{}, fmt.Errorf("size of %s: %w", path, err)
			}
			c.Size += size
			c.Sizes = append(c.Sizes, size)
		}
	}
	return c, nil
}
