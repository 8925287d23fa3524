package deploy

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/plugins"
)

// Place is a file or folder: of a node, or, without one, of this machine.
type Place struct {
	Node *RunningNode
	Path string
}

// Transfer copies a file or folder from one place to another: into to when
// that is a folder or ends with a slash, and else under to's name.
func (p *Project) Transfer(ctx context.Context, from, to Place) hcl.Diagnostics {
	return p.TransferInto(ctx, from, to, "", nil)
}

// TransferInto copies into a folder below to, which is made when it is not
// there, so that what has one name in several places can be copied to one.
// Without a folder it is Transfer. It tells moved, which may be nil, of the
// bytes of files that go by.
func (p *Project) TransferInto(ctx context.Context, from, to Place, below string, moved func(n int)) hcl.Diagnostics {
	folder, name := to.Path, path.Join(below, base(from))
	if below == "" {
		folder, name = p.destination(ctx, from, to)
	} else if to.Node == nil {
		if err := os.MkdirAll(to.Path, 0o777); err != nil {
			return hcl.Diagnostics{errorf("Cannot write to "+to.Path, "%s", sentence(err))}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	packed, pack := io.Pipe()
	named, rename := io.Pipe()
	sent := make(chan hcl.Diagnostics, 1)
	go func() {
		diags := p.send(ctx, from, pack)
		if diags.HasErrors() {
			pack.CloseWithError(diags)
		} else {
			pack.Close()
		}
		sent <- diags
	}()
	renamed := make(chan struct{})
	go func() {
		defer close(renamed)
		err := renameTop(packed, rename, name, moved)
		rename.CloseWithError(err)
		packed.CloseWithError(err)
	}()
	diags := p.receive(ctx, to, folder, named)
	named.CloseWithError(errors.New("the receiver stopped"))
	cancel()
	more := <-sent
	<-renamed // moved is told nothing any more
	if more.HasErrors() && !errors.Is(more, context.Canceled) && (!diags.HasErrors() || isEcho(diags, more)) {
		return more // what the receiver complains about is only that the sender failed
	}
	return diags
}

// base is the name of what is at a place.
func base(p Place) string { return path.Base(filepath.ToSlash(filepath.Clean(p.Path))) }

// tallied tells how much was read.
type tallied struct {
	io.Reader
	moved func(n int)
}

func (c tallied) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.moved != nil && n > 0 {
		c.moved(n)
	}
	return n, err
}

// isEcho reports whether one failure only repeats another.
func isEcho(diags, cause hcl.Diagnostics) bool {
	return strings.Contains(diags.Error(), cause[0].Summary)
}

// destination is the folder to copy into, and the name there.
func (p *Project) destination(ctx context.Context, from, to Place) (folder, name string) {
	into := strings.HasSuffix(to.Path, "/")
	switch {
	case into:
	case to.Node == nil:
		info, err := os.Stat(to.Path)
		into = err == nil && info.IsDir()
	default:
		into = p.isFolder(ctx, to)
	}
	if into {
		return to.Path, base(from)
	}
	return path.Dir(path.Clean(to.Path)), path.Base(path.Clean(to.Path))
}

// isFolder looks at the beginning of what a node would send.
func (p *Project) isFolder(ctx context.Context, at Place) bool {
	if path.Clean(at.Path) == "/" {
		return true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(orEOF(p.Copy(ctx, at.Node, plugins.Copy{Path: at.Path, Out: w})))
	}()
	first, err := tar.NewReader(r).Next()
	cancel()
	r.CloseWithError(io.ErrClosedPipe)
	<-done
	return err == nil && first.Typeflag == tar.TypeDir
}

func orEOF(diags hcl.Diagnostics) error {
	if diags.HasErrors() {
		return diags
	}
	return io.EOF
}

// send packs what is at a place.
func (p *Project) send(ctx context.Context, from Place, out io.Writer) hcl.Diagnostics {
	if from.Node != nil {
		return p.Copy(ctx, from.Node, plugins.Copy{Path: from.Path, Out: out})
	}
	if err := packLocal(filepath.Clean(from.Path), out); err != nil {
		return hcl.Diagnostics{errorf("Cannot read "+from.Path, "%s", sentence(err))}
	}
	return nil
}

// receive unpacks into a folder of a place.
func (p *Project) receive(ctx context.Context, to Place, folder string, in io.Reader) hcl.Diagnostics {
	if to.Node != nil {
		return p.Copy(ctx, to.Node, plugins.Copy{Path: folder, In: in})
	}
	if err := unpackLocal(folder, in); err != nil {
		return hcl.Diagnostics{errorf("Cannot write to "+folder, "%s", sentence(err))}
	}
	return nil
}

// renameTop copies an archive of one file or folder, which gets another name.
// Folders that the name begins with are put before it.
func renameTop(in io.Reader, out io.Writer, name string, moved func(n int)) error {
	r, w := tar.NewReader(in), tar.NewWriter(out)
	old := ""
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			if _, err := io.Copy(io.Discard, in); err != nil { // what pads the archive
				return err
			}
			return w.Close()
		}
		if err != nil {
			return err
		}
		entry := path.Clean(strings.TrimPrefix(h.Name, "/"))
		if old == "" {
			old, _, _ = strings.Cut(entry, "/")
			if err := foldersOf(name, w); err != nil {
				return err
			}
		}
		inside, ok := strings.CutPrefix(entry, old)
		if !ok || inside != "" && inside[0] != '/' {
			return fmt.Errorf("the archive holds %q beside %q", h.Name, old)
		}
		h.Name = name + inside
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		if h.Typeflag == tar.TypeLink {
			h.Linkname = name + strings.TrimPrefix(strings.TrimPrefix(h.Linkname, "/"), old)
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(w, tallied{r, moved}); err != nil {
			return err
		}
	}
}

// foldersOf packs the folders that a name begins with.
func foldersOf(name string, w *tar.Writer) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name[:i+1], Mode: 0o755, ModTime: time.Now()}); err != nil {
			return err
		}
	}
	return nil
}

// packLocal packs a file or folder of this machine. What a program started as
// a path is followed; links below it stay links.
func packLocal(top string, out io.Writer) error {
	w := tar.NewWriter(out)
	resolved, err := filepath.EvalSymlinks(top)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(resolved, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(resolved, file)
		if err != nil {
			return err
		}
		return packOne(w, file, path.Join(path.Base(filepath.ToSlash(top)), filepath.ToSlash(inside)), info)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func packOne(w *tar.Writer, file, name string, info fs.FileInfo) error {
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if link, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil { // a socket
		return err
	}
	h.Name, h.Uid, h.Gid, h.Uname, h.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, io.LimitReader(f, h.Size))
	return err
}

// unpackLocal unpacks below a folder, and nowhere else, whatever names and
// links the archive holds. Modes and times are kept.
func unpackLocal(folder string, in io.Reader) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	r := tar.NewReader(in)
	var folders []*tar.Header // done last: one that is closed takes no files, and each file changes its time
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = unpackOne(root, h, r)
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			folders = append(folders, h)
		}
	}
	for _, h := range slices.Backward(folders) {
		if err := likeHeader(root, h); err != nil {
			return err
		}
	}
	return nil
}

func unpackOne(root *os.Root, h *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case tar.TypeSymlink:
		_ = root.Remove(name) // an older link; what else is there makes the next line fail
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		_ = root.Remove(name)
		return root.Link(h.Linkname, name)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return likeHeader(root, h)
	}
	return nil // devices and pipes stay where they are
}

// likeHeader gives a file or folder the mode and time of its header. A folder
// stays open to its owner.
func likeHeader(root *os.Root, h *tar.Header) error {
	name, mode := strings.TrimSuffix(h.Name, "/"), fs.FileMode(h.Mode&0o777)
	if h.Typeflag == tar.TypeDir {
		mode |= 0o700
	}
	if err := root.Chmod(name, mode); err != nil {
		return err
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}
