//go:build !version1

package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

const (
	release     = "2.0.0"
	nodeVersion = 2 // the command is a list
)

// Command is what a node runs, line by line.
type Command []string

func (c Command) script() string { return strings.Join(c, "\n") }

// UnmarshalJSON also reads what version 1 wrote into states and records.
func (c *Command) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) != nil {
		return json.Unmarshal(text, (*[]string)(c))
	}
	*c = nil
	if one != "" {
		*c = Command{one}
	}
	return nil
}

var _ sdk.Upgrader[Node] = nodes{}

// Upgrade reads a node of version 1. What the provider computed is kept as
// well: by it the node is known outside.
func (nodes) Upgrade(_ context.Context, _ int64, object json.RawMessage) (*Node, error) {
	var n Node // the attributes have the fields' names, but for capitals
	err := json.Unmarshal(object, &n)
	return &n, err
}
