package g5k

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/g5k/reach"
)

// answerTime bounds one try to log in on a node: the system that a node is
// about to leave accepts connections that it never answers.
const answerTime = 5 * time.Second

// within bounds a further try, a little longer each time: one that is slow is
// not one that hangs.
func within(try int) time.Duration { return min(answerTime*time.Duration(2+try)/2, 30*time.Second) }

// seat is a connection to a node on which programs are run as root.
type seat struct {
	*ssh.Client
	sudo bool // the user's own login, which becomes root by sudo-g5k
	ours bool // a system of the deployment's answers, not the site's
}

// errForeign says that a node does not run a system of the deployment's.
var errForeign = errors.New("a system answers that is not of this deployment")

// login opens a seat on a node, whichever system it runs: one of the
// deployment's, which is known by its host key; the site's standard
// environment, where the user has a login; or another environment, where root
// accepts the user's key.
func (t *testbed) login(ctx context.Context, op sdk.Operation, host string, limit time.Duration) (*seat, error) {
	if s, err := t.loginOurs(ctx, op, host, nil, limit); err == nil || !errors.Is(err, errForeign) {
		return s, err
	}
	stranger := reach.Login{Within: 4 * limit, Seen: t.ways.firstSeen(op, host)}
	c, err := t.network().Node(ctx, host, stranger)
	if err == nil {
		return &seat{Client: c, sudo: t.config.User != "root"}, nil
	}
	if !refusesKeys(err) {
		return nil, err
	}
	stranger.User = "root"
	if c, rootErr := t.network().Node(ctx, host, stranger); rootErr == nil {
		return &seat{Client: c}, nil
	}
	return nil, sdk.Error(host+" does not let you in", fmt.Sprintf("Neither %s nor root can log in there with your keys (%v). Does the job have whole nodes, and are they of yours?", t.config.User, err))
}

// loginOurs opens a seat on a system of the deployment's. Its host key must be
// one that the deployment made, or the one that is given.
func (t *testbed) loginOurs(ctx context.Context, op sdk.Operation, host string, key ssh.PublicKey, limit time.Duration) (*seat, error) {
	own, err := sshnode.Key(t.folders.Keys, op.UUID)
	if err != nil {
		return nil, err
	}
	known, err := t.hostKeysOf(op.UUID)
	if err != nil {
		return nil, err
	}
	c, err := t.network().Node(ctx, host, reach.Login{User: "root", Key: own, Within: limit, Seen: func(seen ssh.PublicKey) error {
		if key != nil && bytes.Equal(key.Marshal(), seen.Marshal()) {
			return nil
		}
		if key == nil && known[string(seen.Marshal())] {
			return nil
		}
		return errForeign
	}})
	if err != nil {
		return nil, err
	}
	return &seat{Client: c, ours: true}, nil
}

func refusesKeys(err error) bool { return strings.Contains(err.Error(), "unable to authenticate") }

// hostKeysOf are the host keys that nxc made for a deployment's nodes.
func (t *testbed) hostKeysOf(uuid string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(t.folders.Keys, uuid, "host_*"))
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, file := range files {
		if _, err := hex.DecodeString(strings.TrimPrefix(filepath.Base(file), "host_")); err != nil {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		key, err := ssh.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		known[string(key.PublicKey().Marshal())] = true
	}
	return known, nil
}

// firstSeen believes the first host key that a node of the site shows while
// this process runs, and no other after it: every environment has its own, and
// what is between the access machine and the node belongs to the site.
func (w *ways) firstSeen(op sdk.Operation, host string) func(ssh.PublicKey) error {
	return func(key ssh.PublicKey) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		fingerprint := ssh.FingerprintSHA256(key)
		switch w.seen[host] {
		case "":
			if w.seen == nil {
				w.seen = map[string]string{}
			}
			w.seen[host] = fingerprint
			op.Log(fmt.Sprintf("%s is believed to be the machine with the host key %s", host, fingerprint))
		case fingerprint:
		default:
			return fmt.Errorf("the host key of %s changed from %s to %s", host, w.seen[host], fingerprint)
		}
		return nil
	}
}

// forgetSeen is called before a node is given another system.
func (w *ways) forgetSeen(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.seen, host)
}

// run runs a program as root.
func (s *seat) run(ctx context.Context, p plugins.Process) (int, error) {
	line := sshnode.Command(p)
	if s.sudo {
		line = "sudo-g5k sh -c " + sshnode.Quote(line)
	}
	return sshnode.RunLine(ctx, s.Client, line, p)
}

// shell runs a script as root, and returns what it printed.
func (s *seat) shell(ctx context.Context, script string) (string, int, error) {
	var out, complaint bytes.Buffer
	exit, err := s.run(ctx, plugins.Process{Command: []string{"sh", "-c", script}, Stdout: &out, Stderr: &complaint})
	text := strings.TrimSpace(out.String())
	if exit != 0 && text == "" {
		text = strings.TrimSpace(complaint.String())
	}
	return text, exit, err
}
