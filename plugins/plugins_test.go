package plugins_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
)

func TestNodeNames(t *testing.T) {
	for _, test := range []struct {
		n    int
		want []string
	}{
		{0, []string{}}, {1, []string{"client"}}, {3, []string{"client1", "client2", "client3"}},
	} {
		if got := plugins.NodeNames("client", test.n); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%d: got %v, want %v", test.n, got, test.want)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	warning := plugins.Diagnostics{{Severity: plugins.Warning, Summary: "careful"}}
	if warning.HasErrors() || warning.Err() != nil {
		t.Error("a warning is an error")
	}
	if plugins.Diagnostics(nil).Err() != nil {
		t.Error("nothing is an error")
	}
	both := append(warning, plugins.NewError("No engine", "Start it.")...)
	both = append(both, plugins.NewError("No disk", "")...)
	if got, want := both.Err().Error(), "No engine: Start it.; No disk"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var inner plugins.Diagnostics
	if !errors.As(fmt.Errorf("start: %w", both.Err()), &inner) || len(inner) != 3 {
		t.Errorf("diagnostics are lost in a wrapped error: %v", inner)
	}
}

func TestLocationSame(t *testing.T) {
	a := plugins.Location{Kind: "docker-engine", ID: "1", Label: "lab"}
	if !a.Same(plugins.Location{Kind: "docker-engine", ID: "1", Label: "renamed"}) {
		t.Error("a new label makes another place")
	}
	if a.Same(plugins.Location{Kind: "machine", ID: "1"}) || a.Same(plugins.Location{Kind: "docker-engine", ID: "2"}) {
		t.Error("another kind or id is the same place")
	}
}
