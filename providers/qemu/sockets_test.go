package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestSocketsFolderIsShared: objects come and go side by side, and none removes
// the folder under another that is about to make its sockets.
func TestSocketsFolderIsShared(t *testing.T) {
	h := newHost(t)
	h.folders.Runtime = filepath.Join(h.folders.Runtime, "shared")
	var all sync.WaitGroup
	for who := range 8 {
		all.Go(func() {
			id := fmt.Sprintf("%012d", who)
			dir := h.folderOf(kindMachine, id)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Error(err)
			}
			for range 200 {
				if err := h.settle(id, dir); err != nil {
					t.Errorf("settle: %v", err)
					return
				}
				socket, err := h.socket(id, "q")
				if err == nil {
					err = os.WriteFile(socket, nil, 0o600)
				}
				if err != nil {
					t.Errorf("a socket after settle: %v", err)
					return
				}
				h.arrive(id)
				if err := h.removeSockets(id); err != nil {
					t.Errorf("remove: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	if _, err := os.Lstat(h.folders.Runtime); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
}
