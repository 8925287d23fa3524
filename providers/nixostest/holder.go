package nixostest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// holderProgram is the name by which the provider starts itself as a holder.
const holderProgram = "holder"

// Files in the folder of a driver.
const (
	holderFile   = "holder.json"
	terminalFile = "terminal.log"
)

// markVariable is in the environment of everything that a holder started, with
// the holder's id, so that machines are found although their holder was killed.
const markVariable = "NXC_TEST_HOLDER"

// holding is what a holder is to hold.
type holding struct {
	ID      string
	Command []string
	Folder  string // where the program runs
	Scratch string // short: sockets lie below it
	Socket  string
	Session string // file of what machines are told; "" for none
}

// hold keeps a test's driver: it owns its terminal, and lets one client at a
// time have it. It ends with the driver, or when it is told to, and with it go
// all machines.
func hold(folder string) error {
	text, err := os.ReadFile(filepath.Join(folder, holderFile))
	if err != nil {
		return err
	}
	var what holding
	if err := json.Unmarshal(text, &what); err != nil {
		return fmt.Errorf("%s: %w", holderFile, err)
	}
	// The driver dies with the thread that started it, and ours is the first.
	runtime.LockOSThread()
	// What the driver leaves behind becomes ours.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt what the driver starts: %w", err)
	}
	listener, err := net.Listen("unix", what.Socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := os.Chmod(what.Socket, 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(folder, terminalFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	terminal, slave, err := openTerminal()
	if err != nil {
		return err
	}
	cmd := exec.Command(what.Command[0], what.Command[1:]...)
	cmd.Dir = what.Folder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "TMPDIR="+what.Scratch, "XDG_RUNTIME_DIR="+what.Scratch, "out="+what.Folder, markVariable+"="+what.ID)
	if what.Session != "" {
		cmd.Env = append(cmd.Env, "NXC_TEST_SESSION="+what.Session)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the driver: %w", err)
	}
	slave.Close()
	h := &holder{what: what, terminal: terminal, log: log}
	defer func() {
		terminate(what.ID)
		os.Remove(what.Socket)
		os.RemoveAll(what.Scratch)
	}()
	ended := make(chan struct{})
	go func() { defer close(ended); cmd.Wait() }()
	go h.follow()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGHUP)
	told := make(chan struct{}, 1)
	go h.serve(listener, told)
	select {
	case <-ended:
		return nil
	case <-stop:
	case <-told:
	}
	// As when a terminal is closed; what does not heed it is ended in a moment.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP)
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
	}
	return nil
}

// openTerminal makes a terminal: our end, and the driver's.
func openTerminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a terminal: %w", err)
	}
	fd := int(ours.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		return nil, nil, fmt.Errorf("make a terminal: %w", err)
	}
	return ours, theirs, nil
}

// holder serves the terminal of what it holds.
type holder struct {
	what     holding
	terminal *os.File
	log      io.Writer

	mu     sync.Mutex
	recent []byte // what a client sees first
	client net.Conn
	by     string // who the client is
}

// recentSize is how much of a session a client that attaches is shown.
const recentSize = 16 << 10

// follow hands on what the driver prints.
func (h *holder) follow() {
	buffer := make([]byte, 32<<10)
	for {
		n, err := h.terminal.Read(buffer)
		if n > 0 {
			_, _ = h.log.Write(buffer[:n])
			h.mu.Lock()
			h.recent = append(h.recent, buffer[:n]...)
			if len(h.recent) > recentSize {
				h.recent = append([]byte(nil), h.recent[len(h.recent)-recentSize:]...)
			}
			if h.client != nil {
				_ = h.client.SetWriteDeadline(time.Now().Add(10 * time.Second))
				if _, err := h.client.Write(buffer[:n]); err != nil {
					h.client.Close()
					h.client = nil
				}
			}
			h.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// request is the first line that a client says; reply is what it hears.
type (
	request struct {
		Do            string // who, stop, attach
		By            string `json:",omitempty"`
		Columns, Rows uint16 `json:",omitempty"`
	}
	reply struct {
		ID    string
		Error string `json:",omitempty"`
	}
)

func (h *holder) serve(listener net.Listener, told chan<- struct{}) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go h.answer(conn, told)
	}
}

func (h *holder) answer(conn net.Conn, told chan<- struct{}) {
	defer conn.Close()
	decoder := json.NewDecoder(conn)
	var r request
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if decoder.Decode(&r) != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	say := func(reply reply) error { return json.NewEncoder(conn).Encode(reply) }
	switch r.Do {
	case "stop":
		_ = say(reply{ID: h.what.ID})
		select {
		case told <- struct{}{}:
		default:
		}
	case "attach":
		h.attach(conn, decoder, r, say)
	default:
		_ = say(reply{ID: h.what.ID})
	}
}

// keys is what an attached client sends: what was typed, or a new size.
type keys struct {
	Typed         []byte `json:",omitempty"`
	Columns, Rows uint16 `json:",omitempty"`
}

// attach lets a client have the terminal.
func (h *holder) attach(conn net.Conn, decoder *json.Decoder, r request, say func(reply) error) {
	h.mu.Lock()
	if h.client != nil {
		by := h.by
		h.mu.Unlock()
		_ = say(reply{ID: h.what.ID, Error: by})
		return
	}
	h.client, h.by = conn, r.By
	err := say(reply{ID: h.what.ID})
	if err == nil {
		_, err = conn.Write(h.recent)
	}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		if h.client == conn {
			h.client = nil
		}
		h.mu.Unlock()
	}()
	if err != nil {
		return
	}
	h.resize(r.Columns, r.Rows)
	for {
		var k keys
		if decoder.Decode(&k) != nil {
			return
		}
		h.resize(k.Columns, k.Rows)
		if _, err := h.terminal.Write(k.Typed); err != nil {
			return
		}
	}
}

func (h *holder) resize(columns, rows uint16) {
	if columns > 0 && rows > 0 {
		_ = unix.IoctlSetWinsize(int(h.terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	}
}

// errNoHolder says that nobody holds a driver.
var errNoHolder = errors.New("nobody holds it")

// ask says one thing to a holder, and believes only the one that is meant.
func ask(ctx context.Context, socket, id string, r request) (net.Conn, reply, error) {
	var answer reply
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, answer, errNoHolder
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	err = json.NewEncoder(conn).Encode(r)
	if err == nil {
		answer, err = readReply(conn)
	}
	if err == nil && answer.ID != id {
		err = errNoHolder
	}
	if err != nil {
		conn.Close()
		return nil, answer, err
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, answer, nil
}

// readReply reads one line, and nothing that comes behind it.
func readReply(conn net.Conn) (reply, error) {
	var line []byte
	for one := make([]byte, 1); len(line) < 4096; {
		if _, err := conn.Read(one); err != nil {
			return reply{}, err
		}
		if one[0] == '\n' {
			break
		}
		line = append(line, one[0])
	}
	var r reply
	return r, json.Unmarshal(line, &r)
}
