package docker

import (
	"testing"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
)

// What people do to images and containers with the engine's own commands is
// seen, and mended where it matters.
func TestByHand(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	i, c, ctx := images{d.engine}, containers{d.engine}, t.Context()
	image := d.busybox()
	op := d.op("docker_container.sleeper")
	have := d.sleeper(image)
	d.must(c.Create(ctx, op, &have))

	// A container that was renamed is the same one.
	_, err := d.client.ContainerRename(ctx, have.ID, client.ContainerRenameOptions{NewName: "renamed-" + d.uuid})
	d.must(err)
	if exists, err := c.Read(ctx, op, &have); !exists || err != nil || have.ContainerName != "renamed-"+d.uuid {
		t.Errorf("renamed: exists %v, error %v, name %q", exists, err, have.ContainerName)
	}
	if exit, err := c.Exec(ctx, op, &have, plugins.Process{Command: []string{"true"}}); exit != 0 || err != nil {
		t.Errorf("renamed, it executes: exit %d, error %v", exit, err)
	}

	// An image in use that lost its name gets it back.
	read, prior := *image, *image
	_, err = d.client.ImageRemove(ctx, image.Reference, client.ImageRemoveOptions{Force: true})
	d.must(err)
	if exists, err := i.Read(ctx, d.anyAttempt(), &read); !exists || err != nil || read.Reference != "" {
		t.Fatalf("without its name: exists %v, error %v, %+v", exists, err, read)
	}
	op = d.op("docker_image.again")
	d.must(i.Update(ctx, op, read, &prior))
	if exists, err := i.Read(ctx, d.anyAttempt(), &prior); !exists || err != nil || prior.Reference != referenceOf(op, image) {
		t.Errorf("named again: exists %v, error %v, %+v", exists, err, prior)
	}
	d.must(c.Delete(ctx, d.anyAttempt(), &have))

	// One that vanished is made again.
	_, err = d.client.ImageRemove(ctx, prior.ID, client.ImageRemoveOptions{PruneChildren: true})
	d.must(err)
	if exists, err := i.Read(ctx, d.anyAttempt(), &prior); exists || err != nil {
		t.Errorf("removed: exists %v, error %v", exists, err)
	}
	if left := d.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
