package plan

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Objects holds the value of every object, and builds from them the values
// that expressions see. It is not safe for concurrent use.
type Objects struct {
	blocks map[addr.Instance]*block
	values map[addr.Instance]cty.Value
}

// block is the shape of one block's value; built is that value, made when it
// is first asked for and dropped when one of its instances changes.
type block struct {
	kind      Kind
	failed    bool
	instances []addr.Instance
	node      func(map[addr.Instance]cty.Value) cty.Value
	built     cty.Value
}
