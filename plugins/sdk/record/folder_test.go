package record

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// TestFolderGoesWithItsRecord removes what commands that were killed left, and
// nothing of one that lives.
func TestFolderGoesWithItsRecord(t *testing.T) {
	parent := t.TempDir()
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	live := fmt.Sprintf("%s%d-1", newFolder, os.Getpid())
	for _, name := range []string{goneFolder + "m-1", fmt.Sprintf("%s%d-1", newFolder, ended.Process.Pid), live, "m-2"} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	op := sdk.Operation{Operation: plugins.Operation{UUID: "u", Address: "a", Attempt: "1"}}
	dir := filepath.Join(parent, "thing-"+ID(op))
	if err := Begin(op, dir, thing{"new"}); err != nil {
		t.Fatal(err)
	}
	if found, err := Find[thing](parent, "thing-", "u"); err != nil || len(found) != 1 || found[0].Complete {
		t.Errorf("found %+v, %v; want the thing, half made", found, err)
	}
	if _, err := Exists[thing](sdk.Operation{Operation: plugins.Operation{UUID: "other"}}, dir); err == nil {
		t.Error("another deployment may use the thing")
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), live+" m-2"; got != want {
		t.Errorf("left: %s; want %s", got, want)
	}
}
