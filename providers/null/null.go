// Package null is a provider of resources that exist only in the state: for
// tutorials, tests and benchmarks, and to trigger other things.
//
// As nothing exists outside, nothing can leak: Find never finds anything, and
// a create that was cut short is simply made again.
package null

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Provider returns the provider, for sdk.Serve.
func Provider() sdk.Provider {
	return sdk.Provider{
		Name:      "null",
		Version:   "0.1.0",
		Configure: sdk.Configure(configure),
		Resources: []sdk.Resource{
			sdk.Managed[Resource]("null_resource", handler{}, sdk.Options{
				Doc: "A resource that does nothing. It is replaced when its triggers change.",
			}),
		},
		Data: []sdk.Data{sdk.DataSource("null_data", readData)},
	}
}

// configure points nowhere, which is the same place on every machine.
func configure(context.Context, struct{}, plugins.Folders) (plugins.Location, error) {
	return plugins.Location{Kind: "null", ID: "null", Label: "nowhere"}, nil
}

// Resource is a resource without anything behind it.
type Resource struct {
	Triggers map[string]string `nxc:"triggers,replace" doc:"Any values. When one changes, the resource is replaced, and with it what depends on its id."`
	ID       string            `nxc:"id,computed" doc:"Another one for each resource that is created."`
}

// handler has the verbs of null_resource.
type handler struct{}

var _ sdk.Handler[Resource] = handler{}

// Create derives the id from the attempt, so that it is as unique as that.
func (handler) Create(_ context.Context, op sdk.Operation, want *Resource) error {
	sum := sha256.Sum256([]byte(op.UUID + "\x00" + op.Address + "\x00" + op.Attempt))
	want.ID = hex.EncodeToString(sum[:8])
	return nil
}

func (handler) Read(context.Context, sdk.Operation, *Resource) (bool, error) { return true, nil }

func (handler) Delete(context.Context, sdk.Operation, *Resource) error { return nil }

func (handler) Find(context.Context, sdk.Operation) ([]sdk.Found[Resource], error) { return nil, nil }

// Data hands its inputs on.
type Data struct {
	Inputs  map[string]string `nxc:"inputs" doc:"Any values."`
	Outputs map[string]string `nxc:"outputs,computed" doc:"The inputs."`
}

func readData(_ context.Context, want *Data) error {
	want.Outputs = want.Inputs
	return nil
}
