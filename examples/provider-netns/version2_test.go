//go:build !version1

package main

import (
	"context"
	"reflect"
	"testing"
)

func TestUpgrade(t *testing.T) {
	for name, tt := range map[string]struct {
		old  string
		want Node
	}{
		"a command": {
			`{"name": "a", "bits": 24, "command": "sleep 1", "id": "nxc-1", "root": "/r"}`,
			Node{Name: "a", Bits: 24, Command: Command{"sleep 1"}, ID: "nxc-1", Root: "/r"},
		},
		"none": {`{"name": "a", "command": null}`, Node{Name: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nodes{}.Upgrade(context.Background(), 1, []byte(tt.old))
			if err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}
