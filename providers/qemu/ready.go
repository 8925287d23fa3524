package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// patience is how long machines may take.
type patience struct {
	// A machine may say nothing on its console, and not answer by ssh, for so
	// long before it counts as stuck. Emulated machines that share processors
	// are slow, but they speak.
	silence time.Duration
	// So long a machine may take to power down before it is ended.
	stop time.Duration
}

// patient is what users get.
func patient() patience { return patience{silence: 3 * time.Minute, stop: 40 * time.Second} }

// unannounced is when ssh is tried on a machine whose first stage is not ours
// and says nothing.
const unannounced = 15 * time.Second

// boot is what a machine has said since it was started.
type boot struct {
	file   string
	offset int64 // where in the log this start begins
	text   string
	spoke  time.Time
	passed []passed
}

// passed is a phase that a machine has come to.
type passed struct {
	phase string
	since time.Time
}

// phases are what the first stage says, and what the user reads then. What a
// machine says last counts.
var phases = []struct{ mark, text string }{
	{"nxc: phase system", "waiting for ssh"},
	{"nxc: phase network", "waiting for the network"},
	{"nxc: phase kernel", "loading modules"},
	{"Linux version", "starting the kernel"},
}

// look reads what is new.
func (b *boot) look() {
	text, err := os.ReadFile(b.file)
	if err != nil || int64(len(text)) <= b.offset {
		return
	}
	if now := string(text[b.offset:]); now != b.text {
		b.text, b.spoke = now, time.Now()
	}
}

// phase is how far the machine is, in words.
func (b *boot) phase() string {
	for _, p := range phases {
		if strings.Contains(b.text, p.mark) {
			return p.text
		}
	}
	return "waiting for the kernel"
}

// advance reports whether the machine has come to another phase.
func (b *boot) advance() bool {
	now := b.phase()
	if n := len(b.passed); n > 0 && b.passed[n-1].phase == now {
		return false
	}
	b.passed = append(b.passed, passed{now, time.Now()})
	return true
}

// course says how long each phase took, the last one until now.
func (b *boot) course() string {
	var said []string
	for i, p := range b.passed {
		until := time.Now()
		if i+1 < len(b.passed) {
			until = b.passed[i+1].since
		}
		said = append(said, fmt.Sprintf("%s %.0f s", p.phase, until.Sub(p.since).Seconds()))
	}
	return strings.Join(said, ", ")
}

// failure is what the machine itself calls its end.
func (b *boot) failure() string {
	for line := range strings.Lines(b.text) {
		for _, mark := range []string{"nxc: failed: ", "Kernel panic - "} {
			if _, reason, ok := strings.Cut(line, mark); ok {
				return strings.TrimSpace(reason)
			}
		}
	}
	return ""
}

// awaitReady waits until a real command answers by ssh with the boot token.
func (m machines) awaitReady(ctx context.Context, op sdk.Operation, have *Machine) error {
	return m.awaitBoot(ctx, op, have, 0)
}

func (m machines) awaitBoot(ctx context.Context, op sdk.Operation, have *Machine, offset int64) error {
	if have.Network == "" {
		return nil
	}
	files, err := readContext(m.folderOf(kindMachine, have.ID))
	if err != nil {
		return err
	}
	token := sshnode.Content(files, sshnode.TokenFile)
	started := time.Now()
	process := findProcess("-uuid", have.UUID)
	b := &boot{file: filepath.Join(m.folderOf(kindMachine, have.ID), serialFile), offset: offset, spoke: started}
	last := errors.New("nothing was tried")
	for {
		b.look()
		if b.advance() {
			op.Phase(b.phase())
		}
		if reason := b.failure(); reason != "" {
			m.endFailed(ctx, have, b)
			return m.notReady(have, b, "It said: "+reason)
		}
		if strings.Contains(b.text, deaf) {
			why := m.explainDeaf(ctx, have)
			return passing{m.notReady(have, b, why), why}
		}
		if b.phase() == "waiting for ssh" || time.Since(started) > unannounced {
			trying, done := whileNamed(ctx, process, "-uuid", have.UUID)
			last = m.tryToken(trying, op, have, token)
			done()
			if last == nil {
				return nil
			}
			// What cannot be tried is final only once the machine is there: until
			// then it may still say itself why it does not come up.
			var d plugins.Diagnostics
			if b.phase() == "waiting for ssh" && errors.As(last, &d) {
				return last
			}
		}
		// The process that was found, not all there are: this is asked often,
		// of many machines.
		if !names(process, "-uuid", have.UUID) {
			b.look()
			if reason := b.failure(); reason != "" {
				return m.notReady(have, b, "It said: "+reason)
			}
			why, silent := m.explainEnd(have)
			err := m.notReady(have, b, why)
			if silent && b.text == "" {
				return passing{err, why}
			}
			return err
		}
		if time.Since(b.spoke) > m.patience.silence {
			return m.notReady(have, b, fmt.Sprintf("It said nothing for %s (%s); ssh: %v.", m.patience.silence, b.course(), last))
		}
		select {
		case <-ctx.Done():
			b.look()
			b.advance()
			return m.notReady(have, b, fmt.Sprintf("The time was over (%v): %s; ssh: %v.", context.Cause(ctx), b.course(), last))
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// whileNamed is a context that ends with a process.
func whileNamed(ctx context.Context, process int, words ...string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		for names(process, words...) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
		cancel(errors.New("its process ended"))
	}()
	return ctx, func() { cancel(nil) }
}

// endFailed ends a machine that gave up: one whose kernel panicked would do
// nothing for ever, at the full speed of a processor.
func (m machines) endFailed(ctx context.Context, have *Machine, b *boot) {
	for range 10 { // until it has said why
		before := len(b.text)
		time.Sleep(100 * time.Millisecond)
		if b.look(); len(b.text) == before {
			break
		}
	}
	_ = m.crash(ctx, have) // what is wrong is said already
}

// passing is a failure that another start is likely not to meet.
type passing struct {
	error
	why string // in a line
}

func (p passing) Unwrap() error { return p.error }

// deaf is what the first stage says when nobody answers on the first interface,
// although each switch does.
const deaf = "nxc: no address for eth0"

// explainDeaf says what the first network's switch knows of a machine that
// heard nothing of it.
func (m machines) explainDeaf(ctx context.Context, have *Machine) string {
	status, err := m.askSwitch(ctx, have.Network, false)
	if err != nil {
		return fmt.Sprintf("It got no address: its network's switch does not answer (%v).", err)
	}
	for _, p := range status.Ports {
		switch {
		case p.ID != portID(have, 0):
		case !p.Connected:
			return "It got no address: its network's switch is not connected to it."
		default:
			return fmt.Sprintf("It got no address: its network's switch heard %d frames of it, and had %d for it.", p.Heard, p.Told)
		}
	}
	return "It got no address: it is not plugged into its network's switch."
}

// explainEnd says how a machine ended by itself, and whether its QEMU said
// nothing of that.
func (m machines) explainEnd(have *Machine) (why string, silent bool) {
	said := lastLines(filepath.Join(m.folderOf(kindMachine, have.ID), qemuLog), 5)
	if said == "" || said == "(none)" {
		return "It powered off, or its QEMU crashed or was killed.", true
	}
	return "Its QEMU ended, and had said:\n" + said, false
}

// tryToken asks the machine for its boot token: one that was started earlier,
// or another's, does not have it.
func (m machines) tryToken(ctx context.Context, op sdk.Operation, have *Machine, token string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sshnode.HandshakeTime, fmt.Errorf("no answer in %s", sshnode.HandshakeTime))
	defer cancel()
	c, err := m.connect(ctx, op, have)
	if err != nil {
		return err
	}
	defer c.Close()
	var answer bytes.Buffer
	command := []string{"cat", sshnode.TokenFile}
	if token == "" {
		command = []string{"true"}
	}
	exit, err := sshnode.Run(ctx, c, plugins.Process{Command: command, Stdout: &answer})
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(answer.String()); exit != 0 || got != token {
		return errors.New("another boot token answered")
	}
	return nil
}

// notReady says why a machine did not come up, with the end of its log.
func (m machines) notReady(have *Machine, b *boot, why string) error {
	lines := lastLines(b.file, 15)
	return sdk.Error(have.Name+" did not come up", fmt.Sprintf("%s\nThe last lines of its console:\n%s%s", why, lines, doubt(have.Accelerator, probeAccelerator())))
}

// controls are a terminal's codes, which a log has no use for.
var controls = regexp.MustCompile("\x1b(\\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[a-zA-Z])|\r|\x07|\x00")

// plain drops a terminal's codes.
func plain(text string) string { return controls.ReplaceAllString(text, "") }
