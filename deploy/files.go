package deploy

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// The files that a flavour contributes lie under .nxc/files, a folder a
// deployment: the deployment as it runs, in the form of another tool. Some
// tools take a project's name from its folder, so the folder's name is one that
// no other deployment has: COMPOSITION-FLAVOUR-UUID, of the uuid eight letters.

// filesFolder is where a deployment's files are kept while it runs.
func (p *Project) filesFolder(record *state.Deployment) string {
	return filepath.Join(p.Store.Folder(), "files", folderName(record.Name)+"-"+record.UUID[:min(8, len(record.UUID))])
}

// folderName is a deployment's name as one part of a path.
func folderName(d addr.Deployment) string {
	return d.Composition + "-" + d.Flavour
}

// keepFiles brings .nxc/files up to date with a deployment: its files, or none
// when nothing of it runs. They are for people, so a failure stops nothing.
func (p *Project) keepFiles(record *state.Deployment, d *Deployment) {
	if record == nil {
		return
	}
	var files []plugins.ExpandedFile
	if len(record.Nodes) > 0 && d.expansion != nil {
		files = d.expansion.Files
	}
	folder := p.filesFolder(record)
	written, err := writeFiles(folder, files)
	if err == nil {
		err = removeOthers(folder, written)
	}
	if err != nil {
		p.o.Logger.Warn("files not kept", "folder", folder, "err", err)
	}
}

// dropFiles removes a deployment's files: nothing of it runs any more.
func (p *Project) dropFiles(record *state.Deployment) {
	if err := os.RemoveAll(p.filesFolder(record)); err != nil {
		p.o.Logger.Warn("files not removed", "folder", p.filesFolder(record), "err", err)
	}
}

// writeFiles writes files below a folder and returns their paths. A file that
// is already so is left alone.
func writeFiles(folder string, files []plugins.ExpandedFile) ([]string, error) {
	var written []string
	for _, f := range files {
		local := filepath.FromSlash(f.Path)
		if !filepath.IsLocal(local) {
			return written, fmt.Errorf("the provider's file %q does not stay in its folder", f.Path)
		}
		path := filepath.Join(folder, local)
		written = append(written, path)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(f.Content) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return written, err
		}
		if err := atomicfile.Write(path, f.Content, 0o644); err != nil {
			return written, err
		}
	}
	return written, nil
}

// removeOthers removes what else is in a folder, and the folder when it is
// empty then.
func removeOthers(folder string, keep []string) error {
	if len(keep) == 0 {
		return os.RemoveAll(folder)
	}
	return filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || slices.Contains(keep, path):
			return err
		case !e.IsDir():
			return os.Remove(path)
		case path == folder || slices.ContainsFunc(keep, func(k string) bool { return strings.HasPrefix(k, path+string(filepath.Separator)) }):
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return fs.SkipDir
	})
}
