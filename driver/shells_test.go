package driver

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestShells types into a session with each of the shells that it can be, where
// the user's Python has it: a call, the script, Ctrl-C in a wait, and the end.
func TestShells(t *testing.T) {
	tests := map[string]struct{ module, interrupt string }{
		"plain":    {"code", "KeyboardInterrupt"},
		"ptpython": {"ptpython.repl", "KeyboardInterrupt"},
		"ipython":  {"IPython.terminal.embed", "KeyboardInterrupt"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := python(t)
			// What the distribution's packages bring is its own python3's, which
			// need not be the first in PATH.
			has := func(program string) bool {
				return exec.CommandContext(t.Context(), program, "-c", "import "+tt.module).Run() == nil
			}
			if !has(p.Program) {
				p.Program = "/usr/bin/python3"
			}
			if !has(p.Program) {
				t.Skipf("no python3 has %s", tt.module)
			}
			lines := filepath.Join(t.TempDir(), "lines.txt")
			typed := "see Ctrl-D the session\nwait\n" +
				"type here.succeed(\"echo said $((6 * 7))\")\nsee said 42\nwait\n" +
				"type test_script()\nsee it ran here\nsee the test passed\nwait\n" +
				"type here.wait_for_file(\"/never\")\nsee waiting for file\nwait\npress 3\nsee " + tt.interrupt + "\nwait\n" +
				"type here.succeed(\"echo still $((40 + 2))\")\nsee still 42\nwait\npress 4\nend 0\n"
			if err := os.WriteFile(lines, []byte(typed), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			cmd := exec.CommandContext(ctx, p.Program, "testdata/type.py", lines,
				p.Program, "testdata/session.py", p.Driver, filepath.Join(t.TempDir(), "history"))
			home := t.TempDir()
			cmd.Env = append(os.Environ(), "NXC_DRIVER_SHELL="+name, "TERM=xterm", "NO_COLOR=1", "HOME="+home, "IPYTHONDIR="+home,
				"XDG_CONFIG_HOME="+home, "PROMPT_TOOLKIT_NO_CPR=1", "PYTHONDONTWRITEBYTECODE=1")
			cmd.WaitDelay = time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%q", err, out)
			}
		})
	}
}
