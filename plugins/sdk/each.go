package sdk

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/nixos-compose/nxc/plugins"
)

// each calls f for 0 to n-1, several at a time, and result once for each, one
// at a time. When the context ends, the rest is not begun.
func each[R any](ctx context.Context, n int, f func(int) R, result func(int, R)) plugins.Diagnostics {
	if n == 1 { // what the wire asks, again and again
		result(0, f(0))
		return nil
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	for range min(n, parallelism) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n || ctx.Err() != nil {
					return
				}
				r := f(i)
				mu.Lock()
				result(i, r)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return plugins.NewError("Interrupted", err.Error())
	}
	return nil
}

func sortedNames[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
