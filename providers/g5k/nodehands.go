package g5k

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/g5k/reach"
)

// loginRoot logs in on a deployed node, whose host key is the one that was
// seen first.
func (n nodes) loginRoot(ctx context.Context, want *Node, own ssh.Signer, limit time.Duration) (*seat, error) {
	seen := ""
	c, err := n.network().Node(ctx, nameIn(want.Host, want.Vlan), reach.Login{User: "root", Key: own, Within: limit, Seen: func(key ssh.PublicKey) error {
		seen = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		return nil
	}})
	if err != nil {
		return nil, err
	}
	want.HostKey = seen
	return &seat{Client: c, ours: true}, nil
}

// session returns a connection to a node that is kept for the next call.
func (n nodes) session(ctx context.Context, op sdk.Operation, have *Node) (*seat, error) {
	n.ways.mu.Lock()
	kept := n.ways.sessions[have.ID]
	n.ways.mu.Unlock()
	if kept != nil && sshnode.Answers(kept.Client) {
		return kept, nil
	}
	n.dropSession(have.ID)
	key, err := n.hostKey(have)
	if err != nil {
		return nil, err
	}
	s, err := n.loginOurs(ctx, op, nameIn(have.Host, have.Vlan), key, 2*answerTime)
	if err != nil {
		return nil, err
	}
	n.keepSession(have.ID, s)
	return s, nil
}

func (t *testbed) keepSession(id string, s *seat) {
	t.ways.mu.Lock()
	defer t.ways.mu.Unlock()
	if t.ways.sessions == nil {
		t.ways.sessions = map[string]*seat{}
	}
	t.ways.sessions[id] = s
}

func (t *testbed) dropSession(id string) {
	t.ways.mu.Lock()
	defer t.ways.mu.Unlock()
	if s := t.ways.sessions[id]; s != nil {
		s.Close()
		delete(t.ways.sessions, id)
	}
}

// reached is session, with what stands in the way explained.
func (n nodes) reached(ctx context.Context, op sdk.Operation, have *Node) (*seat, error) {
	s, err := n.session(ctx, op, have)
	var d plugins.Diagnostics
	if err == nil || errors.As(err, &d) || ctx.Err() != nil {
		return s, err
	}
	if reason, jobErr := n.goneWith(ctx, have.Site, have.Job); jobErr == nil && reason != "" {
		return nil, sdk.Error("The job of the nodes is over", fmt.Sprintf("%s. nxc apply reserves nodes again.", upper(reason)))
	}
	return nil, sdk.Error(have.Name+" does not answer by ssh", fmt.Sprintf("%s: %v. nxc plan says whether it has to be replaced.", have.Host, err))
}

func upper(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] }

// Exec runs a program by ssh.
func (n nodes) Exec(ctx context.Context, op sdk.Operation, have *Node, p plugins.Process) (int, error) {
	s, err := n.reached(ctx, op, have)
	if err != nil {
		return 0, err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	go n.watch(ctx, have, s, lost)
	return s.run(ctx, p)
}

// watch ends a program whose node is gone: it would never be heard of again.
func (n nodes) watch(ctx context.Context, have *Node, s *seat, lost context.CancelCauseFunc) {
	silent := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
		answered := make(chan error, 1)
		go func() {
			_, _, err := s.SendRequest("keepalive@openssh.com", true, nil)
			answered <- err
		}()
		select {
		case err := <-answered:
			if silent = 0; err == nil {
				continue
			}
		case <-time.After(20 * time.Second):
			if silent++; silent < 3 {
				continue
			}
		case <-ctx.Done():
			return
		}
		why := "Its connection ended."
		if reason, err := n.goneWith(ctx, have.Site, have.Job); err == nil && reason != "" {
			why = upper(reason) + "."
		}
		lost(sdk.Error(have.Name+" was lost while the program ran", why+" See nxc plan."))
		s.Close()
		return
	}
}

// Copy moves files by the node's own tar.
func (n nodes) Copy(ctx context.Context, op sdk.Operation, have *Node, c plugins.Copy) error {
	exec := func(ctx context.Context, p plugins.Process) (int, error) { return n.Exec(ctx, op, have, p) }
	return sshnode.Copy(ctx, have.Name, exec, c)
}

// SetContext delivers a context to a node, and keeps it for the next boot.
func (n nodes) SetContext(ctx context.Context, op sdk.Operation, have *Node, c plugins.Context) error {
	if err := sshnode.KeepContext(filepath.Join(n.folderOf(have.ID), contextFile), c); err != nil {
		return fmt.Errorf("keep the context of %s: %w", have.Name, err)
	}
	if len(c.Files) == 0 {
		return nil
	}
	exec := func(ctx context.Context, p plugins.Process) (int, error) { return n.Exec(ctx, op, have, p) }
	return deliver(ctx, have.Name, exec, c)
}

// deliver copies a context to a node, and has it know the names of the others:
// no name server of the site does.
func deliver(ctx context.Context, name string, exec sshnode.Exec, c plugins.Context) error {
	c.Files = append(slices.Clone(c.Files), namesFile(c.Files)...)
	files, err := sshnode.PackContext(c)
	if err != nil {
		return fmt.Errorf("pack the context of %s: %w", name, err)
	}
	if err := sshnode.Copy(ctx, name, exec, plugins.Copy{Path: "/", In: files}); err != nil {
		return err
	}
	script := `[ -f /etc/nxc/names ] || exit 0
touch /etc/hosts
sed '/^# nodes of the deployment/,$d' /etc/hosts >/etc/nxc/hosts.new && cat /etc/nxc/names >>/etc/nxc/hosts.new && cat /etc/nxc/hosts.new >/etc/hosts && rm /etc/nxc/hosts.new`
	exit, err := exec(ctx, plugins.Process{Command: []string{"sh", "-c", script}})
	if err == nil && exit != 0 {
		err = fmt.Errorf("write the hosts of %s: status %d", name, exit)
	}
	return err
}

// namesFile is what goes behind a node's own lines in /etc/hosts: the nodes
// that the deployment's description names. A role's name means its first node,
// unless a node is called so.
func namesFile(files []plugins.ContextFile) []plugins.ContextFile {
	var d struct {
		Roles      map[string][]string                    `json:"roles"`
		Nodes      []string                               `json:"nodes"`
		Deployment map[string]struct{ Host, Role string } `json:"deployment"`
	}
	if json.Unmarshal([]byte(sshnode.Content(files, "/etc/nxc/deployment.json")), &d) != nil {
		return nil
	}
	addresses := slices.SortedFunc(maps.Keys(d.Deployment), func(a, b string) int {
		return strings.Compare(d.Deployment[a].Host, d.Deployment[b].Host)
	})
	text := "# nodes of the deployment\n"
	for _, address := range addresses {
		name, role := d.Deployment[address].Host, d.Deployment[address].Role
		text += address + "\t" + name
		if !slices.Contains(d.Nodes, role) && len(d.Roles[role]) > 0 && d.Roles[role][0] == name {
			text += " " + role
		}
		text += "\n"
	}
	return []plugins.ContextFile{{Path: "/etc/nxc/names", Mode: 0o644, Content: []byte(text)}}
}

// Power boots a node anew. Switching nodes of a site off is not nxc's to do.
func (n nodes) Power(ctx context.Context, op sdk.Operation, have *Node, a plugins.PowerAction) error {
	switch a {
	case plugins.PowerReset:
		n.dropSession(have.ID)
		return n.again(ctx, op, have)
	case plugins.PowerStart:
		if _, err := n.session(ctx, op, have); err == nil {
			return nil
		}
		return n.again(ctx, op, have)
	}
	return sdk.Error(fmt.Sprintf("Nodes of a site know no %q", a),
		"They can be reset (nxc restart -hard), which boots the same system anew. A machine that was switched off would not come back for you: its power is the site's (kapower3 on the frontend).")
}

// again boots the system that a node has once more.
func (n nodes) again(ctx context.Context, op sdk.Operation, have *Node) error {
	if have.Method == byKexec {
		want := *have
		return n.boot(ctx, op, &want)
	}
	s, err := n.reached(ctx, op, have)
	if err != nil {
		return err
	}
	before, exit, err := s.shell(ctx, "cat /proc/sys/kernel/random/boot_id; systemctl --no-block reboot || reboot")
	if err != nil {
		return err
	}
	if exit != 0 {
		return sdk.Error(have.Name+" cannot be booted anew", fmt.Sprintf("On %s the command reboot ended with status %d.", have.Host, exit))
	}
	n.dropSession(have.ID)
	files, err := sshnode.KeptContext(filepath.Join(n.folderOf(have.ID), contextFile))
	if err != nil {
		return err
	}
	want := *have
	return n.awaitToken(ctx, op, &want, sshnode.Content(files, sshnode.TokenFile), strings.Fields(before + " -")[0])
}

// Console says where the console is.
func (n nodes) Console(_ context.Context, _ sdk.Operation, have *Node, _ plugins.Console) error {
	return sdk.Error(have.Name+" has no console that nxc can show",
		fmt.Sprintf("The site leads to it: kaconsole3 -m %s on the frontend of %s. What the system logs: nxc exec %s -- journalctl -b", have.Host, have.Site, have.Name))
}
