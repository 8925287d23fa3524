package sshnode

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/nixos-compose/nxc/plugins"
)

// ContextRoot is where the first stage finds the context in the initrd.
const ContextRoot = "nxc-context"

// AppendContext writes a context as an archive that the kernel unpacks. The
// kernel reads an archive behind another one only where that ends at a multiple
// of four bytes: see Padding.
func AppendContext(w io.Writer, files []plugins.ContextFile) error {
	a := NewArchive(w)
	made := map[string]bool{".": true}
	for _, f := range files {
		name := path.Join(ContextRoot, path.Clean("/"+f.Path))
		for _, folder := range foldersAbove(name) {
			if !made[folder] {
				made[folder] = true
				a.Entry(folder, 0o040755, nil)
			}
		}
		a.Entry(name, 0o100000|Mode(f), f.Content)
	}
	return a.Close()
}

// Padding is how many zeros stand between an initrd of a size and an archive
// behind it.
func Padding(size int64) int64 { return (4 - size%4) % 4 }

// foldersAbove lists the folders that hold a file, outermost first.
func foldersAbove(name string) []string {
	var folders []string
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

// Archive writes cpio's "newc" format, which the kernel unpacks.
type Archive struct {
	w     io.Writer
	inode int
	err   error
}

// NewArchive begins an archive.
func NewArchive(w io.Writer) *Archive { return &Archive{w: w} }

// Close ends the archive, and returns the first error that there was.
func (a *Archive) Close() error {
	a.Entry("TRAILER!!!", 0, nil)
	return a.err
}

// Entry adds a file, or a folder, with its type and mode as stat has them.
func (a *Archive) Entry(name string, mode int64, content []byte) {
	a.inode++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	var b bytes.Buffer
	b.WriteString(header + name + "\x00")
	b.Write(make([]byte, -b.Len()&3))
	b.Write(content)
	b.Write(make([]byte, -len(content)&3))
	if a.err == nil {
		_, a.err = a.w.Write(b.Bytes())
	}
}
