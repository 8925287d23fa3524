package driver

import (
	"context"
	"fmt"
	"net"

	"github.com/nixos-compose/nxc/plugins"
)

// forward leads a port of this machine to one of a node, for as long as the
// session lasts. It goes through the node's exec, which every flavour has.
func (s *session) forward(n *node, from, to int) error {
	if s.o.Relay == nil {
		return notPossible{s.o.Flavour + " cannot forward ports"}
	}
	if from < 1 || from > 65535 || to < 1 || to > 65535 {
		return fmt.Errorf("ports are between 1 and 65535, not %d and %d", from, to)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", from))
	if err != nil {
		return fmt.Errorf("port %d of this machine cannot lead to %s: %w", from, n.Name(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.forwards = append(s.forwards, func() { cancel(); listener.Close() })
	s.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.relay(ctx, n, conn, to)
		}
	}()
	return nil
}

// relay connects one connection with a node's port.
func (s *session) relay(ctx context.Context, n *node, conn net.Conn, port int) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	// What went wrong is seen by who connected: the connection ends.
	_, _ = n.Exec(ctx, plugins.Process{Command: s.o.Relay(port), Stdin: conn, Stdout: conn})
}
