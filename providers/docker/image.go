package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Image is an image of the engine.
type Image struct {
	Name      string            `nxc:"name,required,replace" doc:"The image's own name. The engine knows it by reference."`
	Archive   string            `nxc:"archive,optional,replace" doc:"Tar archive of the root file system, compressed or not, relative to the configuration. Without it the image is empty."`
	Systems   []string          `nxc:"systems,optional" doc:"Store paths. The image holds them and all that they need, for an engine without this machine's store."`
	Labels    map[string]string `nxc:"labels,optional,replace" doc:"Labels beside nxc's own."`
	Reference string            `nxc:"reference,computed" doc:"Name and tag in the engine."`
	ID        string            `nxc:"id,computed" doc:"The engine's identifier."`
}

// images handles docker_image.
type images struct{ *engine }

var (
	_ sdk.Updater[Image] = images{}
	_ sdk.Planner[Image] = images{}
)

func (i images) Create(ctx context.Context, op sdk.Operation, want *Image) error {
	if len(want.Systems) > 0 {
		return i.load(ctx, op, want)
	}
	labels, err := marks(op, "docker_image", want.Name, want.Labels, want)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	through := context.WithoutCancel(ctx) // see committed; a large archive takes its time
	content, err := i.open(ctx, op, want)
	if err != nil {
		return err
	}
	defer content.Close()
	reference := referenceOf(op, want)
	answer, err := i.client.ImageImport(through, client.ImageImportSource{Source: content, SourceName: "-"}, reference,
		client.ImageImportOptions{Message: "made by nxc", Changes: labelChanges(labels)})
	if err != nil {
		return fmt.Errorf("import image %s: %w", reference, err)
	}
	defer answer.Close()
	if err := lastError(answer); err != nil {
		return fmt.Errorf("import image %s: %w", reference, err)
	}
	seen, err := i.client.ImageInspect(through, reference)
	if err != nil {
		want.Reference = reference // it is there, and must not be forgotten
		return fmt.Errorf("read the new image %s: %w", reference, err)
	}
	want.ID, want.Reference = seen.ID, reference
	return nil
}

// open returns the content to import, which reports how far it was read and
// fails when ctx ends: then the engine drops what it has.
func (i images) open(ctx context.Context, op sdk.Operation, want *Image) (io.ReadCloser, error) {
	if want.Archive == "" {
		op.Phase("making an empty image")
		return io.NopCloser(bytes.NewReader(make([]byte, 1024))), nil // the end of a tar archive
	}
	path := want.Archive
	if !filepath.IsAbs(path) {
		path = filepath.Join(i.project, path)
	}
	f, err := os.Open(i.store.Place(path))
	if err != nil {
		return nil, sdk.AttributeError("archive", "The archive cannot be read", err.Error()+".")
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err != nil {
		f.Close()
		return nil, sdk.AttributeError("archive", "The archive cannot be read", err.Error()+".")
	}
	return &counted{File: f, ctx: ctx, op: op, total: info.Size()}, nil
}

// counted is a file that reports how much of it was read.
type counted struct {
	*os.File
	ctx         context.Context
	op          sdk.Operation
	done, total int64
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.File.Read(p)
	before := c.done
	c.done += int64(n)
	const step = 4 << 20
	if before/step != c.done/step || before == 0 || errors.Is(err, io.EOF) {
		c.op.Report(plugins.Progress{Phase: "importing the image", Done: c.done, Expected: c.total, Unit: "bytes"})
	}
	return n, err
}

// labelChanges are the labels as Dockerfile instructions, in which quotes,
// backslashes and dollars mean something.
func labelChanges(labels map[string]string) []string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`)
	changes := make([]string, 0, len(labels))
	for name, value := range labels {
		changes = append(changes, fmt.Sprintf(`LABEL "%s"="%s"`, quote.Replace(name), quote.Replace(value)))
	}
	slices.Sort(changes)
	return changes
}

// lastError reads an answer that is a stream of messages, one of which may be
// an error.
func lastError(answer io.Reader) error {
	for d := json.NewDecoder(answer); ; {
		var message struct{ Error string }
		err := d.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case message.Error != "":
			return errors.New(message.Error)
		}
	}
}

func (i images) Read(ctx context.Context, op sdk.Operation, have *Image) (bool, error) {
	seen, err := i.seek(ctx, op, have)
	if seen == nil || err != nil {
		return false, err
	}
	have.observe(*seen)
	return true, nil
}

// observe takes over what the engine says of the image. One whose name was
// taken from it has none.
func (w *Image) observe(seen image.Summary) {
	w.ID = seen.ID
	tags := make([]string, len(seen.RepoTags))
	for i, tag := range seen.RepoTags { // Podman tells a registry's name as well
		tags[i] = strings.TrimPrefix(strings.TrimPrefix(tag, "docker.io/"), "localhost/")
	}
	if slices.Contains(tags, w.Reference) || slices.Contains(seen.RepoTags, w.Reference) {
		return
	}
	w.Reference = ""
	for _, tag := range tags {
		if strings.HasPrefix(tag, "nxc/") {
			w.Reference = tag
		}
	}
}

// seek returns the image that have stands for, nil when it is gone.
func (i images) seek(ctx context.Context, op sdk.Operation, have *Image) (*image.Summary, error) {
	if have.ID == "" && op.Attempt == "" {
		return nil, nil
	}
	list, err := i.client.ImageList(ctx, client.ImageListOptions{All: true, Filters: ofDeployment(op, "docker_image", have.ID == "")})
	if err != nil {
		return nil, fmt.Errorf("look for image %s: %w", have.Name, err)
	}
	for n := range list.Items {
		if have.ID == "" || list.Items[n].ID == have.ID {
			return &list.Items[n], nil
		}
	}
	return nil, nil
}

func (i images) Delete(ctx context.Context, op sdk.Operation, have *Image) error {
	seen, err := i.seek(ctx, op, have)
	if seen == nil || err != nil {
		return err
	}
	if !ours(op, "docker_image", seen.Labels) {
		return notOurs("image", have.Reference, seen.ID, seen.Labels)
	}
	i.removeOthers(ctx, op, seen.ID)
	op.Phase("removing the image")
	return i.remove(ctx, op, have, seen)
}

// removalWait is how long an image may stay that the engine says it does not
// know, or is about to remove.
const removalWait = 10 * time.Second

// remove returns when the image is gone. The engine may still be removing it for
// a client that was killed. To others it says then that some part of it is not
// found, while the image is still there, or that it failed.
func (i images) remove(ctx context.Context, op sdk.Operation, have *Image, seen *image.Summary) error {
	deadline := time.Now().Add(removalWait)
	for {
		_, err := i.client.ImageRemove(ctx, seen.ID, client.ImageRemoveOptions{PruneChildren: true, Force: len(seen.RepoTags) > 1})
		switch {
		case err == nil:
			return nil
		case errdefs.IsConflict(err):
			return sdk.Error(fmt.Sprintf("Image %s is in use", have.Reference),
				fmt.Sprintf("%s. Remove the containers that nxc did not make from it (docker ps -a --filter ancestor=%s), then destroy again.", err, have.Reference))
		}
		left, lookErr := i.seek(ctx, op, have)
		switch {
		case lookErr == nil && left == nil:
			return nil
		case lookErr != nil, time.Now().After(deadline):
			return fmt.Errorf("remove image %s: %w", have.Reference, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove image %s: %w", have.Reference, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (i images) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Image], error) {
	list, err := i.client.ImageList(ctx, client.ImageListOptions{All: true, Filters: ofDeployment(op, "docker_image", false)})
	if err != nil {
		return nil, fmt.Errorf("find images: %w", err)
	}
	var found []sdk.Found[Image]
	for _, seen := range list.Items {
		f := sdk.Found[Image]{Address: seen.Labels[labelAddress], Attempt: seen.Labels[labelAttempt], Complete: true}
		if err := askedFor(seen.Labels, &f.Object); err != nil {
			return nil, err
		}
		f.Object.observe(seen)
		// What an update loaded carries the attempt of the first image.
		if older := slices.IndexFunc(found, func(o sdk.Found[Image]) bool { return o.Attempt == f.Attempt && o.Address == f.Address }); older < 0 {
			found = append(found, f)
		} else if len(f.Object.Systems) > 0 && found[older].Object.Reference == "" {
			found[older] = f
		}
	}
	slices.SortFunc(found, func(a, b sdk.Found[Image]) int { return strings.Compare(a.Object.ID, b.Object.ID) })
	return found, nil
}
