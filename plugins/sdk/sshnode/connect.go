// Package sshnode gives hands to nodes that are reached by ssh: it opens
// connections to a host key that is known beforehand, runs programs, and moves
// files by the node's own tar.
//
// How a node's port is reached, and what to do when nobody answers there, is
// the provider's own matter: a switch, a forwarded port, an access machine.
package sshnode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Files of a node's context that say who the node is.
const (
	TokenFile         = "/etc/nxc/private/boot_token"
	HostKeyFile       = "/etc/nxc/private/ssh_host_ed25519_key"
	HostPublicKeyFile = HostKeyFile + ".pub"
)

// HandshakeTime bounds a handshake, because a machine that dies says nothing.
// It is long, because emulated machines that share few processors take a
// quarter of a minute to agree on a key, and one that is cut short begins again.
const HandshakeTime = time.Minute

// Handshake opens an ssh connection over a connection, within a time. When it
// fails, the connection is closed.
func Handshake(ctx context.Context, conn net.Conn, config *ssh.ClientConfig, within time.Duration) (*ssh.Client, error) {
	_ = conn.SetDeadline(time.Now().Add(within))
	// Not every connection knows deadlines: one through another ssh does not.
	limited, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer in %s", within))
	defer cancel()
	stop := context.AfterFunc(limited, func() { conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewClientConn(conn, "node", config)
	if err != nil {
		conn.Close()
		if cause := context.Cause(limited); cause != nil {
			err = cause
		}
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// Key reads a deployment's own key, which nxc made on this machine. keys is
// plugins.Folders.Keys.
func Key(keys, uuid string) (ssh.Signer, error) {
	file := filepath.Join(keys, uuid, "id_ed25519")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sdk.Error("The deployment's key is not there", fmt.Sprintf("nxc made it at %s, and reaches the machines with it. Bring it back, or create the machines anew.", file))
	}
	if err != nil {
		return nil, fmt.Errorf("read the deployment's key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the deployment's key %s: %w", file, err)
	}
	return signer, nil
}

// HostKey returns the host key that a node's context gives it.
func HostKey(node string, files []plugins.ContextFile) (ssh.PublicKey, error) {
	for _, f := range files {
		if f.Path != HostPublicKeyFile {
			continue
		}
		if key, _, _, _, err := ssh.ParseAuthorizedKey(f.Content); err == nil {
			return key, nil
		}
	}
	return nil, sdk.Error(node+" has no host key", fmt.Sprintf("Its context lacks %s, so nothing tells it from another machine.", HostPublicKeyFile))
}

// AsRoot is how root connects with a key to one host key and no other.
func AsRoot(key ssh.Signer, host ssh.PublicKey) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              "root",
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback:   ssh.FixedHostKey(host),
		HostKeyAlgorithms: []string{host.Type()},
	}
}

// Answers reports whether the other end of a connection is still there. One
// that does not answer at once is closed.
func Answers(c *ssh.Client) bool {
	answered := make(chan error, 1)
	go func() {
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	}()
	select {
	case err := <-answered:
		return err == nil
	case <-time.After(3 * time.Second):
		c.Close()
		return false
	}
}
