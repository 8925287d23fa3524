package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins"
)

// local runs a node's programs here.
func local(ctx context.Context, p plugins.Process) (int, error) {
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Stdin, p.Stdout, p.Stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// fakeSystem is a folder with a switch-to-configuration that runs a script.
func fakeSystem(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\ntest \"$1\" = test || exit 9\n" + script
	if err := os.WriteFile(filepath.Join(dir, "bin", "switch-to-configuration"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSwitch(t *testing.T) {
	// The words of NixOS's program, some on each of its outputs.
	const nixos = `echo "stopping the following units: gone.service, nginx.service" >&2
echo "NOT restarting the following changed units: dbus.service" >&2
echo "activating the configuration..."
echo "reloading the following units: a.service, b.service" >&2
echo "restarting the following units: sshd.service" >&2
echo "starting the following units: nginx.service, new.timer" >&2
echo "the following new units were started: new.service" >&2
`
	for name, test := range map[string]struct {
		new, old, failed string
		note             string
		want             []string // of the error
		not              string
	}{
		"everything": {new: nixos, note: "switched to its new system: restarted nginx.service, sshd.service; started new.service, new.timer; stopped gone.service; " +
			"reloaded a.service, b.service; left as they run: dbus.service"},
		"nothing": {new: "echo activating", note: "switched to its new system; no unit had to restart"},
		"a unit that had failed before": {new: "echo 'warning: the following units failed: bad.service'; exit 4", failed: "bad.service loaded failed failed",
			note: "switched to its new system; no unit had to restart; failed as before: bad.service"},
		"a unit that fails": {new: "echo 'warning: the following units failed: bad.service, worse.service'; exit 4", failed: "bad.service loaded failed failed", old: "exit 0",
			want: []string{"could not take on its new system", "status 4", "worse.service", "switched back"}},
		"an activation that fails, with its last line open": {new: "printf 'no such user'; exit 2", old: "exit 0", want: []string{"status 2", "no such user", "switched back"}},
		"another one at work":                               {new: "if mkdir \"$0.lock\" 2>/dev/null; then echo 'Could not acquire lock'; exit 1; fi", note: "switched to its new system; no unit had to restart"},
		"no way back":                                       {new: "echo first; exit 1", old: "echo second; exit 1", want: []string{"first", "second", "could not be switched back either", "nxc taint"}, not: "was switched back"},
	} {
		t.Run(name, func(t *testing.T) {
			var notes []string
			op := Operation{progress: func(p plugins.Progress) {
				if p.Note != "" {
					notes = append(notes, p.Note)
				}
			}}
			s := Switch{Name: "server", Old: fakeSystem(t, test.old), New: fakeSystem(t, test.new), Exec: func(ctx context.Context, p plugins.Process) (int, error) {
				if len(p.Command) == 3 && strings.HasPrefix(p.Command[2], "systemctl list-units") {
					_, err := fmt.Fprintln(p.Stdout, test.failed)
					return 0, err
				}
				return local(ctx, p)
			}}
			err := s.Run(t.Context(), op)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("error %v", err)
			}
			text := diagnose(err).Error()
			if err != nil {
				for _, d := range diagnose(err) {
					text += d.Summary + "\n" + d.Detail
				}
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("the error lacks %q:\n%s", want, text)
				}
			}
			if test.not != "" && strings.Contains(text, test.not) {
				t.Errorf("the error says %q:\n%s", test.not, text)
			}
			if test.note != "" && !slices.Equal(notes, []string{test.note}) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}

func TestSwitchWithoutProgram(t *testing.T) {
	s := Switch{Name: "server", New: t.TempDir(), Exec: local}
	err := s.Run(t.Context(), Operation{})
	if err == nil || !strings.Contains(diagnose(err)[0].Detail, "system.switch.enable") {
		t.Errorf("error %v", err)
	}
}
