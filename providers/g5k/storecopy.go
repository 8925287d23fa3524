package g5k

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// copying brings store paths to a site's folder, and takes them away again, by
// commands on its frontend.
type copying struct {
	*testbed
	op    sdk.Operation
	home  home
	store *Store

	done, expected int64
}

// batchSize is how much is copied at a time: an interruption costs at most that.
const batchSize = 64 << 20

// folder is one that is ours alone, beside the store: "incoming" for paths that
// are not whole yet, "removed" for those that are to go. What was left there when
// something was cut short, the next that is done with the marker removes.
func (c *copying) folder(name string) string {
	sum := sha256.Sum256([]byte(path.Base(c.store.Marker)))
	return name + "-" + hex.EncodeToString(sum[:8])
}

// prepare makes the folders. Nodes read them as nobody.
func (c *copying) prepare(ctx context.Context) error {
	return c.run(ctx, nil, fmt.Sprintf("umask 022; mkdir -p %s && cd %[1]s && rm -rf %s %s && mkdir -p store users",
		c.store.Folder, c.folder("incoming"), c.folder("removed")), "make "+c.store.Path)
}

// missing returns which of some paths the folder does not hold.
func (c *copying) missing(names []string) ([]string, error) {
	there, err := c.home.List(c.store.Path)
	if gone(err) != nil {
		return nil, fmt.Errorf("list %s at %s: %w", c.store.Path, c.store.Site, err)
	}
	slices.Sort(there)
	var missing []string
	for _, name := range names {
		if _, ok := slices.BinarySearch(there, name); !ok {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// copy copies paths, some at a time, which appear under their names when they
// are whole.
func (c *copying) copy(ctx context.Context, names []string) error {
	sizes := map[string]int64{}
	c.done, c.expected = 0, 0
	for _, name := range names {
		size, err := sizeOf(filepath.Join(c.nixStore().Place("/nix/store"), name))
		if err != nil {
			return sdk.Error("A store path cannot be read", err.Error()+". Was it collected as garbage? nxc apply builds it again.")
		}
		sizes[name] = size
		c.expected += size
	}
	c.report()
	for len(names) > 0 {
		n, size := 0, int64(0)
		for n < len(names) && (n == 0 || size+sizes[names[n]] <= batchSize) {
			size += sizes[names[n]]
			n++
		}
		if err := c.send(ctx, names[:n]); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}

func (c *copying) report() {
	c.op.Report(plugins.Progress{Phase: "copying the store to " + c.store.Site, Done: c.done, Expected: c.expected, Unit: "bytes"})
}

// sizeOf is how large the files of a path are.
func sizeOf(root string) (size int64, err error) {
	err = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// send copies paths as one archive. Somebody else may have brought one of them
// meanwhile: both are the same.
func (c *copying) send(ctx context.Context, names []string) error {
	script := fmt.Sprintf(`umask 022; cd %[1]s && mkdir -p %[2]s && tar -xzpf - -C %[2]s || exit 1
for p in %[2]s/*; do
  to=store/${p##*/}
  [ -e "$to" ] || [ -L "$to" ] || mv -T "$p" "$to" || [ -e "$to" ] || exit 1
done
rm -rf %[2]s`, c.store.Folder, c.folder("incoming"))
	packed, pack := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		whole := bufio.NewWriterSize(pack, 32<<10)
		z, _ := gzip.NewWriterLevel(whole, gzip.BestSpeed) // the level is one
		err := c.pack(ctx, z, names)
		if err == nil {
			err = errors.Join(z.Close(), whole.Flush())
		}
		pack.CloseWithError(err)
		failed <- err
	}()
	err := c.run(ctx, packed, script, fmt.Sprintf("copy store paths to %s (is the quota of your home used up?)", c.store.Path))
	packed.Close()
	if bad := <-failed; bad != nil && !errors.Is(bad, io.ErrClosedPipe) {
		return fmt.Errorf("read store paths: %w", bad)
	}
	return err
}

// pack writes paths as an archive. Folders may be written by their owner there,
// so that they can be removed again.
func (c *copying) pack(ctx context.Context, to io.Writer, names []string) error {
	archive, place := tar.NewWriter(to), c.nixStore().Place("/nix/store")
	for _, name := range names {
		root := filepath.Join(place, name)
		err := filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			rest, err := filepath.Rel(place, file)
			if err != nil {
				return err
			}
			return c.packOne(ctx, archive, file, rest, e)
		})
		if err != nil {
			return err
		}
	}
	return archive.Close()
}

func (c *copying) packOne(ctx context.Context, archive *tar.Writer, file, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(file); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name, header.Uid, header.Gid, header.Uname, header.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		header.Name, header.Mode = name+"/", 0o755
	}
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	before := c.done
	_, err = io.Copy(archive, &watched{ctx: ctx, Reader: f, tell: func(n int64) { c.done = before + n }})
	c.report()
	return err
}

// remove removes those of some paths that no marker but one lists: ours, when
// it is about to go. They vanish at once, and then their files, so that who
// comes meanwhile brings them anew.
func (c *copying) remove(ctx context.Context, names []string, except string) error {
	used, sure, err := c.used(except)
	if err != nil {
		return err
	}
	if !sure {
		names = nil // somebody uses paths that we cannot tell
	}
	script := fmt.Sprintf(`cd %s 2>/dev/null || exit 0
rm -rf %s; mkdir -p %[3]s || exit 1
while read -r p; do
  [ ! -e "store/$p" ] && [ ! -L "store/$p" ] || mv -T "store/$p" "%[3]s/$p" || exit 1
done
rm -rf %[3]s`, c.store.Folder, c.folder("incoming"), c.folder("removed"))
	var list bytes.Buffer
	for _, name := range unique(names) {
		if _, ok := slices.BinarySearch(used, name); !ok {
			list.WriteString(name + "\n")
		}
	}
	return c.run(ctx, &list, script, "remove store paths from "+c.store.Path)
}

// used are the paths that markers list, sorted, and whether these are all. A
// marker that is being written comes before anything is looked for.
func (c *copying) used(except string) (names []string, sure bool, err error) {
	marks, err := c.home.List(c.store.users())
	if gone(err) != nil {
		return nil, false, fmt.Errorf("list %s at %s: %w", c.store.users(), c.store.Site, err)
	}
	sure = true
	for _, mark := range marks {
		file := path.Join(c.store.users(), mark)
		if file == except || strings.HasSuffix(mark, unfinishedFile) {
			continue
		}
		m, err := readStoreMarker(c.home, file)
		if err != nil {
			c.op.Note(fmt.Sprintf("%s at %s cannot be read, so no store path is removed: %v", file, c.store.Site, err))
			sure = false
			continue
		}
		names = append(append(names, m.Names...), m.Earlier...)
	}
	return unique(names), sure, nil
}

// run runs a script on the frontend, in the user's home.
func (c *copying) run(ctx context.Context, in io.Reader, script, what string) error {
	frontend, err := c.network().Frontend(ctx, c.store.Site, c.op.Note)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	p := plugins.Process{Command: []string{"sh", "-c", script}, Stdin: in, Stdout: &said, Stderr: &said}
	exit, err := sshnode.RunLine(ctx, frontend, sshnode.Command(p), p)
	if err == nil && exit != 0 {
		err = fmt.Errorf("status %d: %s", exit, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return fmt.Errorf("%s at %s: %w", what, c.store.Site, err)
	}
	return nil
}
