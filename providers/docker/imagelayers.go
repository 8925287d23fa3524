package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// hash is the layer's name for the engine, of its bytes as they would be sent.
func (l *layer) hash() (string, error) {
	sum := sha256.New()
	if err := l.write(sum, sdk.FileContent); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// wantsAll reports whether an archive must hold every layer of its image, also
// those that the engine has. It must where images lie in containerd's store, as
// they do by default from Docker 29 on, which refuses the archive otherwise.
func (i images) wantsAll() bool {
	return slices.ContainsFunc(i.info.DriverStatus, func(s [2]string) bool {
		return s[0] == "driver-type" && strings.HasPrefix(s[1], "io.containerd.snapshotter.")
	})
}

// known returns the hashes of the first layers that the engine has already, in
// any image that nxc made, and need not be sent. An engine knows a layer by what
// lies below it, so the layers after the first other one count as new.
func (i images) known(ctx context.Context, layers []layer) ([]string, error) {
	if i.wantsAll() {
		return nil, nil
	}
	list, err := i.client.ImageList(ctx, client.ImageListOptions{All: true,
		Filters: make(client.Filters).Add("label", labelType+"=docker_image")})
	if err != nil {
		return nil, err
	}
	var stacks [][]string
	for _, one := range list.Items {
		seen, err := i.client.ImageInspect(ctx, one.ID)
		if err == nil && len(seen.RootFS.Layers) > 0 { // else it went meanwhile
			stacks = append(stacks, seen.RootFS.Layers)
		}
	}
	var sums []string
	for n := range layers {
		stacks = slices.DeleteFunc(stacks, func(s []string) bool { return len(s) <= n })
		if len(stacks) == 0 {
			break
		}
		sum, err := layers[n].hash()
		if err != nil {
			return nil, err
		}
		stacks = slices.DeleteFunc(stacks, func(s []string) bool { return s[n] != sum })
		if len(stacks) == 0 {
			break
		}
		sums = append(sums, sum)
	}
	return sums, nil
}
