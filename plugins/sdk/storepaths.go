package sdk

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Requisites lists the store paths that some store paths need, themselves
// included, in order. They must have been built, as all that a plan speaks of
// is when it is applied.
func Requisites(ctx context.Context, paths ...string) ([]string, error) {
	program, err := exec.LookPath("nix-store")
	if err != nil {
		program = "/nix/var/nix/profiles/default/bin/nix-store"
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append([]string{"--query", "--requisites"}, paths...)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ask Nix what %s needs: %w: %s", strings.Join(paths, ", "), err, strings.TrimSpace(complaint.String()))
	}
	all := strings.Fields(out.String())
	slices.Sort(all)
	return slices.Compact(all), nil
}

// PackStorePath adds a store path to an archive, under the name that it gives
// to each file: always the same bytes for the same path. content writes what a
// file holds; FileContent does so from the store.
func PackStorePath(w *tar.Writer, storePath string, name func(file string) string, content func(w io.Writer, file string, size int64) error) error {
	err := filepath.WalkDir(storePath, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return packFile(w, file, name(file), content)
	})
	if err != nil {
		return fmt.Errorf("pack %s: %w", storePath, err)
	}
	return nil
}

func packFile(w *tar.Writer, file, name string, content func(w io.Writer, file string, size int64) error) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: time.Unix(1, 0)}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case target != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, target, 0o777
	case info.Mode().IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
	default:
		return errors.New("the store holds a file that is neither file, folder nor link: " + file)
	}
	if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	return content(w, file, h.Size)
}

// FileContent writes a file of the store, which never changes.
func FileContent(w io.Writer, file string, size int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(w, f, size)
	return err
}
