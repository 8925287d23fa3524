package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Serve speaks ssh on a connection until that ends.
func (h *Host) Serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	if !h.track(c) {
		return
	}
	defer h.forget(c)
	conn, channels, requests, err := ssh.NewServerConn(c, h.config())
	if err != nil {
		return
	}
	ctx := h.running()
	if ctx == nil {
		return
	}
	h.work.Go(func() { answer(requests) })
	var open sync.WaitGroup
	for one := range channels {
		switch {
		case one.ChannelType() == "session" && !h.o.NoLogin:
			open.Go(func() { h.session(ctx, conn.User(), one) })
		case one.ChannelType() == "direct-tcpip":
			open.Go(func() { h.forward(ctx, one) })
		default:
			_ = one.Reject(ssh.UnknownChannelType, "unsupported channel type")
		}
	}
	_ = c.Close()
	open.Wait()
}

// answer says to requests that ask for life that there is some.
func answer(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil)
		}
	}
}

func (h *Host) config() *ssh.ServerConfig {
	c := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if h.allows(meta.User(), key) {
				return &ssh.Permissions{}, nil
			}
			return nil, errors.New("not authorized")
		},
		MaxAuthTries: 6,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c.AddHostKey(h.key)
	return c
}

// allows says whether a key logs a user in: one that the machine was told, or
// one that the user's home has.
func (h *Host) allows(user string, key ssh.PublicKey) bool {
	if h.o.Allow != nil && h.o.Allow(user, key) {
		return true
	}
	if user != "root" {
		return false // homes are shared between machines; who may use one is the owner's matter
	}
	raw, err := h.files.ReadFile(path.Join(HomeOf(user), ".ssh/authorized_keys"))
	for err == nil && len(raw) > 0 {
		var known ssh.PublicKey
		if known, _, _, raw, err = ssh.ParseAuthorizedKey(raw); err == nil && bytes.Equal(known.Marshal(), key.Marshal()) {
			return true
		}
	}
	return false
}

// forward connects a channel to another machine.
func (h *Host) forward(ctx context.Context, one ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(one.ExtraData(), &to); err != nil || h.o.Dial == nil {
		_ = one.Reject(ssh.Prohibited, "open failed")
		return
	}
	dialing, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	far, err := h.o.Dial(dialing, net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = one.Reject(ssh.ConnectionFailed, fmt.Sprintf("connect failed: %v", err))
		return
	}
	defer func() { _ = far.Close() }()
	near, requests, err := one.Accept()
	if err != nil {
		return
	}
	defer func() { _ = near.Close() }()
	go ssh.DiscardRequests(requests)
	stop := context.AfterFunc(ctx, func() { _ = far.Close(); _ = near.Close() })
	defer stop()
	join(near, far)
}

// join copies both ways until both ends are done.
func join(near ssh.Channel, far net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(far, near)
		if half, ok := far.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		} else {
			_ = far.Close()
		}
	})
	_, err := io.Copy(near, far)
	_ = near.CloseWrite()
	if err != nil { // it was cut, and the other direction will not notice
		_ = near.Close()
	}
	both.Wait()
}
