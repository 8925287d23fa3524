package driver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// job is what Python is told first.
type job struct {
	Mode      string   `json:"mode"` // "check", "test", "interactive"
	Script    *Script  `json:"script,omitempty"`
	Nodes     []string `json:"nodes"`
	Flavour   string   `json:"flavour"`
	Out       string   `json:"out"`
	WaitLimit float64  `json:"wait_limit,omitempty"`
	RunFirst  bool     `json:"run_first,omitempty"`
	History   string   `json:"history,omitempty"`
}

// request is what Python says: a call, that a call is given up, an event, or
// the end.
type request struct {
	ID     int    `json:"id"`
	Call   string `json:"call"`
	Cancel int    `json:"cancel"`
	Event  *Event `json:"event"`
	Done   *done  `json:"done"`

	Node      string   `json:"node"`
	Argv      []string `json:"argv"`
	Stdin     []byte   `json:"stdin"`
	Timeout   *float64 `json:"timeout"`
	Source    string   `json:"source"`
	Target    string   `json:"target"`
	Action    string   `json:"action"`
	Up        bool     `json:"up"`
	Offset    int64    `json:"offset"`
	HostPort  int      `json:"host_port"`
	GuestPort int      `json:"guest_port"`
	What      string   `json:"what"`
	Command   string   `json:"command"`
}

// done is the last thing that Python says.
type done struct {
	Failure  *Failure  `json:"failure"`
	Problems []Problem `json:"problems"`
	TooOld   string    `json:"too_old"`
}

// answer is the result of a call.
type answer struct {
	ID    int    `json:"id"`
	OK    any    `json:"ok,omitempty"`
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// wire is our end of the socket.
type wire struct {
	conn net.Conn
	in   *bufio.Reader

	mu  sync.Mutex // of what is sent
	out *json.Encoder
}

// socketPair makes a wire and the file that is its other end.
func socketPair() (*wire, *os.File, error) {
	syscall.ForkLock.RLock() // no other child may inherit them
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "driver"), os.NewFile(uintptr(fds[1]), "python")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("use a socket: %w", err)
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), out: json.NewEncoder(conn)}, theirs, nil
}

func (w *wire) send(v any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Encode(v)
}

// receive reads the next line; io.EOF when Python is gone.
func (w *wire) receive() (*request, error) {
	line, err := w.in.ReadBytes('\n')
	if err != nil {
		if errors.Is(err, syscall.ECONNRESET) {
			err = io.EOF
		}
		return nil, err
	}
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("understand the driver's Python: %w", err)
	}
	return &r, nil
}
