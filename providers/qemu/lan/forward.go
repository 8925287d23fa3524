package lan

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// forward is an open port of the host.
type forward struct {
	Forward
	listener net.Listener
	err      error // why it could not be opened
}

// open listens on the host, and leads whoever connects to a machine.
func (n *network) open(ctx context.Context, f Forward, to netip.Addr) *forward {
	made := &forward{Forward: f}
	if made.listener, made.err = net.Listen("tcp", f.Listen.String()); made.err != nil {
		return made
	}
	go func() {
		for {
			conn, err := made.listener.Accept()
			if err != nil {
				return
			}
			go n.lead(ctx, conn, netip.AddrPortFrom(to, f.Port))
		}
	}()
	return made
}

func (f *forward) close() {
	if f.listener != nil {
		f.listener.Close()
	}
}

// lead connects a client with a machine.
func (n *network) lead(ctx context.Context, client net.Conn, to netip.AddrPort) {
	defer client.Close()
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	machine, err := n.dial(dialing, to)
	cancel()
	if err != nil {
		return
	}
	defer machine.Close()
	join(ctx, client, machine)
}

// join copies both ways until both have ended, or ctx has.
func join(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() {
		a.Close()
		b.Close()
	})
	defer stop()
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		} else {
			to.Close()
		}
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}
