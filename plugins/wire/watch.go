package wire

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

var _ plugins.Watcher = (*Client)(nil)

// Watch tells what the provider waits for, until ctx or the provider ends. One
// that tells nothing ends it at once.
func (c *Client) Watch(ctx context.Context, tell func(string)) {
	stream, err := c.rpc.Watch(ctx, &proto.WatchRequest{})
	for err == nil {
		var m *proto.WatchEvent
		if m, err = stream.Recv(); err == nil {
			tell(m.GetText())
		}
	}
}

func (s *server) Watch(_ *proto.WatchRequest, stream grpc.ServerStreamingServer[proto.WatchEvent]) error {
	w, ok := s.p.(plugins.Watcher)
	if !ok {
		return nil
	}
	var mu sync.Mutex
	w.Watch(stream.Context(), func(said string) {
		mu.Lock()
		defer mu.Unlock()
		_ = stream.Send(&proto.WatchEvent{Text: text(said)}) // nobody has to listen
	})
	return nil
}
