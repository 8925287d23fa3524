package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// SetContext delivers a context to a running container.
func (c containers) SetContext(ctx context.Context, _ sdk.Operation, have *Container, files plugins.Context) error {
	return c.furnish(ctx, have, "", files)
}

// furnish makes a container start a system from now on, unless that is "", and
// writes a context's files. The engine does it, running or not. It mounts the
// container and starts a program for every transfer, so all of it is one.
func (c containers) furnish(ctx context.Context, have *Container, system string, files plugins.Context) error {
	if system == "" && len(files.Files) == 0 {
		return nil
	}
	content, err := furniture(system, files)
	if err != nil {
		return fmt.Errorf("pack the files of %s: %w", have.Name, err)
	}
	_, err = c.client.CopyToContainer(ctx, have.ID, client.CopyToContainerOptions{DestinationPath: "/", Content: content})
	if err != nil {
		return fmt.Errorf("copy its system's link and its context to %s: %w", have.Name, err)
	}
	return nil
}

// furniture packs the link to a system and a context's files, with the folders
// above them, which the engine would make closed to everyone but root.
func furniture(system string, files plugins.Context) (io.Reader, error) {
	var b bytes.Buffer
	a := archive{Writer: tar.NewWriter(&b), made: map[string]bool{".": true, "root": true}} // root's home has a mode of its own
	if system != "" {
		if err := a.add(tar.Header{Typeflag: tar.TypeSymlink, Name: profile[1:], Linkname: system, Mode: 0o777}, nil); err != nil {
			return nil, err
		}
	}
	for _, f := range files.Files {
		name := strings.TrimPrefix(path.Clean("/"+f.Path), "/")
		if err := a.add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: modeOf(f)}, f.Content); err != nil {
			return nil, err
		}
	}
	return &b, a.Close()
}

// modeOf is how a file of a context is protected. Private ones are closed to
// all but root, whatever mode they ask for.
func modeOf(f plugins.ContextFile) int64 {
	mode := int64(f.Mode & 0o7777)
	switch {
	case f.Private:
		return 0o600
	case mode == 0:
		return 0o644
	}
	return mode
}

// archive is a tar stream that knows which folders it made.
type archive struct {
	*tar.Writer
	made map[string]bool
}

func (a *archive) add(h tar.Header, content []byte) error {
	for _, dir := range foldersAbove(h.Name) {
		if a.made[dir] {
			continue
		}
		a.made[dir] = true
		if err := a.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(1, 0)}); err != nil {
			return err
		}
	}
	h.Size, h.ModTime = int64(len(content)), time.Unix(1, 0)
	if err := a.WriteHeader(&h); err != nil {
		return err
	}
	_, err := a.Write(content)
	return err
}

// foldersAbove lists the folders that hold a file, outermost first.
func foldersAbove(name string) []string {
	var dirs []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}
