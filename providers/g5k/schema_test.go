package g5k

import (
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// TestSchema derives the schemas of everything that the provider offers.
func TestSchema(t *testing.T) {
	p, err := sdk.New(Provider())
	if err != nil {
		t.Fatal(err)
	}
	if _, d := p.Schema(t.Context()); d.HasErrors() {
		t.Error(d)
	}
}
