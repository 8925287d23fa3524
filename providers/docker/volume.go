package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Volume is a volume of the engine.
type Volume struct {
	Name       string            `nxc:"name,required,replace" doc:"The volume's own name. The engine knows it by volume_name."`
	Driver     string            `nxc:"driver,optional,replace,default=local" doc:"What keeps the files."`
	Options    map[string]string `nxc:"options,optional,replace" doc:"Options of the driver."`
	Labels     map[string]string `nxc:"labels,optional,replace" doc:"Labels beside nxc's own."`
	VolumeName string            `nxc:"volume_name,optional,computed,replace,exclusive" doc:"Name in the engine; by default one that no other deployment has."`
	ID         string            `nxc:"id,computed" doc:"The engine's identifier: the name."`
	Mountpoint string            `nxc:"mountpoint,computed" doc:"Where the files lie on the engine's host."`
}

// volumes handles docker_volume. The engine knows volumes by name only, and
// making one that exists succeeds: labels decide what is ours.
type volumes struct{ *engine }

func (v volumes) Create(ctx context.Context, op sdk.Operation, want *Volume) error {
	labels, err := marks(op, "docker_volume", want.Name, want.Labels, want)
	if err != nil {
		return err
	}
	name := want.VolumeName
	if name == "" {
		name = outsideName(op, want.Name)
	}
	through, cancel, err := committed(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	op.Phase("creating the volume")
	made, err := v.client.VolumeCreate(through, client.VolumeCreateOptions{
		Name: name, Driver: want.Driver, DriverOpts: want.Options, Labels: labels,
	})
	if err != nil {
		return fmt.Errorf("create volume %s: %w", name, err)
	}
	if made.Volume.Labels[labelAttempt] != op.Attempt {
		return sdk.AttributeError("volume_name", "The engine has another volume of this name",
			fmt.Sprintf("Volume %s is %s, and is left alone. Choose another volume_name, or leave it out.", name, owner("docker_volume", made.Volume.Labels)))
	}
	want.observe(made.Volume)
	return nil
}

// observe takes over what the engine says of the volume.
func (w *Volume) observe(seen volume.Volume) {
	w.ID, w.VolumeName, w.Driver, w.Mountpoint = seen.Name, seen.Name, seen.Driver, seen.Mountpoint
}

func (v volumes) Read(ctx context.Context, op sdk.Operation, have *Volume) (bool, error) {
	seen, err := v.seek(ctx, op, have)
	if seen == nil || err != nil {
		return false, err
	}
	have.observe(*seen)
	return true, nil
}

// seek returns the volume that have stands for; nil when it is gone, even if
// another has taken its name since.
func (v volumes) seek(ctx context.Context, op sdk.Operation, have *Volume) (*volume.Volume, error) {
	if have.ID == "" && op.Attempt == "" {
		return nil, nil
	}
	list, err := v.client.VolumeList(ctx, client.VolumeListOptions{Filters: ofDeployment(op, "docker_volume", have.ID == "")})
	if err != nil {
		return nil, fmt.Errorf("look for volume %s: %w", have.Name, err)
	}
	for i := range list.Items {
		if have.ID == "" || list.Items[i].Name == have.ID {
			return &list.Items[i], nil
		}
	}
	return nil, nil
}

func (v volumes) Delete(ctx context.Context, op sdk.Operation, have *Volume) error {
	seen, err := v.seek(ctx, op, have)
	if seen == nil || err != nil {
		return err
	}
	if !ours(op, "docker_volume", seen.Labels) {
		return notOurs("volume", seen.Name, seen.Name, seen.Labels)
	}
	op.Phase("removing the volume")
	_, err = v.client.VolumeRemove(ctx, seen.Name, client.VolumeRemoveOptions{})
	switch {
	case err == nil, errdefs.IsNotFound(err):
		return nil
	case errdefs.IsConflict(err):
		return sdk.Error(fmt.Sprintf("Volume %s is in use", seen.Name),
			fmt.Sprintf("%s. Remove the containers that mount it (docker ps -a --filter volume=%s), then destroy again.", err, seen.Name))
	}
	return fmt.Errorf("remove volume %s: %w", seen.Name, err)
}

func (v volumes) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Volume], error) {
	list, err := v.client.VolumeList(ctx, client.VolumeListOptions{Filters: ofDeployment(op, "docker_volume", false)})
	if err != nil {
		return nil, fmt.Errorf("find volumes: %w", err)
	}
	var found []sdk.Found[Volume]
	for _, seen := range list.Items {
		f := sdk.Found[Volume]{Address: seen.Labels[labelAddress], Attempt: seen.Labels[labelAttempt], Complete: true}
		if err := askedFor(seen.Labels, &f.Object); err != nil {
			return nil, err
		}
		f.Object.observe(seen)
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b sdk.Found[Volume]) int { return strings.Compare(a.Object.ID, b.Object.ID) })
	return found, nil
}
