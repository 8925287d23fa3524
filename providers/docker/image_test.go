package docker

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/containerd/errdefs"
)

// TestImageThatAnotherClientIsRemoving has an engine that no longer knows the
// image's name, because it is about to remove it for somebody else, and does not
// find it therefore. It is not gone before it is gone.
func TestImageThatAnotherClientIsRemoving(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	var refused atomic.Int64
	d.engine.hook = func(r *http.Request) error {
		if r.Method == http.MethodDelete && refused.Add(1) == 1 {
			return errdefs.ErrNotFound
		}
		return nil
	}
	ctx := t.Context()
	d.must(d.engine.connect(ctx))
	c, op := images{d.engine}, d.op("docker_image.one")
	have := Image{Name: "one"}
	d.must(c.Create(ctx, op, &have))
	d.must(c.Delete(ctx, op, &have))
	left, err := c.Find(ctx, d.anyAttempt())
	d.must(err)
	if len(left) > 0 {
		t.Errorf("the image is still there: %+v", left)
	}
	if refused.Load() < 2 {
		t.Errorf("the engine was asked %d times", refused.Load())
	}
}
