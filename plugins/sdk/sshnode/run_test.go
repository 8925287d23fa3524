package sshnode

import (
	"testing"

	"github.com/nixos-compose/nxc/plugins"
)

func TestCommand(t *testing.T) {
	got := Command(plugins.Process{Command: []string{"echo", "it's", "a b", "plain-1.2"}, Env: []string{"A=b c"}, Dir: "/x y"})
	want := `PATH=` + Programs + `:$PATH; export PATH; cd '/x y' || exit 1; exec env 'A=b c' echo 'it'\''s' 'a b' plain-1.2`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPadding(t *testing.T) {
	for size, want := range map[int64]int64{0: 0, 1: 3, 2: 2, 3: 1, 4: 0, 5: 3} {
		if got := Padding(size); got != want {
			t.Errorf("%d: got %d, want %d", size, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	before := []plugins.ContextFile{{Path: "/a", Content: []byte("1")}, {Path: "/c", Content: []byte("3")}}
	merged := Merge(before, []plugins.ContextFile{{Path: "/b", Content: []byte("2")}, {Path: "/a", Content: []byte("4")}})
	if len(merged) != 3 || Content(merged, "/a") != "4" || merged[1].Path != "/b" || Content(before, "/a") != "1" {
		t.Errorf("got %v", merged)
	}
}
