package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// serveAged is a plugin whose schema grew older: with AGED_VERSION=2 what was
// "label" is called "name". Its objects are nowhere.
func serveAged() {
	resource := sdk.Managed[agedOne]("aged_thing", ageless[agedOne]{}, sdk.Options{Version: 1})
	if os.Getenv("AGED_VERSION") == "2" {
		resource = sdk.Managed[agedTwo]("aged_thing", upgraded{}, sdk.Options{Version: 2})
	}
	sdk.Serve(sdk.Provider{
		Name: "aged", Version: os.Getenv("AGED_VERSION"),
		Configure: sdk.Configure(func(context.Context, struct{}, plugins.Folders) (plugins.Location, error) {
			return plugins.Location{Kind: "nowhere", ID: "nowhere", Label: "nowhere"}, nil
		}),
		Resources: []sdk.Resource{resource},
	})
}

type agedOne struct {
	Label string `nxc:"label,required,replace" doc:"What it is called."`
}

type agedTwo struct {
	Name string `nxc:"name,required,replace" doc:"What it is called."`
}

// ageless is a resource without anything outside.
type ageless[T any] struct{}

func (ageless[T]) Create(context.Context, sdk.Operation, *T) error             { return nil }
func (ageless[T]) Read(context.Context, sdk.Operation, *T) (bool, error)       { return true, nil }
func (ageless[T]) Delete(context.Context, sdk.Operation, *T) error             { return nil }
func (ageless[T]) Find(context.Context, sdk.Operation) ([]sdk.Found[T], error) { return nil, nil }

type upgraded struct{ ageless[agedTwo] }

func (upgraded) Upgrade(_ context.Context, _ int64, object json.RawMessage) (*agedTwo, error) {
	var old struct{ Label string }
	err := json.Unmarshal(object, &old)
	return &agedTwo{Name: old.Label}, err
}
