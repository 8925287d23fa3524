package sdk

import (
	"errors"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
)

// An error without a remedy says where it comes from; one with its own words stays.
func TestOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		typ  string
		err  error
		want string
	}{
		"plain":    {"test_thing", errors.New("json: cannot unmarshal"), "Provider test failed with this in Read of test_thing."},
		"provider": {"provider test", errors.New("no route"), "Provider test failed with this in Read."},
		"own":      {"test_thing", Error("It is taken", ""), ""},
		"remedy":   {"test_thing", Error("It is taken", "Choose another."), "Choose another."},
	} {
		t.Run(name, func(t *testing.T) {
			var d plugins.Diagnostics = guard(c.typ, "Read", func() error { return c.err })
			if len(d) != 1 || d[0].Detail != c.want {
				t.Errorf("got %+v, want the detail %q", d, c.want)
			}
		})
	}
}
