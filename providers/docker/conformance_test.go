package docker

import (
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/client"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

func TestMain(m *testing.M) {
	sdktest.Main(Provider)
	os.Exit(m.Run())
}

// TestConformance drives each type through the protocol, with a name that no
// other run has, by which what is left outside is seen without labels.
func TestConformance(t *testing.T) {
	for _, typ := range []string{"docker_network", "docker_volume", "docker_image", "docker_container"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			name := "c" + d.uuid[:8]
			c := sdktest.Case{Type: typ, Config: map[string]any{"name": name}, Update: map[string]any{"name": name, "labels": map[string]string{"a": "b"}}, Kills: 2}
			switch typ {
			case "docker_network":
				c.Break = func(t *testing.T, o cty.Value) {
					d.client.NetworkRemove(t.Context(), o.GetAttr("id").AsString(), client.NetworkRemoveOptions{})
				}
			case "docker_volume":
				c.Break = func(t *testing.T, o cty.Value) {
					d.client.VolumeRemove(t.Context(), o.GetAttr("id").AsString(), client.VolumeRemoveOptions{})
				}
			case "docker_image":
				c.Break = func(t *testing.T, o cty.Value) {
					d.client.ImageRemove(t.Context(), o.GetAttr("id").AsString(), client.ImageRemoveOptions{Force: true})
				}
			case "docker_container":
				c.Config = map[string]any{
					"name": name, "image": d.busybox().Reference, "command": []string{"sleep", "inf"}, "stop_signal": "SIGKILL",
					"env": map[string]string{"PATH": "/bin"}, "network": "none", "tmpfs": map[string]string{"/run": ""},
				}
				c.Update = nil
				c.CopyTo = "/run"
				c.Context = &plugins.Context{Files: []plugins.ContextFile{{Path: "/etc/nxc/deployment.json", Content: []byte("{}")}}}
				c.Break = func(t *testing.T, o cty.Value) {
					d.client.ContainerRemove(t.Context(), o.GetAttr("id").AsString(), client.ContainerRemoveOptions{Force: true})
				}
			}
			var writes atomic.Int64
			e := &engine{hook: func(r *http.Request) error {
				if r.Method != http.MethodGet && r.Method != http.MethodHead {
					writes.Add(1)
				}
				return nil
			}}
			sdktest.Run(t, sdktest.Suite{
				Provider: provider(e), Command: sdktest.Self(), Folders: plugins.Folders{Project: d.project},
				Outside: func(t *testing.T) []string { return d.named(name) },
				Writes:  func() int { return int(writes.Load()) },
				Cases:   []sdktest.Case{c},
			})
		})
	}
}

// named lists whatever the engine has that bears name.
func (d *deployment) named(name string) []string {
	d.t.Helper()
	var all []string
	ctx := d.t.Context()
	c, err := d.client.ContainerList(ctx, client.ContainerListOptions{All: true})
	d.must(err)
	for _, one := range c.Items {
		all = append(all, one.Names...)
	}
	n, err := d.client.NetworkList(ctx, client.NetworkListOptions{})
	d.must(err)
	for _, one := range n.Items {
		all = append(all, one.Name)
	}
	v, err := d.client.VolumeList(ctx, client.VolumeListOptions{})
	d.must(err)
	for _, one := range v.Items {
		all = append(all, one.Name)
	}
	i, err := d.client.ImageList(ctx, client.ImageListOptions{All: true})
	d.must(err)
	for _, one := range i.Items {
		all = append(all, one.RepoTags...)
	}
	var some []string
	for _, one := range all {
		if strings.Contains(one, name) {
			some = append(some, one)
		}
	}
	return some
}
