package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Disk is a disk's file.
type Disk struct {
	Name       string `nxc:"name,required,replace" doc:"What people call it."`
	Size       string `nxc:"size,optional" doc:"Size, such as 10G. With a base, that of the base when left out. A disk can grow while no machine uses it; to shrink, it is made anew."`
	Base       string `nxc:"base,optional,replace" doc:"A file below the disk, which is only read. A relative path begins at the configuration's folder."`
	BaseFormat string `nxc:"base_format,optional,replace,default=qcow2" doc:"qcow2 or raw."`
	ID         string `nxc:"id,computed" doc:"Its name outside, by which a machine takes it."`
}

// disks handles qemu_disk.
type disks struct{ *host }

var (
	_ sdk.Handler[Disk]   = disks{}
	_ sdk.Updater[Disk]   = disks{}
	_ sdk.Planner[Disk]   = disks{}
	_ sdk.Validator[Disk] = disks{}
)

// fileOf is a disk's file. Where it lies is no part of the disk, which a state
// that is committed describes.
func (h *host) fileOf(id string) string {
	return filepath.Join(h.folderOf(kindDisk, id), "disk.qcow2")
}

// Create makes the disk's file.
func (d disks) Create(ctx context.Context, op sdk.Operation, want *Disk) error {
	size, err := diskSize(want.Size)
	if err != nil {
		return err
	}
	want.ID = record.ID(op)
	dir := d.folderOf(kindDisk, want.ID)
	if err := record.Begin(op, dir, *want); err != nil {
		return err
	}
	if err := createImage(ctx, d.fileOf(want.ID), d.inProject(want.Base), want.BaseFormat, size); err != nil {
		return err
	}
	return record.Finish(dir, *want)
}

// Read looks whether the file is there.
func (d disks) Read(_ context.Context, op sdk.Operation, have *Disk) (bool, error) {
	there, err := record.Exists[Disk](op, d.folderOf(kindDisk, have.ID))
	if err != nil || !there {
		return false, err
	}
	if _, err := os.Stat(d.fileOf(have.ID)); errors.Is(err, fs.ErrNotExist) {
		return false, sdk.Gone("its file was removed")
	}
	return true, nil
}

// Plan grows a disk where it is, and makes another where it is to shrink: what
// lies behind the new end would be cut off. Of a new disk it says what is wrong
// with its base.
func (d disks) Plan(ctx context.Context, _ sdk.Operation, prior *Disk, p *sdk.Planned[Disk]) error {
	if p.Unknown("size") {
		return nil
	}
	size, err := diskSize(p.Value.Size)
	if err != nil {
		return err
	}
	if prior == nil {
		if p.Unknown("base") || p.Unknown("base_format") {
			return nil
		}
		return checkImage(ctx, d.inProject(p.Value.Base), p.Value.BaseFormat, size)
	}
	if had, err := diskSize(prior.Size); err != nil || size < had {
		p.Replace("size", "a disk cannot shrink")
	}
	return nil
}

// Update grows the disk.
func (d disks) Update(ctx context.Context, _ sdk.Operation, prior Disk, want *Disk) error {
	size, err := diskSize(want.Size)
	if err != nil {
		return err
	}
	if prior.Size != want.Size {
		if err := growImage(ctx, d.fileOf(want.ID), size); err != nil {
			return err
		}
	}
	return record.Finish(d.folderOf(kindDisk, want.ID), *want)
}

// Delete removes the file.
func (d disks) Delete(_ context.Context, op sdk.Operation, have *Disk) error {
	if have.ID == "" {
		have.ID = record.ID(op)
	}
	dir := d.folderOf(kindDisk, have.ID)
	if there, err := record.Exists[Disk](op, dir); err != nil || !there {
		return err
	}
	return record.Remove(dir)
}

// Find lists the deployment's disks.
func (d disks) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Disk], error) {
	return record.Find[Disk](d.folders.State, kindDisk+"-", op.UUID)
}

// Validate checks the size and the format.
func (d disks) Validate(_ context.Context, config Disk) plugins.Diagnostics {
	var found plugins.Diagnostics
	_, err := diskSize(config.Size)
	for _, err := range []error{err, checkFormat("base_format", config.BaseFormat)} {
		var one plugins.Diagnostics
		if errors.As(err, &one) {
			found = append(found, one...)
		}
	}
	return found
}

// diskSize reads a size; none is 0.
func diskSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	size, err := memoryBytes(text)
	if err != nil {
		return 0, sdk.AttributeError("size", fmt.Sprintf("%q is not a size", text), "Write it as 10G.")
	}
	return size, nil
}

func checkFormat(attribute, format string) error {
	switch format {
	case "", "qcow2", "raw":
		return nil
	}
	return sdk.AttributeError(attribute, fmt.Sprintf("There is no format %q", format), "It is qcow2 or raw. qemu-img convert makes one of them of any other.")
}
