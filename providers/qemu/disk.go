package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Disk is a disk's file.
type Disk struct {
	Name       string `nxc:"name,required,replace" doc:"What people call it."`
	Size       string `nxc:"size,optional,replace" doc:"Size, such as 10G. With a base, that of the base when left out."`
	Base       string `nxc:"base,optional,replace" doc:"A file below the disk, which is only read."`
	BaseFormat string `nxc:"base_format,optional,replace,default=qcow2" doc:"qcow2 or raw."`
	ID         string `nxc:"id,computed" doc:"Its name outside."`
	Path       string `nxc:"path,computed" doc:"The disk's file, in qcow2 format."`
}

// disks handles qemu_disk.
type disks struct{ *host }

var (
	_ sdk.Handler[Disk]   = disks{}
	_ sdk.Validator[Disk] = disks{}
)

const diskFile = "disk.qcow2"

// Create makes the disk's file.
func (d disks) Create(ctx context.Context, op sdk.Operation, want *Disk) error {
	id := idOf(op)
	dir := d.folderOf(kindDisk, id)
	want.ID, want.Path = id, filepath.Join(dir, diskFile)
	if err := begin(op, dir, *want); err != nil {
		return err
	}
	size := ""
	if want.Size != "" {
		bytes, err := memoryBytes(want.Size)
		if err != nil {
			return err
		}
		size = fmt.Sprint(bytes)
	}
	if err := createImage(ctx, want.Path, want.Base, want.BaseFormat, size); err != nil {
		return err
	}
	return finish(dir, *want)
}

// Read looks whether the file is there.
func (d disks) Read(_ context.Context, op sdk.Operation, have *Disk) (bool, error) {
	there, err := exists[Disk](op, d.folderOf(kindDisk, have.ID))
	if err != nil || !there {
		return false, err
	}
	if _, err := os.Stat(have.Path); errors.Is(err, fs.ErrNotExist) {
		return false, sdk.Gone("its file was removed")
	}
	return true, nil
}

// Delete removes the file.
func (d disks) Delete(_ context.Context, op sdk.Operation, have *Disk) error {
	if have.ID == "" {
		have.ID = idOf(op)
	}
	dir := d.folderOf(kindDisk, have.ID)
	if there, err := exists[Disk](op, dir); err != nil || !there {
		return err
	}
	return os.RemoveAll(dir)
}

// Find lists the deployment's disks.
func (d disks) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Disk], error) {
	return find[Disk](d.host, op, kindDisk)
}

// Validate checks the size.
func (d disks) Validate(_ context.Context, config Disk) plugins.Diagnostics {
	if config.Size == "" {
		return nil
	}
	if _, err := memoryBytes(config.Size); err != nil {
		var found plugins.Diagnostics
		errors.As(sdk.AttributeError("size", fmt.Sprintf("%q is not a size", config.Size), "Write it as 10G."), &found)
		return found
	}
	return nil
}

// createImage makes a qcow2 file, empty or on top of another.
func createImage(ctx context.Context, path, base, format, size string) error {
	program, err := findProgram("qemu-img")
	if err != nil {
		return err
	}
	arguments := []string{"create", "-q", "-f", "qcow2"}
	if base != "" {
		if _, err := os.Stat(base); err != nil {
			return sdk.AttributeError("base", "The base of a disk is missing", err.Error()+".")
		}
		arguments = append(arguments, "-b", base, "-F", format)
	} else if size == "" {
		return sdk.AttributeError("size", "The disk has no size", "Give a size, or a base that has one.")
	}
	arguments = append(arguments, path)
	if size != "" {
		arguments = append(arguments, size)
	}
	output, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the disk %s: qemu-img: %w: %s", path, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// prepareDisks checks the files of a machine's disks, and makes overlays. One
// that is there already holds what the machine wrote before.
func (m machines) prepareDisks(ctx context.Context, dir string, have *Machine) error {
	if have.Store != "" {
		if _, err := os.Stat(have.Store); err != nil {
			return sdk.AttributeError("store", "The image of the store is missing", fmt.Sprintf("%v. Was it collected as garbage? nxc apply builds it again.", err))
		}
	}
	for i, d := range have.Disks {
		if _, err := os.Stat(d.Path); err != nil {
			return sdk.AttributeError(fmt.Sprintf("disk[%d].path", i), "A disk is missing", err.Error()+".")
		}
		overlay := overlayFile(dir, i)
		if _, err := os.Stat(overlay); !d.Overlay || err == nil {
			continue
		}
		if err := createImage(ctx, overlay, d.Path, d.Format, ""); err != nil {
			return err
		}
	}
	return nil
}

func overlayFile(dir string, i int) string {
	return filepath.Join(dir, fmt.Sprintf("overlay%d.qcow2", i))
}

// driveArguments are QEMU's arguments for the disks. QEMU itself locks files
// that it writes, so that no two machines do.
func driveArguments(have *Machine, dir string) []string {
	var a []string
	if have.Store != "" {
		a = append(a, "-drive", "if=none,id=store,format=raw,readonly=on,file="+escape(have.Store), "-device", "virtio-blk-pci,drive=store")
	}
	for i, d := range have.Disks {
		path, format := d.Path, d.Format
		if d.Overlay {
			path, format = overlayFile(dir, i), "qcow2"
		}
		a = append(a,
			"-drive", fmt.Sprintf("if=none,id=disk%d,file=%s,format=%s,readonly=%s", i, escape(path), format, onOff(d.ReadOnly)),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d", i))
	}
	return a
}
