package record

import (
	"path/filepath"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

type thing struct{ Name string }

func TestRecord(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	op := sdk.Operation{Operation: plugins.Operation{UUID: "u", Address: "a", Attempt: "1"}}
	dir := filepath.Join(folder, "thing-"+ID(op))
	if found, err := Find[thing](folder, "thing-", "u"); err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	for _, step := range []struct {
		do       func() error
		complete bool
		name     string
	}{
		{func() error { return Begin(op, dir, thing{"new"}) }, false, "new"},
		{func() error { return Finish(dir, thing{"done"}) }, true, "done"},
		{func() error { return Begin(op, dir, thing{"again"}) }, false, "again"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		found, err := Find[thing](folder, "thing-", "u")
		if err != nil || len(found) != 1 || found[0].Complete != step.complete || found[0].Object.Name != step.name || found[0].Attempt != "1" {
			t.Fatalf("got %+v, %v; want %+v", found, err, step)
		}
	}
	if found, err := Find[thing](folder, "thing-", "other"); err != nil || len(found) > 0 {
		t.Errorf("another deployment finds %v, %v", found, err)
	}
	for range 2 {
		if err := Remove(dir); err != nil {
			t.Fatal(err)
		}
	}
	if found, _ := Find[thing](folder, "", "u"); len(found) > 0 {
		t.Errorf("after its end: %v", found)
	}
}
