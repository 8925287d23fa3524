package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

func TestChooseStore(t *testing.T) {
	far := func(arch string) *engine {
		e := &engine{client: &client.Client{}, endpoint: endpoint{host: "tcp://lab:2376", source: "DOCKER_HOST"}}
		e.info.Architecture, e.info.Name = arch, "lab"
		return e
	}
	for name, test := range map[string]struct {
		engine            *engine
		wish, image       string
		want, complaining string
	}{
		"no engine yet":        {&engine{}, "auto", "", storeBind, ""},
		"elsewhere":            {far(""), "auto", "", storeImage, ""},
		"left out":             {far(""), "", "", storeImage, ""},
		"asked for":            {&engine{}, "image", "", storeImage, ""},
		"cannot be mounted":    {far(""), "bind", "", "", `Set store = "image"`},
		"two images":           {&engine{}, "image", "debian", "", `Leave image out`},
		"mistyped":             {&engine{}, "copy", "", "", `"copy" is none of auto, bind and image`},
		"another architecture": {far("s390x"), "auto", "", "", "The engine lab is s390x"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.engine.chooseStore(test.wish, test.image)
			if got != test.want || (err == nil) != (test.complaining == "") || err != nil && !strings.Contains(err.Error(), test.complaining) {
				t.Errorf("got %q, error %v; want %q, %q", got, err, test.want, test.complaining)
			}
		})
	}
}

func TestSSHArguments(t *testing.T) {
	const options, program = "-o ConnectTimeout=30 -o BatchMode=yes -T ", " docker system dial-stdio"
	for host, want := range map[string]string{
		"ssh://lab":           options + "-- lab" + program,
		"ssh://me@lab:22/":    options + "-l me -p 22 -- lab" + program,
		"ssh://me@[fe80::1]":  options + "-l me -- fe80::1" + program,
		"ssh://":              "it names no host",
		"ssh://-oProxy=x":     "it names no host",
		"ssh://lab/docker":    "a path means nothing there",
		"ssh://me:secret@lab": "a password cannot be passed on; use a key",
	} {
		args, err := sshArguments(host)
		got := strings.Join(args, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// tree makes a folder that stands for a store path.
func tree(t *testing.T, name string, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	err := errors.Join(os.MkdirAll(filepath.Join(path, "bin"), 0o755),
		os.WriteFile(filepath.Join(path, "bin", "program"), bytes.Repeat([]byte{'x'}, size), 0o755),
		os.Symlink("program", filepath.Join(path, "bin", "link")))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A layer is the same bytes whenever it holds the same paths, and of the size
// that was told before.
func TestClosureImage(t *testing.T) {
	small, large, other := tree(t, "small", 10), tree(t, "large", 3<<20), tree(t, "other", 20)
	layers, err := layersOf("", []string{large, other, small})
	if err != nil || len(layers) != 2 || layers[0].paths[0] != large || len(layers[1].paths) != 2 {
		t.Fatalf("layers %+v, error %v", layers, err)
	}
	image := closureImage{layers: layers, reference: "nxc/x:1", architecture: "amd64", labels: map[string]string{"a": "b"}}
	var first, second bytes.Buffer
	if err := errors.Join(image.write(&first), image.write(&second)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("written twice, it differs")
	}
	var names []string
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	for r := tar.NewReader(&first); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == "manifest.json" {
			if err := json.NewDecoder(r).Decode(&manifest); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff([]string{"layer-0.tar", "layer-1.tar", manifest[0].Config, "manifest.json"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"nxc/x:1"}, manifest[0].RepoTags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	shared, err := layersOf("", []string{large, small})
	if err != nil || shared[0].size != layers[0].size {
		t.Errorf("the large layer depends on the others: %+v, error %v", shared, err)
	}
}

// A real engine takes such an image, runs what is in it, and takes another set
// of systems beside it.
func TestSystemsImage(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	i, ctx := images{d.engine}, t.Context()
	paths := storePaths(t)
	op := d.op("docker_image.store")
	want := Image{Name: "store", Systems: paths[:1]}
	d.must(i.Create(ctx, op, &want))
	if want.Reference != systemsReference(op, &want) || want.ID == "" {
		t.Errorf("made: %+v", want)
	}
	have := want
	if exists, err := i.Read(ctx, op, &have); !exists || err != nil || cmp.Diff(want, have) != "" {
		t.Errorf("read: %v, error %v\n%s", exists, err, cmp.Diff(want, have))
	}
	// The layer that both have is not sent again, if the engine can do without.
	layers, err := layersOf("", paths)
	d.must(err)
	known, err := i.known(ctx, layers)
	d.must(err)
	less := closureImage{layers: layers, reference: "nxc/test-known-" + d.uuid + ":1", architecture: goArchitecture(i.info.Architecture), known: known}
	switch {
	case len(layers) != 2, i.wantsAll() != (len(known) == 0), len(known) > 0 && less.size() > ownLayer:
		t.Errorf("of %d layers the engine has %v", len(layers), known)
	}
	d.must(i.send(ctx, op, &less))
	_, err = i.client.ImageRemove(ctx, less.reference, client.ImageRemoveOptions{PruneChildren: true})
	d.must(err)

	next := want
	next.Systems = paths
	d.must(i.Update(ctx, op, want, &next))
	if next.ID == want.ID || next.Reference == want.Reference {
		t.Errorf("updated: %+v", next)
	}
	found, err := i.Find(ctx, op)
	if err != nil || len(found) != 1 || found[0].Object.ID != next.ID {
		t.Errorf("found %+v, error %v", found, err)
	}
	d.must(i.Delete(ctx, op, &next))
	if left := d.left(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	unknown := Image{Name: "store", Systems: []string{"/nix/store/00000000000000000000000000000000-nothing"}}
	if err := i.Create(ctx, d.op("docker_image.none"), &unknown); err == nil || !strings.Contains(err.Error(), "ask Nix what /nix/store/0") {
		t.Errorf("a path that is not there: %v", err)
	}
}

// storePaths adds two small folders to the real store.
func storePaths(t *testing.T) []string {
	t.Helper()
	program, err := exec.LookPath("nix-store")
	if err != nil {
		t.Skip("no Nix here")
	}
	var paths []string
	for name, size := range map[string]int{"nxc-test-one": 2 * ownLayer, "nxc-test-two": 100} {
		cmd := exec.Command(program, "--add", tree(t, name, size))
		cmd.Env = append(os.Environ(), "NIX_CONFIG=build-users-group =")
		out, err := cmd.Output()
		if err != nil {
			t.Skipf("the store cannot be added to: %v", err)
		}
		paths = append(paths, strings.TrimSpace(string(out)))
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.Base(a)[32:], filepath.Base(b)[32:]) })
	return paths
}

// Docker 29 says that its images lie in containerd's store by the type of what
// it calls its driver; others tell of file systems there.
func TestWantsAllLayers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status [][2]string
		want   bool
	}{
		"Docker 29":       {[][2]string{{"driver-type", "io.containerd.snapshotter.v1"}}, true},
		"overlay2":        {[][2]string{{"Backing Filesystem", "extfs"}, {"Supports d_type", "true"}}, false},
		"nothing is said": {nil, false},
		"another meaning": {[][2]string{{"driver-type", "local"}}, false},
	} {
		i := images{&engine{info: system.Info{DriverStatus: test.status}}}
		if got := i.wantsAll(); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
