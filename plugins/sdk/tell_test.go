package sdk

import (
	"context"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// TestTell reads until somebody hears what is told meanwhile.
func TestTell(t *testing.T) {
	p, err := New(Provider{Name: "test", Resources: []Resource{Managed[box]("test_box", boxes{})}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		p.(plugins.Watcher).Watch(ctx, func(text string) {
			select {
			case heard <- text:
			default:
			}
		})
	}()
	object := cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal("a"), "mode": cty.NullVal(cty.String), "size": cty.NumberIntVal(1), "peer": cty.ListValEmpty(cty.Object(map[string]cty.Type{"address": cty.String})),
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && len(heard) == 0; time.Sleep(time.Millisecond) {
		if d := p.Read(t.Context(), []plugins.ReadRequest{{Type: "test_box", Object: object}}, func(int, plugins.ReadResult) {}); d.HasErrors() {
			t.Fatal(d)
		}
	}
	if got := <-heard; got != "looking for the box" {
		t.Errorf("heard %q", got)
	}
	cancel()
	<-ended
	Tell(t.Context(), "where nobody listens")
}
