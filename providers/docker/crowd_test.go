package docker

import (
	"strings"
	"testing"
)

func TestTooMany(t *testing.T) {
	for _, test := range []struct {
		nodes, limit int
		want         string
	}{
		{20, 128, ""},
		{22, 128, "max_user_instances=1024"},
		{50, 128, "max_user_instances=1024"},
		{50, 1024, ""},
		{400, 1024, "max_user_instances=8192"},
	} {
		err := tooMany(test.nodes, test.limit)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%d nodes, %d allowed: %v, want %q", test.nodes, test.limit, err, test.want)
		}
	}
}

func TestNoWatcherLeft(t *testing.T) {
	if !noWatcherLeft([]string{"Welcome", "\x1b[0;1;31mFailed to create control group inotify object: Too many open files\x1b[0m"}) {
		t.Error("what systemd says is not understood")
	}
	if noWatcherLeft([]string{"inotify is fine", "Too many open files"}) {
		t.Error("other words are taken for it")
	}
}
