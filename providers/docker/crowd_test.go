package docker

import (
	"errors"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
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
		var got string
		var d plugins.Diagnostics
		if errors.As(tooMany(test.nodes, test.limit), &d) {
			got = d[0].Detail
		}
		if (got == "") != (test.want == "") || !strings.HasSuffix(got, test.want) {
			t.Errorf("%d nodes, %d allowed: %q, want %q", test.nodes, test.limit, got, test.want)
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
