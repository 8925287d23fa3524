package docker

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// An image of a closure is a tar archive as the engine loads it: layers first,
// which are made and hashed while they are sent, then what names them. A layer
// is the same bytes whenever it holds the same store paths, so the engine keeps
// it once, however many images have it.

// manyLayers is how many store paths at most have a layer of their own. The
// engine stacks no more than 125.
const manyLayers = 40

// ownLayer is how large a store path is that has one.
const ownLayer = 1 << 20

// layer is some store paths and the size of their archive.
type layer struct {
	store sdk.NixStore
	paths []string
	size  int64
}

// layersOf divides store paths: the largest have a layer each, in an order that
// does not depend on the others, and the small ones, which change most, share
// the last.
func layersOf(store sdk.NixStore, paths []string) ([]layer, error) {
	var large []layer
	small := layer{store: store}
	for _, p := range paths {
		one := layer{store: store, paths: []string{p}}
		var err error
		if one.size, err = one.measure(); err != nil {
			return nil, err
		}
		if one.size < ownLayer {
			small.paths = append(small.paths, p)
			continue
		}
		large = append(large, one)
	}
	slices.SortFunc(large, func(a, b layer) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.paths[0], b.paths[0]))
	})
	for len(large) > manyLayers {
		small.paths = append(small.paths, large[len(large)-1].paths...)
		large = large[:len(large)-1]
	}
	if len(small.paths) == 0 {
		return large, nil
	}
	slices.Sort(small.paths)
	var err error
	small.size, err = small.measure()
	return append(large, small), err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// measure is the size that the layer's archive will have.
func (l *layer) measure() (int64, error) {
	var size counter
	err := l.write(&size, func(w io.Writer, _ string, size int64) error {
		_, err := io.CopyN(w, zeroes{}, size)
		return err
	})
	return int64(size), err
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// write packs the layer, with what content writes for each file.
func (l *layer) write(out io.Writer, content func(w io.Writer, file string, size int64) error) error {
	w := tar.NewWriter(out)
	for _, folder := range []string{"nix/", "nix/store/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755, ModTime: time.Unix(1, 0)}); err != nil {
			return err
		}
	}
	for _, p := range l.paths {
		if err := l.store.Pack(w, p, func(file string) string { return strings.TrimPrefix(file, "/") }, content); err != nil {
			return err
		}
	}
	return w.Close()
}

// closureImage is an image about to be loaded.
type closureImage struct {
	layers       []layer
	reference    string
	architecture string
	labels       map[string]string
	known        []string // hashes of the first layers, which the engine has and is not sent
}

// size is about how much write will write.
func (c *closureImage) size() int64 {
	var sum int64
	for _, l := range c.layers[len(c.known):] {
		sum += l.size
	}
	return sum
}

// write writes the archive.
func (c *closureImage) write(out io.Writer) error {
	w := tar.NewWriter(out)
	var names, sums []string
	for i := range c.layers {
		l := &c.layers[i]
		name := fmt.Sprintf("layer-%d.tar", i)
		if i < len(c.known) {
			names, sums = append(names, name), append(sums, c.known[i])
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: l.size}); err != nil {
			return err
		}
		sum := sha256.New()
		if err := l.write(io.MultiWriter(w, sum), sdk.FileContent); err != nil {
			return err
		}
		names, sums = append(names, name), append(sums, "sha256:"+hex.EncodeToString(sum.Sum(nil)))
	}
	config, err := json.Marshal(map[string]any{
		"architecture": c.architecture, "os": "linux", "created": "1970-01-01T00:00:01Z",
		"config": map[string]any{"Labels": c.labels},
		"rootfs": map[string]any{"type": "layers", "diff_ids": sums},
	})
	if err != nil {
		return err
	}
	id := sha256.Sum256(config)
	file := hex.EncodeToString(id[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": file, "RepoTags": []string{c.reference}, "Layers": names}})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{file, config}, {"manifest.json", manifest}} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.content))}); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}
