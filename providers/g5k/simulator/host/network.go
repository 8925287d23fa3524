package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// errRefused is what a dialer gets of a port on which nothing listens.
var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// Dial opens a connection to a port of the machine.
func (h *Host) Dial(_ context.Context, port int) (net.Conn, error) {
	if h.running() == nil {
		return nil, errRefused
	}
	h.mu.Lock()
	l := h.listeners[port]
	h.mu.Unlock()
	if l == nil && port != 22 {
		return nil, errRefused
	}
	near, far, err := pair()
	if err != nil {
		return nil, err
	}
	if l != nil {
		if !l.deliver(far) {
			return nil, errors.Join(errRefused, near.Close(), far.Close())
		}
		return near, nil
	}
	h.work.Go(func() { h.Serve(far) })
	return near, nil
}

// pair makes two connected sockets.
func pair() (net.Conn, net.Conn, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, e := net.FileConn(f) // duplicates the descriptor
		err = errors.Join(err, e, f.Close())
		conns[i] = c
	}
	return conns[0], conns[1], err
}

// Listen lets others reach a port of the machine, until it boots.
func (h *Host) Listen(port int) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cancel == nil || h.closed {
		return nil, net.ErrClosed
	}
	for p := 32768; port == 0; p++ {
		if h.listeners[p] == nil {
			port = p
		}
	}
	if port == 22 || h.listeners[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &listener{host: h, port: port, queue: make(chan net.Conn, 128), done: make(chan struct{})}
	h.listeners[port] = l
	return l, nil
}

// listener is a port of a machine.
type listener struct {
	host  *Host
	port  int
	queue chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) deliver(c net.Conn) bool {
	if !l.host.track(c) {
		return false
	}
	select {
	case l.queue <- tracked{c, l.host}:
		return true
	case <-l.done:
		l.host.forget(c)
		return false
	}
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close gives the port back.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.host.mu.Lock()
		defer l.host.mu.Unlock()
		if l.host.listeners[l.port] == l {
			delete(l.host.listeners, l.port)
		}
	})
	return nil
}

// Addr is the port, on a machine that has a name instead of an address.
func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: l.port} }

// tracked is a connection that the machine's end ends.
type tracked struct {
	net.Conn
	host *Host
}

// Close closes it, and forgets it.
func (t tracked) Close() error {
	t.host.forget(t.Conn)
	return t.Conn.Close()
}
