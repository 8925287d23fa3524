package qemu

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Drive is a disk of a machine.
type Drive struct {
	Disk     string `nxc:"disk,optional" doc:"A disk of nxc's: qemu_disk.X.id. Unless it is read-only, only one machine may use it."`
	Path     string `nxc:"path,optional" doc:"Or any other disk's file. A relative path begins at the configuration's folder."`
	Format   string `nxc:"format,optional,default=qcow2" doc:"qcow2 or raw, of a file of your own."`
	ReadOnly bool   `nxc:"read_only,optional,default=false" doc:"It is only read, so that machines can share it."`
	Overlay  bool   `nxc:"overlay,optional,default=false" doc:"The file is only read; what the machine writes goes to an overlay that is removed with the machine."`
}

// driveFile is a drive's file and format.
func (h *host) driveFile(d Drive) (path, format string) {
	if d.Disk != "" {
		return h.fileOf(d.Disk), "qcow2"
	}
	return h.inProject(d.Path), d.Format
}

// claim is what a machine takes for itself of a drive, "" when it shares.
func (d Drive) claim() string {
	switch {
	case d.ReadOnly || d.Overlay:
		return ""
	case d.Disk != "":
		return "disk " + d.Disk
	}
	return "disk " + filepath.Clean(d.Path)
}

// checkDrive finds a drive that names no file, or two.
func checkDrive(i int, d Drive) error {
	at := fmt.Sprintf("disk[%d]", i)
	if d.Disk != "" && d.Path != "" {
		return sdk.AttributeError(at, "A drive has two disks", "Give disk or path, not both.")
	}
	return checkFormat(at+".format", d.Format)
}

// findDrive makes sure that a drive's file is there.
func (h *host) findDrive(i int, d Drive) error {
	path, _ := h.driveFile(d)
	attribute := "path"
	switch {
	case d.Disk != "":
		attribute = "disk"
	case d.Path == "":
		return sdk.AttributeError(fmt.Sprintf("disk[%d]", i), "A drive has no disk", "Give disk = qemu_disk.X.id, or path.")
	}
	if _, err := os.Stat(path); err != nil {
		return sdk.AttributeError(fmt.Sprintf("disk[%d].%s", i, attribute), "A disk is missing", err.Error()+".")
	}
	return nil
}

// prepareDisks checks the files of a machine's disks, and makes overlays. One
// that is there already holds what the machine wrote before.
func (m machines) prepareDisks(ctx context.Context, dir string, have *Machine) error {
	if have.Store != "" {
		if _, err := os.Stat(m.inProject(have.Store)); err != nil {
			return sdk.AttributeError("store", "The image of the store is missing", fmt.Sprintf("%v. Was it collected as garbage? nxc apply builds it again.", err))
		}
	}
	for i, d := range have.Disks {
		if err := m.findDrive(i, d); err != nil {
			return err
		}
		overlay := overlayFile(dir, i)
		if _, err := os.Stat(overlay); !d.Overlay || err == nil {
			continue
		}
		path, format := m.driveFile(d)
		if err := createImage(ctx, overlay, path, format, 0); err != nil {
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
func (m machines) driveArguments(have *Machine, dir string) []string {
	var a []string
	if have.Store != "" {
		a = append(a, "-drive", "if=none,id=store,format=raw,readonly=on,file="+escape(m.inProject(have.Store)), "-device", "virtio-blk-pci,drive=store")
	}
	for i, d := range have.Disks {
		path, format := m.driveFile(d)
		if d.Overlay {
			path, format = overlayFile(dir, i), "qcow2"
		}
		a = append(a,
			"-drive", fmt.Sprintf("if=none,id=disk%d,file=%s,format=%s,readonly=%s", i, escape(path), format, onOff(d.ReadOnly)),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d", i))
	}
	return a
}
