package g5k

import (
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// TestMarkerName: what a marker's name says is known even when nothing was
// written into it.
func TestMarkerName(t *testing.T) {
	for _, address := range []string{
		"image", `nodes["a-b.c"].image`, strings.Repeat("ä", 60),
		strings.Repeat("long", 60), // no name of a file holds this one
	} {
		op := sdk.Operation{Operation: plugins.Operation{UUID: "9b2f6c1e-3b0a-4c55-9a3e-0c9f6a3f1d77", Address: address, Attempt: "1e39c1d6"}}
		name := markerName(op)
		if len(name+unfinishedFile) > longestFileName || strings.Contains(name, "/") {
			t.Errorf("%s: no name of a file", name)
		}
		rest, ok := strings.CutPrefix(name, head(op.UUID, 32)+"-")
		if !ok {
			t.Fatalf("%s does not begin with the deployment", name)
		}
		m := markerNamed(rest)
		if m.Attempt != op.Attempt || m.Address != address && len(address) < 200 {
			t.Errorf("the marker of %s says attempt %q of %q", address, m.Attempt, m.Address)
		}
	}
}
