package lan

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
)

// maxFrame is more than any frame that a machine of ours sends, with all that
// its interface may leave to us.
const maxFrame = 1 << 17

// port is a plugged-in interface of a running switch.
type port struct {
	Port
	gateway   netip.Addr
	link      atomic.Pointer[Link]
	connected atomic.Bool
	heard     atomic.Uint64 // frames of the machine
	told      atomic.Uint64 // frames for the machine
	forwards  []*forward
	cancel    context.CancelFunc
}

// plug starts to dial the machine, and opens its ports of the host.
func (n *network) plug(ctx context.Context, p Port) *port {
	ctx, cancel := context.WithCancel(ctx)
	made := &port{Port: p, gateway: n.config.Gateway(), cancel: cancel}
	made.setLink(p.Link)
	n.pool.Reserve(p.Address.AsSlice(), p.MAC)
	for _, f := range p.Forwards {
		made.forwards = append(made.forwards, n.open(ctx, f, p.Address))
	}
	go made.keepConnected(ctx, n)
	return made
}

func (p *port) close() {
	p.cancel()
	for _, f := range p.forwards {
		f.close()
	}
}

func (p *port) setLink(l Link) { p.link.Store(&l) }

// keepConnected dials the machine again and again: it may not run yet, be
// started anew, or have waited for a switch that was killed.
func (p *port) keepConnected(ctx context.Context, n *network) {
	for ctx.Err() == nil {
		conn, err := net.Dial("unix", p.Socket)
		if err == nil {
			p.connected.Store(true)
			p.relay(ctx, n, conn)
			p.connected.Store(false)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// relay carries frames between a machine and the switch until either is gone.
func (p *port) relay(ctx context.Context, n *network, machine net.Conn) {
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() {
		machine.Close()
		ours.Close()
		theirs.Close()
	})
	defer stop()
	done := make(chan struct{}, 3)
	run := func(f func()) {
		go func() {
			f()
			cancel()
			done <- struct{}{}
		}()
	}
	run(func() { _ = n.frames.Accept(ctx, theirs, types.QemuProtocol) })
	run(func() { p.carry(ctx, ours, machine, true) })
	run(func() { p.carry(ctx, machine, ours, false) })
	for range 3 {
		<-done
	}
}

// carry moves frames one way, as well as the link is. fromMachine tells which.
func (p *port) carry(ctx context.Context, to io.Writer, from io.Reader, fromMachine bool) {
	queue := newQueue(to)
	go queue.run(ctx)
	if fromMachine {
		queue.put(p.announcement(), Link{})
	}
	reader := bufio.NewReaderSize(from, 1<<16)
	for {
		frame, err := readFrame(reader)
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				slog.Debug("a connection ended", "port", p.ID, "error", err)
			}
			return
		}
		if fromMachine {
			p.heard.Add(1)
		} else {
			p.told.Add(1)
		}
		link := *p.link.Load()
		if link != (Link{}) && p.isManagement(frame[4:]) {
			link = Link{}
		}
		if !fromMachine {
			link.Delay, link.Loss = 0, 0
		}
		queue.put(frame, link)
	}
}

// announcement is a frame by which a machine tells everybody its addresses. The
// switch passes on only what is for machines that it has heard of, so one that
// waited for a new switch without a word would not be found.
func (p *port) announcement() []byte {
	mac, err := net.ParseMAC(p.MAC)
	if err != nil {
		return make([]byte, 18)
	}
	a := p.Address.As4()
	frame := binary.BigEndian.AppendUint32(nil, 42)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(frame, mac...)
	frame = append(frame, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1) // ARP: who has my address? I.
	frame = append(append(frame, mac...), a[:]...)
	return append(append(frame, 0, 0, 0, 0, 0, 0), a[:]...)
}

// readFrame reads a frame with its length before it, as QEMU sends it.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 14 || n > maxFrame {
		return nil, errors.New("a frame of an impossible length")
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// isManagement reports whether a frame belongs to what nxc itself says to the
// machine: ssh from the gateway, and the ARP that it takes.
func (p *port) isManagement(frame []byte) bool {
	gateway := p.gateway.As4()
	is := func(b []byte) bool { return [4]byte(b) == gateway }
	switch kind, packet := binary.BigEndian.Uint16(frame[12:]), frame[14:]; {
	case kind == 0x0806 && len(packet) >= 28:
		return is(packet[14:18]) || is(packet[24:28])
	case kind == 0x0800 && len(packet) >= 20 && packet[9] == 6:
		header := int(packet[0]&15) * 4
		if header < 20 || len(packet) < header+4 {
			return false
		}
		source, target := binary.BigEndian.Uint16(packet[header:]), binary.BigEndian.Uint16(packet[header+2:])
		return is(packet[12:16]) && target == 22 || is(packet[16:20]) && source == 22
	}
	return false
}
