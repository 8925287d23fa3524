package g5k

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/g5k/agent"
)

// patience is how long a node may take from one system to the next: machines of
// metal look at all that they have before they go on.
const patience = 8 * time.Minute

// boot gives a host its system, by the node's method, and fills in its address.
func (n nodes) boot(ctx context.Context, op sdk.Operation, want *Node) error {
	files, err := sshnode.KeptContext(filepath.Join(n.folderOf(want.ID), contextFile))
	if err != nil {
		return err
	}
	if state := n.hardState(ctx, want); state == "dead" || state == "absent" {
		return &deadError{fmt.Errorf("the site calls it %s", state)}
	}
	switch want.Method {
	case deployed:
		err = n.bringContext(ctx, op, want, files)
	default:
		err = n.jump(ctx, op, want, files)
	}
	if err != nil {
		return err
	}
	return n.settleIn(ctx, op, want)
}

// jump boots a node by kexec. What is not in its memory yet is brought there.
func (n nodes) jump(ctx context.Context, op sdk.Operation, want *Node, files []plugins.ContextFile) error {
	op.Phase("logging in on " + want.Host)
	s, before, err := n.patientLogin(ctx, op, want.Host)
	if err != nil {
		return err
	}
	defer s.Close()
	p, err := n.newPush(op, []string{want.Kernel}, want.Initrd)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := sshnode.AppendContext(&archive, files); err != nil {
		return err
	}
	order := agent.Boot{
		Kernel: p.item(kernelName(want.Kernel)), Initrd: p.item(initrdName),
		CommandLine: strings.Join(append([]string{"net.ifnames=0", "console=tty0", "console=ttyS0,115200"}, want.KernelParams...), " "),
		Context:     archive.Bytes(),
	}
	for try := 0; ; try++ {
		op.Phase("loading its system")
		booted, err := askToBoot(ctx, s, op.UUID, p.program, order)
		switch {
		case err != nil:
			return &deadError{err}
		case booted.Jumping:
			n.ways.forgetSeen(want.Host)
			return n.awaitToken(ctx, op, want, sshnode.Content(files, sshnode.TokenFile), before)
		case booted.Failed != "":
			return sdk.Error(want.Host+" cannot load the system of "+want.Name, booted.Failed+". Does its kernel have kexec, and the node memory enough for the image?")
		case try > 0:
			return fmt.Errorf("%s has no %s, although it was sent", want.Host, booted.Missing)
		}
		failed, err := p.to(ctx, []string{want.Host})
		if err != nil {
			return err
		}
		if err := failed[want.Host]; err != nil {
			return &deadError{err}
		}
	}
}

// askToBoot runs the program on the node. Nothing of it there yet is one thing
// that can be missing.
func askToBoot(ctx context.Context, s *seat, uuid string, program agent.Source, b agent.Boot) (agent.Booted, error) {
	var answer agent.Booted
	dir, exit, err := s.shell(ctx, findFolder(uuid)+`; [ "$(sha256sum $d/`+program.Name+` 2>/dev/null | cut -d ' ' -f 1)" = `+program.SHA256+` ] && echo $d`)
	if err != nil {
		return answer, err
	}
	if exit != 0 {
		return agent.Booted{Missing: program.Name}, nil
	}
	command, err := agent.Command(dir, "boot", dir)
	if err != nil {
		return answer, err
	}
	text, err := json.Marshal(b)
	if err != nil {
		return answer, err
	}
	var out, complaint bytes.Buffer
	exit, err = s.run(ctx, plugins.Process{Command: command, Stdin: bytes.NewReader(text), Stdout: &out, Stderr: &complaint})
	if err != nil {
		return answer, err
	}
	for line := range bytes.Lines(out.Bytes()) {
		if json.Unmarshal(line, &answer) == nil {
			return answer, nil
		}
	}
	said := strings.TrimSpace(out.String() + complaint.String())
	return agent.Booted{Failed: strings.TrimSuffix(fmt.Sprintf("nxc's program there ended with status %d: %s", exit, said), ": ")}, nil
}

// patientLogin logs in on a node that may have been reserved a moment ago. It
// returns the name of the node's boot, too.
func (t *testbed) patientLogin(ctx context.Context, op sdk.Operation, host string) (*seat, string, error) {
	var last error
	began := time.Now()
	for try := 0; ; try++ {
		s, err := t.login(ctx, op, host, within(try))
		if err == nil {
			var boot string
			if boot, _, err = s.shell(ctx, "cat /proc/sys/kernel/random/boot_id"); err == nil {
				return s, boot, nil
			}
			s.Close()
		}
		last = err
		var d plugins.Diagnostics
		if errors.As(err, &d) && !strings.Contains(err.Error(), "does not let you in") {
			return nil, "", err // the access machine, or a key
		}
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		if time.Since(began) > t.loginPatience() {
			return nil, "", &deadError{fmt.Errorf("it does not answer: %w", last)}
		}
		op.Phase(fmt.Sprintf("waiting for %s (%v)", host, err))
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// loginPatience is for how long a node may not answer before another is taken.
func (t *testbed) loginPatience() time.Duration {
	if d, err := time.ParseDuration(t.config.NodeWait); err == nil {
		return d
	}
	return 2 * time.Minute
}

// awaitToken waits until the node's own system answers: by the host key that
// nxc made for it, with the token of this attempt. The system that it leaves
// still answers for a moment, and may leave connections hanging.
func (n nodes) awaitToken(ctx context.Context, op sdk.Operation, want *Node, token, before string) error {
	want.HostKey = ""
	key, err := n.hostKey(want)
	if err != nil {
		return err
	}
	began := time.Now()
	last := errors.New("nothing was tried")
	for try := 0; ctx.Err() == nil && time.Since(began) < patience; try++ {
		op.Phase(fmt.Sprintf("waiting for its system (ssh: %v)", plainly(last)))
		if last = n.tryToken(ctx, op, want, key, token, before, within(try)); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("wait for %s on %s: %w; ssh: %w", want.Name, want.Host, context.Cause(ctx), last)
	}
	return &deadError{fmt.Errorf("its new system did not answer within %s; ssh: %w", patience, last)}
}

// plainly shortens what a try came to.
func plainly(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 && len(text) > 80 {
		text = text[i+2:]
	}
	return text
}

func (n nodes) tryToken(ctx context.Context, op sdk.Operation, want *Node, key ssh.PublicKey, token, before string, limit time.Duration) error {
	trying, cancel := context.WithTimeoutCause(ctx, 2*limit, fmt.Errorf("no answer in %s", 2*limit))
	defer cancel()
	s, err := n.loginOurs(trying, op, nameIn(want.Host, want.Vlan), key, limit)
	if errors.Is(err, errForeign) {
		return errors.New("the system before it still answers")
	}
	if err != nil {
		return err
	}
	answer, exit, err := s.shell(trying, "cat "+sshnode.TokenFile+" /proc/sys/kernel/random/boot_id")
	words := strings.Fields(answer)
	switch {
	case err != nil:
	case exit != 0 || len(words) != 2:
		err = errors.New("it has no token")
	case words[0] != token:
		err = errors.New("another boot token answered")
	case words[1] == before:
		err = errors.New("it has not booted yet")
	}
	if err != nil {
		s.Close()
		return err
	}
	n.keepSession(want.ID, s)
	return nil
}

// bringContext gives a node that Kadeploy deployed its context, and has it go
// on. It made its host key itself, which is believed at first contact; over
// that connection it gets the one that the deployment knows.
func (n nodes) bringContext(ctx context.Context, op sdk.Operation, want *Node, files []plugins.ContextFile) error {
	own, err := sshnode.Key(n.folders.Keys, op.UUID)
	if err != nil {
		return err
	}
	s, err := n.firstContact(ctx, op, want, own)
	if err != nil {
		return err
	}
	defer s.Close()
	op.Phase("bringing its context")
	exec := func(ctx context.Context, p plugins.Process) (int, error) { return s.run(ctx, p) }
	if err := deliver(ctx, want.Name, exec, plugins.Context{Files: files}); err != nil {
		return err
	}
	// One that waits to be told who it is goes on; its kernel stays the same.
	waits, _, err := s.shell(ctx, "[ -d /nxc-waiting ] && echo yes && touch /nxc-waiting/go || :")
	if err != nil {
		return &deadError{err}
	}
	if waits != "yes" {
		return nil
	}
	s.Close()
	return n.awaitToken(ctx, op, want, sshnode.Content(files, sshnode.TokenFile), "")
}

// firstContact logs in on a deployed node, and remembers its host key.
func (n nodes) firstContact(ctx context.Context, op sdk.Operation, want *Node, own ssh.Signer) (*seat, error) {
	var last error
	began := time.Now()
	for try := 0; ctx.Err() == nil; try++ {
		op.Phase("waiting for the deployed system on " + want.Host)
		s, err := n.loginRoot(ctx, want, own, within(try))
		if err == nil {
			key, _, _, _, _ := ssh.ParseAuthorizedKey([]byte(want.HostKey))
			op.Note(fmt.Sprintf("%s: %s is believed to have the host key %s, seen for the first time", want.Name, short([]string{want.Host}), ssh.FingerprintSHA256(key)))
			return s, nil
		}
		if last = err; time.Since(began) > n.loginPatience() {
			return nil, &deadError{fmt.Errorf("the deployed system does not answer: %w", last)}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil, fmt.Errorf("wait for the deployed system on %s: %w; ssh: %w", want.Host, context.Cause(ctx), last)
}

// settleIn asks the node for its address: from outside nobody knows the names
// of nodes.
func (n nodes) settleIn(ctx context.Context, op sdk.Operation, want *Node) error {
	s, err := n.session(ctx, op, want)
	if err != nil {
		return err
	}
	text, _, err := s.shell(ctx, `ip -4 -o addr show scope global | sed 's|.* inet \([0-9.]*\)/.*|\1|' | head -n 1`)
	if err != nil {
		return fmt.Errorf("ask %s for its address: %w", want.Host, err)
	}
	if net.ParseIP(text) == nil {
		return fmt.Errorf("%s does not tell its address, but %q", want.Host, text)
	}
	want.Address = text
	return nil
}
