package sdktest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
)

func TestMain(m *testing.M) {
	if os.Getenv(mortalFlaw) != "" {
		sdktest.Main(mortalProvider)
	}
	sdktest.Main(fake.Provider)
	os.Exit(m.Run())
}

func TestFake(t *testing.T) {
	root := t.TempDir()
	sdktest.Run(t, fakeSuite(root))
}

func fakeSuite(root string) sdktest.Suite {
	remove := func(kind string) func(*testing.T, cty.Value) {
		return func(t *testing.T, object cty.Value) {
			if err := os.RemoveAll(filepath.Join(root, kind, object.GetAttr("name").AsString())); err != nil {
				t.Fatal(err)
			}
		}
	}
	return sdktest.Suite{
		Provider: fake.Provider(),
		Config:   map[string]any{"root": root},
		Command:  sdktest.Self(),
		Outside:  func(*testing.T) []string { return fake.Objects(root) },
		Writes:   func() int { return fake.Writes(root) },
		Cases: []sdktest.Case{
			{
				Type:     "fake_thing",
				Config:   map[string]any{"name": "a", "content": "one", "delay": "60ms"},
				Update:   map[string]any{"name": "a", "content": "two", "delay": "60ms"},
				Break:    remove("things"),
				ImportID: func(object cty.Value) string { return object.GetAttr("name").AsString() },
				// Written beside the object's values, so that Import cannot know it.
				Drifts: []string{"delay"},
			},
			{
				Name:   "replaced thing",
				Type:   "fake_thing",
				Config: map[string]any{"name": "b"},
				Update: map[string]any{"name": "c", "content": ""},
			},
			{
				Type:   "fake_node",
				Config: map[string]any{"name": "n", "host_name": "n", "system": "/nix/store/x", "delay": "60ms"},
				Update: map[string]any{"name": "n", "host_name": "n", "system": "/nix/store/x", "delay": "50ms"},
				Break:  remove("nodes"),
				Root:   func(object cty.Value) string { return object.GetAttr("folder").AsString() },
				CopyTo: "/tmp",
			},
		},
	}
}
