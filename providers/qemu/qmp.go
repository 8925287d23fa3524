package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// monitor is a connection to a machine's QMP socket. QEMU serves one at a time;
// others wait.
type monitor struct {
	conn    net.Conn
	decoder *json.Decoder
}

// message is what QEMU says: a greeting, an answer or an event.
type message struct {
	Greeting json.RawMessage `json:"QMP"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Description string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// monitor connects to a machine's QEMU. It fails when what answers is another.
func (h *host) monitor(ctx context.Context, have *Machine) (*monitor, error) {
	path, err := h.socket(have.ID, "q")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	q := &monitor{conn: conn, decoder: json.NewDecoder(bufio.NewReader(conn))}
	var greeting message
	if err = q.decoder.Decode(&greeting); err == nil {
		_, err = q.ask("qmp_capabilities")
	}
	var answer json.RawMessage
	if err == nil {
		answer, err = q.ask("query-uuid")
	}
	var who struct{ UUID string }
	if err == nil {
		err = json.Unmarshal(answer, &who)
	}
	if err == nil && !strings.EqualFold(who.UUID, have.UUID) {
		err = fmt.Errorf("the machine behind %s is another one (%s)", path, who.UUID)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return q, nil
}

func (q *monitor) close() { q.conn.Close() }

// ask runs a command without arguments.
func (q *monitor) ask(command string) (json.RawMessage, error) {
	return q.askWith(command, nil, 5*time.Second)
}

// askWith runs a command, passing over events.
func (q *monitor) askWith(command string, arguments map[string]string, limit time.Duration) (json.RawMessage, error) {
	_ = q.conn.SetDeadline(time.Now().Add(limit))
	request := struct {
		Execute   string            `json:"execute"`
		Arguments map[string]string `json:"arguments,omitempty"`
	}{command, arguments}
	if err := json.NewEncoder(q.conn).Encode(request); err != nil {
		return nil, fmt.Errorf("tell QEMU %s: %w", command, err)
	}
	for {
		var m message
		if err := q.decoder.Decode(&m); err != nil {
			return nil, fmt.Errorf("wait for QEMU's answer to %s: %w", command, err)
		}
		switch {
		case m.Error != nil:
			return nil, fmt.Errorf("QEMU refuses %s: %s", command, m.Error.Description)
		case m.Return != nil:
			return m.Return, nil
		}
	}
}

// tell runs a command on a machine.
func (h *host) tell(ctx context.Context, have *Machine, command string) error {
	q, err := h.monitor(ctx, have)
	if err != nil {
		return explainSocket(have, err)
	}
	defer q.close()
	_, err = q.ask(command)
	return err
}

// runs reports whether the machine's QEMU lives: it says so itself, or, when it
// does not answer, its process carries the machine's uuid.
func (h *host) runs(ctx context.Context, have *Machine) bool {
	if have.UUID == "" {
		return false
	}
	if q, err := h.monitor(ctx, have); err == nil {
		q.close()
		return true
	}
	return findProcess("-uuid", have.UUID) != 0
}

// awaitQEMU waits until QEMU answers, or shows what it said when it ended.
func (m machines) awaitQEMU(ctx context.Context, have *Machine, process int) error {
	started := time.Now()
	for {
		q, err := m.monitor(ctx, have)
		if err == nil {
			q.close()
			return nil
		}
		// A process that is just becoming QEMU has no arguments for a moment.
		ended := time.Since(started) > 500*time.Millisecond && !names(process, "-uuid", have.UUID)
		if ended || time.Since(started) > time.Minute || ctx.Err() != nil {
			err = m.explainLaunch(have, err)
			if why, silent := m.explainEnd(have); ended && silent {
				return passing{err, why}
			}
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// explainLaunch says why QEMU did not start.
func (m machines) explainLaunch(have *Machine, err error) error {
	said := lastLines(filepath.Join(m.folderOf(kindMachine, have.ID), qemuLog), 8)
	remedy := ""
	switch {
	case diskRemedy(said) != "":
		remedy = diskRemedy(said)
	case strings.Contains(said, "annot allocate memory"):
		remedy = "\nGive it less memory, or end other programs."
	case strings.Contains(said, "expects a netdev backend type") || strings.Contains(said, "does not accept value 'stream'"):
		remedy = "\nnxc needs QEMU 7.2 or newer."
	case strings.Contains(said, "could not load kernel") || strings.Contains(said, "linux kernel too old"):
		remedy = "\nIs kernel a Linux kernel for this processor?"
	case strings.Contains(said, "kvm") || strings.Contains(said, "KVM"):
		remedy = "\nSet accelerator = \"tcg\" to emulate it."
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	detail := "It said:\n" + said + remedy
	if said == "" {
		detail = err.Error() + "."
	}
	return sdk.Error("QEMU did not start "+have.Name, detail)
}
