package driver

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// evidence is what is asked of each node when a test has failed.
var evidence = []struct{ file, command string }{
	{"units.txt", "systemctl --no-pager list-units --all; systemctl --no-pager --full --lines=50 status $(systemctl --no-pager --plain --no-legend --failed | cut -d' ' -f1) 2>/dev/null; true"},
	{"journal.log", "journalctl --no-pager -b -o short-precise -n 5000"},
}

// keep writes down what the nodes look like, and returns the files, sorted.
func (s *session) keep(ctx context.Context) []string {
	var mu sync.Mutex
	var kept []string
	var all sync.WaitGroup
	turns := make(chan struct{}, 16)
	for _, n := range s.nodes {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			files := n.keep(ctx, s.o.Results)
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, files...)
		})
	}
	all.Wait()
	slices.Sort(kept)
	return kept
}

func (n *node) keep(ctx context.Context, folder string) []string {
	var kept []string
	if n.console != nil {
		if text, err := n.console.since(ctx, 0); err == nil && len(text) > 0 {
			kept = append(kept, consoleFile(folder, n.Name()))
		}
	}
	if !n.Offers(plugins.HandExec) || !n.up(ctx) {
		return kept
	}
	for _, e := range evidence {
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		said := &output{}
		// A node that cannot say it any more has said what it could.
		_, _ = n.Exec(asking, plugins.Process{Command: []string{"bash", "-c", e.command}, Stdout: said, Stderr: said})
		cancel()
		file := filepath.Join(folder, n.Name()+"."+e.file)
		if text := said.taken(); len(text) > 0 && os.WriteFile(file, text, 0o644) == nil {
			kept = append(kept, file)
		}
	}
	return kept
}
