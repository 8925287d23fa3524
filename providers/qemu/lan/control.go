package lan

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// request is a line that the switch reads from its socket; it answers with one
// line, a reply. After "dial" the connection is the machine's.
type request struct {
	Do string // "status", "reload", "dial", "stop"
	To string `json:",omitempty"`
}

type reply struct {
	Error  string `json:",omitempty"`
	Status *Status
}

// Status is what a running switch says of itself.
type Status struct {
	ID    string
	PID   int
	Ports []PortStatus
}

// PortStatus is the state of one port.
type PortStatus struct {
	ID        string
	Connected bool
	Heard     uint64          // frames that the machine sent
	Told      uint64          // frames for the machine, those that its link loses among them
	Failed    []FailedForward // ports of the host that could not be opened
}

// FailedForward is a port of the host that could not be opened.
type FailedForward struct {
	Listen string
	Reason string
}

func (n *network) serveControl(ctx context.Context, l net.Listener) {
	for ctx.Err() == nil {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go n.answer(ctx, conn)
	}
}

func (n *network) answer(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReaderSize(oneByOne{conn}, 16).ReadString('\n')
	if err != nil {
		return
	}
	var r request
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		_ = sendReply(conn, reply{Error: err.Error()})
		return
	}
	switch r.Do {
	case "status":
		_ = sendReply(conn, reply{Status: n.status()})
	case "reload":
		if err := n.reload(ctx); err != nil {
			_ = sendReply(conn, reply{Error: err.Error()})
			return
		}
		_ = sendReply(conn, reply{Status: n.status()})
	case "dial":
		n.answerDial(ctx, conn, r.To)
	case "stop":
		_ = sendReply(conn, reply{})
		n.stop()
	default:
		_ = sendReply(conn, reply{Error: fmt.Sprintf("unknown request %q", r.Do)})
	}
}

func (n *network) answerDial(ctx context.Context, conn net.Conn, to string) {
	target, err := netip.ParseAddrPort(to)
	if err != nil {
		_ = sendReply(conn, reply{Error: err.Error()})
		return
	}
	dialing, cancel := context.WithTimeout(ctx, 5*time.Second)
	machine, err := n.dial(dialing, target)
	cancel()
	if err != nil {
		_ = sendReply(conn, reply{Error: err.Error()})
		return
	}
	defer machine.Close()
	if sendReply(conn, reply{}) == nil {
		join(ctx, conn, machine)
	}
}

func sendReply(conn net.Conn, r reply) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(text, '\n'))
	return err
}

func (n *network) status() *Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &Status{ID: n.config.ID, PID: os.Getpid()}
	for _, p := range n.ports {
		one := PortStatus{ID: p.ID, Connected: p.connected.Load(), Heard: p.heard.Load(), Told: p.told.Load()}
		for _, f := range p.forwards {
			if f.err != nil {
				one.Failed = append(one.Failed, FailedForward{f.Listen.String(), f.err.Error()})
			}
		}
		s.Ports = append(s.Ports, one)
	}
	slices.SortFunc(s.Ports, func(a, b PortStatus) int { return strings.Compare(a.ID, b.ID) })
	return s
}

// oneByOne reads byte by byte, so that nothing of what follows a line is taken.
type oneByOne struct{ net.Conn }

func (c oneByOne) Read(b []byte) (int, error) { return c.Conn.Read(b[:min(len(b), 1)]) }

// ask sends a request to a switch, and returns its answer with the connection.
func ask(ctx context.Context, control string, r request) (net.Conn, *Status, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", control)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	text, _ := json.Marshal(r)
	_, err = conn.Write(append(text, '\n'))
	var line string
	if err == nil {
		line, err = bufio.NewReaderSize(oneByOne{conn}, 16).ReadString('\n')
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	var answer reply
	if err == nil {
		err = json.Unmarshal([]byte(line), &answer)
	}
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, answer.Status, nil
}

// Ask returns the status of a switch that runs, after it has read its folder
// again when reload is set.
func Ask(ctx context.Context, control string, reload bool) (*Status, error) {
	do := "status"
	if reload {
		do = "reload"
	}
	conn, status, err := ask(ctx, control, request{Do: do})
	if err != nil {
		return nil, err
	}
	conn.Close()
	if status == nil {
		return nil, errors.New("the switch gave no status")
	}
	return status, nil
}

// Dial connects to a machine through its switch.
func Dial(ctx context.Context, control string, to netip.AddrPort) (net.Conn, error) {
	conn, _, err := ask(ctx, control, request{Do: "dial", To: to.String()})
	return conn, err
}

// Stop ends a switch, and waits until its socket is gone.
func Stop(ctx context.Context, control string) error {
	conn, _, err := ask(ctx, control, request{Do: "stop"})
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		if _, err := os.Stat(control); err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the switch to end: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
