package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSockets wants the folder of a plugin's socket in the place that it is
// given, gone when the plugin is closed, and swept when nobody closed it.
func TestSockets(t *testing.T) {
	parent, err := os.MkdirTemp("/tmp", "nxc-s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	dead, young := filepath.Join(parent, "4194305-1"), filepath.Join(parent, "4194305-2") // no process has this number
	other := filepath.Join(parent, "notes")
	for _, dir := range []string{dead, young, other} {
		if err := os.MkdirAll(filepath.Join(dir, "plugin-dir1"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dead, old, old); err != nil {
		t.Fatal(err)
	}
	c := &Client{options: Options{Sockets: parent}}
	own := c.socketFolder()
	if filepath.Dir(own) != parent {
		t.Errorf("the folder is %s, want one in %s", own, parent)
	}
	for dir, want := range map[string]bool{dead: false, young: true, other: true, own: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: there %t, want %t", dir, err == nil, want)
		}
	}
	c.leaveSockets()
	if _, err := os.Stat(own); err == nil {
		t.Errorf("%s is left", own)
	}
	long := &Client{options: Options{Sockets: filepath.Join(parent, "this-name-is-so-long-that-a-socket-below-it-would-not-fit")}}
	if own := long.socketFolder(); filepath.Dir(own) == long.options.Sockets {
		t.Errorf("a socket's path in %s is too long", own)
	}
}
