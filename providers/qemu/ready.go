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
)

// silence is how long a machine may say nothing on its console, and not answer
// by ssh, before it counts as stuck. Emulated machines that share processors
// are slow, but they speak.
const silence = 3 * time.Minute

// unannounced is when ssh is tried on a machine whose first stage is not ours
// and says nothing.
const unannounced = 15 * time.Second

// boot is what a machine has said since it was started.
type boot struct {
	file   string
	offset int64 // where in the log this start begins
	text   string
	spoke  time.Time
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
	token := contentOf(files, tokenFile)
	started := time.Now()
	b := &boot{file: filepath.Join(m.folderOf(kindMachine, have.ID), serialFile), offset: offset, spoke: started}
	said, last := "", errors.New("nothing was tried")
	for {
		b.look()
		if phase := b.phase(); phase != said {
			said = phase
			op.Phase(phase)
		}
		if reason := b.failure(); reason != "" {
			return m.notReady(have, b, "It said: "+reason)
		}
		if said == "waiting for ssh" || time.Since(started) > unannounced {
			if last = m.tryToken(ctx, op, have, token); last == nil {
				return nil
			}
			var d plugins.Diagnostics
			if errors.As(last, &d) {
				return last
			}
		}
		if findProcess("-uuid", have.UUID) == 0 {
			b.look()
			return m.notReady(have, b, "It powered off.")
		}
		if time.Since(b.spoke) > silence {
			return m.notReady(have, b, fmt.Sprintf("It was %s, and said nothing for %s; ssh: %v.", said, silence, last))
		}
		select {
		case <-ctx.Done():
			return m.notReady(have, b, fmt.Sprintf("It was %s when the time was over (%v); ssh: %v.", said, context.Cause(ctx), last))
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// tryToken asks the machine for its boot token: one that was started earlier,
// or another's, does not have it.
func (m machines) tryToken(ctx context.Context, op sdk.Operation, have *Machine, token string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("no answer in 20 s"))
	defer cancel()
	c, err := m.connect(ctx, op, have)
	if err != nil {
		return err
	}
	defer c.Close()
	var answer bytes.Buffer
	command := []string{"cat", tokenFile}
	if token == "" {
		command = []string{"true"}
	}
	exit, err := run(ctx, c, plugins.Process{Command: command, Stdout: &answer})
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
	return sdk.Error(have.Name+" did not come up", fmt.Sprintf("%s\nThe last lines of its console:\n%s", why, lines))
}

// controls are a terminal's codes, which a log has no use for.
var controls = regexp.MustCompile("\x1b(\\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[a-zA-Z])|\r|\x07|\x00")

// plain drops a terminal's codes.
func plain(text string) string { return controls.ReplaceAllString(text, "") }
