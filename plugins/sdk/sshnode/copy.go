package sshnode

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Exec runs a program on a node.
type Exec func(ctx context.Context, p plugins.Process) (exit int, err error)

// Copy moves files by the node's own tar.
func Copy(ctx context.Context, node string, exec Exec, c plugins.Copy) error {
	var complaint bytes.Buffer
	p := plugins.Process{Stdout: c.Out, Stderr: &complaint}
	var source *watched
	if c.In != nil {
		source = &watched{Reader: c.In}
		p.Command = []string{"tar", "-x", "-f", "-", "-C", c.Path}
		p.Stdin, p.Stdout = source, &complaint
	} else {
		clean := path.Clean("/" + c.Path)
		p.Command = []string{"tar", "-c", "-f", "-", "-C", path.Dir(clean), path.Base(clean)}
	}
	exit, err := exec(ctx, p)
	if err != nil {
		return err
	}
	if source != nil && source.err != nil {
		return fmt.Errorf("read what is to be copied: %w", source.err)
	}
	if exit != 0 {
		return sdk.Error(fmt.Sprintf("Copying %s of %s failed", c.Path, node),
			fmt.Sprintf("The node's tar ended with status %d: %s", exit, strings.TrimSpace(complaint.String())))
	}
	return nil
}

// watched remembers why reading failed.
type watched struct {
	io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// Mode is the mode of a context's file: private ones are closed to all but
// root, whatever they ask for.
func Mode(f plugins.ContextFile) int64 {
	switch {
	case f.Private:
		return 0o600
	case f.Mode == 0:
		return 0o644
	}
	return int64(f.Mode & 0o7777)
}

// PackContext packs files for a node that runs, to be unpacked at its root.
// Their folders are there, or are made by who unpacks.
func PackContext(c plugins.Context) (io.Reader, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range c.Files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path.Clean("/"+f.Path), "/"), Mode: Mode(f), Size: int64(len(f.Content)), ModTime: time.Now()}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	return &b, w.Close()
}

// Content returns a file of a context, "" when it is not there.
func Content(files []plugins.ContextFile, path string) string {
	for _, f := range files {
		if f.Path == path {
			return strings.TrimSpace(string(f.Content))
		}
	}
	return ""
}
