package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// systemsReference is the name that an image of systems has in the engine. It
// is known before the image is made, because the systems' paths are.
func systemsReference(op sdk.Operation, want *Image) string {
	sum := sha256.Sum256([]byte(strings.Join(want.Systems, "\n")))
	repository := plain(strings.ToLower(composeProject(op.Deployment)+"-"+want.Name), "abcdefghijklmnopqrstuvwxyz0123456789_-")
	return "nxc/" + repository + "-" + op.UUID[:min(8, len(op.UUID))] + ":" + hex.EncodeToString(sum[:6])
}

// referenceOf is the name that an image gets in the engine.
func referenceOf(op sdk.Operation, want *Image) string {
	if len(want.Systems) > 0 {
		return systemsReference(op, want)
	}
	repository := strings.ToLower(strings.TrimSuffix(outsideName(op, want.Name), "-"+shortAttempt(op)))
	return "nxc/" + repository + ":" + shortAttempt(op)
}

// Plan says the name of an image of systems, which containers refer to. Another
// set of systems is loaded beside the old image, which goes when no container
// uses it any more.
func (i images) Plan(_ context.Context, op sdk.Operation, prior *Image, p *sdk.Planned[Image]) error {
	if p.Unknown("systems") {
		return nil
	}
	v := &p.Value
	if prior != nil && prior.Reference == "" { // its name was taken from it outside nxc
		p.SetUnknown("reference")
		if op.Attempt != "" && len(v.Systems) == 0 && !p.Unknown("name") { // it gets the one that it had
			v.Reference = referenceOf(op, v)
			p.SetKnown("reference")
		}
	}
	if prior != nil && (len(prior.Systems) == 0) != (len(v.Systems) == 0) {
		p.Replace("systems", "it is made in another way")
		return nil
	}
	if len(v.Systems) == 0 {
		return nil
	}
	if prior != nil && !slices.Equal(prior.Systems, v.Systems) {
		p.SetUnknown("id")
	}
	if op.UUID != "" && (prior == nil || !slices.Equal(prior.Systems, v.Systems)) {
		v.Reference = systemsReference(op, v)
		p.SetKnown("reference")
	} else if prior != nil && !slices.Equal(prior.Systems, v.Systems) {
		p.SetUnknown("reference")
	}
	return nil
}

// Update loads the image anew when the systems are others.
func (i images) Update(ctx context.Context, op sdk.Operation, have Image, want *Image) error {
	if len(want.Systems) == 0 || slices.Equal(have.Systems, want.Systems) {
		want.ID, want.Reference = have.ID, have.Reference
		if have.Reference == "" {
			return i.nameAgain(ctx, op, want)
		}
		return nil
	}
	if err := i.load(ctx, op, want); err != nil {
		return err
	}
	i.removeOthers(ctx, op, want.ID)
	return nil
}

// nameAgain gives an image its name back that was taken from it outside nxc.
func (i images) nameAgain(ctx context.Context, op sdk.Operation, want *Image) error {
	op.Phase("naming the image again")
	reference := referenceOf(op, want)
	if _, err := i.client.ImageTag(ctx, client.ImageTagOptions{Source: want.ID, Target: reference}); err != nil {
		return fmt.Errorf("name image %s again: %w", reference, err)
	}
	want.Reference = reference
	return nil
}

// load makes an image of the systems' closures and streams it to the engine.
func (i images) load(ctx context.Context, op sdk.Operation, want *Image) error {
	labels, err := marks(op, "docker_image", want.Name, want.Labels, want)
	if err != nil {
		return err
	}
	op.Phase("finding what the systems need")
	paths, err := i.store.Requisites(ctx, want.Systems...)
	if err != nil {
		return err
	}
	layers, err := layersOf(i.store, paths)
	if err != nil {
		return err
	}
	image := closureImage{layers: layers, reference: systemsReference(op, want), architecture: goArchitecture(i.info.Architecture), labels: labels}
	op.Phase("comparing with the layers that the engine has")
	if image.known, err = i.known(ctx, layers); err != nil {
		return fmt.Errorf("ask the engine for its layers: %w", err)
	}
	err = i.send(ctx, op, &image)
	if err != nil && len(image.known) > 0 && ctx.Err() == nil {
		// The layers went meanwhile, or this engine wants to be sent all.
		image.known = nil
		err = i.send(ctx, op, &image)
	}
	if err != nil {
		return i.explainLoad(image.reference, err)
	}
	seen, err := i.client.ImageInspect(ctx, image.reference)
	if err != nil {
		return fmt.Errorf("read the new image %s: %w", image.reference, err)
	}
	want.ID, want.Reference = seen.ID, image.reference
	return nil
}

// send streams an image to the engine.
func (i images) send(ctx context.Context, op sdk.Operation, image *closureImage) error {
	content, pack := io.Pipe()
	go func() { pack.CloseWithError(image.write(pack)) }()
	defer content.Close()
	sent := &reported{in: content, ctx: ctx, op: op, total: image.size()}
	answer, err := i.client.ImageLoad(context.WithoutCancel(ctx), sent)
	if err != nil {
		return err
	}
	defer answer.Close()
	return lastError(answer)
}

func (i images) explainLoad(reference string, err error) error {
	if strings.Contains(err.Error(), "no space left") {
		return sdk.Error("The Docker engine is full",
			fmt.Sprintf("The image %s does not fit into %s of %s. Make room there, for example with docker system prune, and run the command again.", reference, i.info.DockerRootDir, i.info.Name))
	}
	return fmt.Errorf("load image %s: %w", reference, err)
}

// removeOthers removes the images that the same resource had before, but for
// those that containers still use.
func (i images) removeOthers(ctx context.Context, op sdk.Operation, keep string) {
	list, err := i.client.ImageList(ctx, client.ImageListOptions{All: true,
		Filters: ofDeployment(op, "docker_image", false).Add("label", labelAddress+"="+op.Address)})
	if err != nil {
		return
	}
	for _, old := range list.Items {
		if old.ID != keep && ours(op, "docker_image", old.Labels) {
			_, _ = i.client.ImageRemove(ctx, old.ID, client.ImageRemoveOptions{PruneChildren: true}) // in use: later
		}
	}
}

// reported is a stream that tells how much of it was read, and ends with ctx.
type reported struct {
	in          io.Reader
	ctx         context.Context
	op          sdk.Operation
	done, total int64
	told        int64
}

func (r *reported) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.in.Read(p)
	r.done += int64(n)
	if r.told == 0 || r.done-r.told > 1<<20 || err != nil {
		r.told = max(r.done, 1)
		r.op.Report(plugins.Progress{Phase: "loading the image", Done: min(r.done, r.total), Expected: r.total, Unit: "bytes"})
	}
	return n, err
}
