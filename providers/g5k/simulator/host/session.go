package host

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// session serves one session: a command, a shell that reads one, or files.
func (h *Host) session(ctx context.Context, user string, one ssh.NewChannel) {
	ch, requests, err := one.Accept()
	if err != nil {
		return
	}
	defer func() { _ = ch.Close() }()
	if h.o.Deny != nil {
		if text := h.o.Deny(user); text != "" {
			_, _ = io.WriteString(ch.Stderr(), text+"\r\n")
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{1}))
			return
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = ch.Close() })
	defer stop()
	var env []string
	var once sync.Once
	for r := range requests {
		ok, begin := true, func() {}
		switch r.Type {
		case "env":
			var v struct{ Name, Value string }
			if ok = ssh.Unmarshal(r.Payload, &v) == nil; ok {
				env = append(env, v.Name+"="+v.Value)
			}
		case "pty-req", "window-change", "signal":
		case "exec", "shell", "subsystem":
			var v struct{ Text string }
			ok = r.Type == "shell" || ssh.Unmarshal(r.Payload, &v) == nil
			ok = ok && (r.Type != "subsystem" || v.Text == "sftp")
			if ok {
				begin = func() { once.Do(func() { go h.run(ctx, ch, r.Type, user, v.Text, env) }) }
			}
		default:
			ok = false
		}
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		begin() // after the reply, which a command that ends at once must not overtake
	}
}

// run does what a session is for, and ends it with how it went.
func (h *Host) run(ctx context.Context, ch ssh.Channel, kind, user, text string, env []string) {
	code := 0
	switch kind {
	case "subsystem":
		server := sftp.NewRequestServer(ch, h.handlers(user), sftp.WithStartDirectory(HomeOf(user)))
		_ = server.Serve()
		_ = server.Close()
	case "shell":
		script, _ := io.ReadAll(ch)
		code = h.Shell(ctx, user, string(script), env, strings.NewReader(""), ch, ch.Stderr())
	default:
		code = h.Shell(ctx, user, text, env, ch, ch, ch.Stderr())
	}
	if ctx.Err() != nil {
		return // it went down: nobody is left to say how the command ended
	}
	_ = ch.CloseWrite()
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(code)})) //nolint:gosec // 0 to 255
	_ = ch.Close()
}

// Exec runs a command as a session would, for who has no need of ssh.
func (h *Host) Exec(ctx context.Context, user, command string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	booted := h.running()
	if booted == nil {
		return 0, fmt.Errorf("%s is off", h.o.Name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(booted, cancel)()
	return h.Shell(ctx, user, command, nil, stdin, stdout, stderr), nil
}
