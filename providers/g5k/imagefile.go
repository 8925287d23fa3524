package g5k

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// compressions are how Kadeploy calls what a file's name says.
var compressions = []struct{ extension, name string }{
	{".tar.gz", "gzip"}, {".tgz", "gzip"}, {".tar.xz", "xz"}, {".tar.bz2", "bzip2"}, {".tar.zst", "zstd"},
}

// extension is a file's ending, as far as it says how the file is compressed.
func extension(file string) string {
	for _, c := range compressions {
		if strings.HasSuffix(file, c.extension) {
			return c.extension
		}
	}
	return ".tar"
}

// compression is how Kadeploy calls a file's compression; "" for none that it
// knows.
func compression(file string) string {
	for _, c := range compressions {
		if strings.HasSuffix(file, c.extension) {
			return c.name
		}
	}
	return ""
}

// Plan says early what the file decides. A file that is still to be built is
// known when it is.
func (i images) Plan(ctx context.Context, op sdk.Operation, prior *Image, p *sdk.Planned[Image]) error {
	v := &p.Value
	if p.Unknown("file") || p.Unknown("site") || p.Unknown("environment") {
		return nil
	}
	if prior == nil {
		if err := i.checkSite(ctx, "site", v.Site); err != nil {
			return err
		}
	}
	if compression(v.File) == "" {
		return sdk.AttributeError("file", fmt.Sprintf("Kadeploy does not know how %s is compressed", filepath.Base(v.File)), "Its name must end in .tar.gz, .tar.xz, .tar.bz2 or .tar.zst.")
	}
	decided := []string{"sha256", "size", "path", "url", "environment_url"}
	if prior != nil && prior.File == v.File && inStore(v.File) {
		return nil // what has a name in the store does not change
	}
	err := i.identify(ctx, op, v)
	switch {
	case err != nil && inStore(v.File) && errors.Is(i.exists(v.File), fs.ErrNotExist):
		if prior != nil {
			p.Replace("file", "its file changed")
		}
		for _, name := range decided {
			p.SetUnknown(name)
		}
		return nil
	case err != nil:
		return err
	}
	if prior != nil && prior.SHA256 != v.SHA256 {
		p.Replace("sha256", "its content changed")
	}
	v.place(i.client.User())
	for _, name := range decided {
		p.SetKnown(name)
	}
	return nil
}

func inStore(file string) bool { return strings.HasPrefix(file, "/nix/store/") }

func (i images) exists(file string) error {
	_, err := os.Stat(i.nixStore().Place(file))
	return err
}

// identify finds out what the file holds. It remembers that for as long as the
// file looks the same.
func (i images) identify(ctx context.Context, op sdk.Operation, want *Image) error {
	info, err := os.Stat(i.nixStore().Place(want.File))
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		return sdk.AttributeError("file", "The image is not where it should be", fmt.Sprintf("%s: %v. Build it first, or correct the path.", want.File, reason(err)))
	}
	seen := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", want.File, info.Size(), info.ModTime().UnixNano()))
	known := ""
	if i.folders.Cache != "" {
		known = filepath.Join(i.folders.Cache, "g5k-image-"+hex.EncodeToString(seen[:16]))
		if text, err := os.ReadFile(known); err == nil && len(text) == 64 {
			want.SHA256, want.Size = string(text), info.Size()
			return nil
		}
	}
	op.Phase("reading the image")
	file, err := os.Open(i.nixStore().Place(want.File))
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &watched{ctx: ctx, Reader: file}); err != nil {
		return fmt.Errorf("read %s: %w", want.File, err)
	}
	want.SHA256, want.Size = hex.EncodeToString(sum.Sum(nil)), info.Size()
	if known != "" {
		_ = os.WriteFile(known, []byte(want.SHA256), 0o600) // it is read again next time otherwise
	}
	return nil
}

// reason is an error of a file's without the file.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// watched reads until it is interrupted, and tells how much it has read.
type watched struct {
	io.Reader
	ctx  context.Context
	tell func(n int64)
	read int64
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.Reader.Read(p)
	w.read += int64(n)
	if w.tell != nil {
		w.tell(w.read)
	}
	return n, err
}

// upload copies a file to the site under another name, and gives it its own
// when it is whole.
func upload(ctx context.Context, op sdk.Operation, home home, from, to, attempt string) error {
	file, err := os.Open(from)
	if err != nil {
		return sdk.AttributeError("file", "The image is not where it should be", err.Error()+".")
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	part := to + ".part-" + attempt
	tell := func(n int64) {
		op.Report(plugins.Progress{Phase: "uploading the image", Done: n, Expected: info.Size(), Unit: "bytes"})
	}
	tell(0)
	if err := home.Copy(part, &watched{ctx: ctx, Reader: file, tell: tell}); err != nil {
		_ = home.Remove(part)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("upload %s to %s: %w (is the quota of your home used up?)", from, to, err)
	}
	if err := home.Rename(part, to); err != nil {
		return fmt.Errorf("rename %s to %s: %w", part, to, err)
	}
	return nil
}

// descriptionPath is where the description lies: other ways to install the same
// image have other descriptions.
func (w *Image) descriptionPath() string {
	text, err := w.describe()
	if err != nil {
		text = nil
	}
	sum := sha256.Sum256(text)
	return w.base() + "-" + hex.EncodeToString(sum[:4]) + ".yaml"
}

// describe writes the description that Kadeploy reads.
func (w *Image) describe() ([]byte, error) {
	e := w.Environment.withDefaults()
	name := e.Name
	if name == "" {
		name = plain(strings.TrimSuffix(filepath.Base(w.File), extension(w.File)), 40)
		if _, rest, ok := strings.Cut(name, "-"); ok && inStore(w.File) {
			name = rest // without the store's hash
		}
	}
	boot := map[string]cty.Value{"kernel": cty.StringVal(e.Kernel), "initrd": cty.StringVal(e.Initrd)}
	if e.KernelParams != "" {
		boot["kernel_params"] = cty.StringVal(e.KernelParams)
	}
	d := map[string]cty.Value{
		"name": cty.StringVal(name), "version": cty.NumberIntVal(1), "arch": cty.StringVal(e.Arch),
		"description": cty.StringVal("deployed by nxc"), "visibility": cty.StringVal("private"), "destructive": cty.False,
		"os": cty.StringVal("linux"), "filesystem": cty.StringVal(e.Filesystem), "partition_type": cty.NumberIntVal(e.PartitionType), "multipart": cty.False,
		"image": cty.ObjectVal(map[string]cty.Value{
			"file": cty.StringVal(w.URL), "kind": cty.StringVal("tar"), "compression": cty.StringVal(compression(w.Path)),
		}),
		"boot": cty.ObjectVal(boot),
	}
	var posts []cty.Value
	for _, p := range e.Postinstalls {
		posts = append(posts, cty.ObjectVal(map[string]cty.Value{
			"archive": cty.StringVal(p.Archive), "compression": cty.StringVal(p.Compression), "script": cty.StringVal(p.Script),
		}))
	}
	if len(posts) > 0 {
		d["postinstalls"] = cty.ListVal(posts)
	}
	text, err := ctyyaml.Standard.Marshal(cty.ObjectVal(d))
	if err != nil {
		return nil, fmt.Errorf("describe the image: %w", err)
	}
	return text, nil
}

// withDefaults is the environment of a block that is not there.
func (e Environment) withDefaults() Environment {
	for _, f := range []struct {
		field *string
		value string
	}{{&e.Kernel, "/boot/bzImage"}, {&e.Initrd, "/boot/initrd"}, {&e.Filesystem, "ext4"}, {&e.Arch, "x86_64"}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if e.PartitionType == 0 {
		e.PartitionType = 131
	}
	return e
}
