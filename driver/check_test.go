package driver

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		script string
		want   []string // "LINE SUMMARY"; a detail may follow after ": "
	}{
		"fine":            {"start_all()\nfor m in machines:\n  m.succeed('true')\nserver1.succeed('x')\nclient.succeed('x')\n", nil},
		"syntax":          {"x = 1\ny = (\n", []string{"2 The test script has a syntax error"}},
		"indentation":     {"if True:\nx = 1\n", []string{"2 The test script has a syntax error"}},
		"null byte":       {"x = '\x00'\n", []string{"? The test script "}},
		"machine":         {"server.succeed('true')\nsever.succeed('true')\nsever.fail('x')\n", []string{`2 The test script knows no "sever"`}},
		"method":          {"server.wait_for_untt('x')\n", []string{`1 A machine has no "wait_for_untt"`}},
		"in a function":   {"def f():\n  return clinet\n", []string{`2 The test script knows no "clinet"`}},
		"own names":       {"import json as j\nfrom os import path\nclass A: pass\ndef f(a, *b, c=1, **d): return a, b, c, d, A, j, path\nx = [y for y in range(3)]\ntry: pass\nexcept OSError as e: print(e)\nwith subtest('a') as s: s\nlambda q: q\n", nil},
		"rebound machine": {"server = 3\nserver.bit_length()\n", nil},
		"star import":     {"from os.path import *\njoin('a')\n", nil},
		"made names":      {"globals()['made'] = 1\nmade\n", nil},
		"builtins":        {"print(len(__file__), __name__)\n", nil},
	}
	o := Options{Python: python(t), Environ: os.Environ(), Flavour: "here"}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Script = Script{Text: tt.script, File: "script.py"}
			problems, err := Check(t.Context(), o, []string{"server", "client1"})
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != len(tt.want) {
				t.Fatalf("got %+v, want %q", problems, tt.want)
			}
			for i, p := range problems {
				line, summary, _ := strings.Cut(tt.want[i], " ")
				if !strings.HasPrefix(p.Summary, summary) || line != "?" && line != string(rune('0'+p.Line)) {
					t.Errorf("got %+v, want %q", p, tt.want[i])
				}
			}
		})
	}
}

// TestTooOld says so of a Python that cannot read the driver.
func TestTooOld(t *testing.T) {
	dir := t.TempDir()
	old := dir + "/python3"
	// What an old interpreter does with the driver's first lines, by a new one.
	wrapper := "#!/bin/sh\nshift\nexec " + python(t).Program + ` -c 'import runpy, sys; sys.version_info = (3, 6, 15); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])' "$@"` + "\n"
	if err := os.WriteFile(old, []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	o := Options{Python: Python{Program: old, Driver: python(t).Driver + "/__main__.py"}, Environ: os.Environ(), Script: Script{Text: "x = 1"}}
	_, err := Check(t.Context(), o, nil)
	if err == nil || !strings.Contains(err.Error(), "Python 3.6, and tests need 3.8 or newer") {
		t.Errorf("got %v", err)
	}
}

// ask runs a line of Python beside the driver.
func ask(t *testing.T, code string) string {
	t.Helper()
	cmd := exec.Command(python(t).Program, "-c", code)
	cmd.Dir, cmd.Env = "python", append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestOldestPython keeps the driver readable for the oldest Python that is
// promised.
func TestOldestPython(t *testing.T) {
	ask(t, `
import ast, glob
for name in glob.glob("**/*.py", recursive=True):
    ast.parse(open(name).read(), name, feature_version=(3, 8))
`)
}

// TestTable keeps the website's table of methods equal to what there is, and
// each cell to a test that ran, or a reason.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("../website/content/language/testscript/methods.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Tests   map[string]string // by flavour, the script that runs testdata/api.py there
		Methods []struct {
			Name, Of string
			Flavours map[string]string
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	ranIn := func(script, what string) {
		t.Helper()
		files, _ := filepath.Glob("../testdata/*/" + script + ".txtar") // its one error is of patterns
		for _, file := range files {
			if said, err := os.ReadFile(file); err == nil && strings.Contains(string(said), what) {
				return
			}
		}
		t.Errorf("the table says that %s is tried in %s, which does not", what, script)
	}
	for flavour, script := range table.Tests {
		ranIn(script, "api.py")
		ranIn(script, flavour)
	}
	var listed []string
	for _, r := range table.Methods {
		listed = append(listed, r.Of+"."+r.Name)
		for flavour := range table.Tests {
			cell := r.Flavours[flavour]
			kind, what, _ := strings.Cut(cell, ": ")
			switch {
			case cell == "yes":
			case kind == "session" && what != "":
				ranIn(what, r.Name)
			case (kind == "no" || kind == "untried") && what != "":
			default:
				t.Errorf("%s on %s: %q is neither yes, nor session, no or untried with the test or the reason", r.Name, flavour, cell)
			}
		}
	}
	slices.Sort(listed)
	have := strings.Split(ask(t, `
from nxc_driver import Driver, Machine
for name, kind in (("driver", Driver), ("machine", Machine)):
    for method in sorted(m for m in dir(kind) if not m.startswith("_") and callable(getattr(kind, m))):
        print(name + "." + method)
`), "\n")
	slices.Sort(have)
	if !slices.Equal(listed, have) {
		t.Errorf("the table has %q\nthe driver has %q", listed, have)
	}
}

// TestWanted has all names that issue and NixOS promise.
func TestWanted(t *testing.T) {
	ask(t, `
import inspect
from nxc_driver import Machine
from nxc_driver.script import symbols_of_driver

symbols = "start_all join_all subtest retry log machines driver run_tests serial_stdout_on serial_stdout_off polling_condition t"
methods = """start shutdown crash reboot wait_for_unit wait_until_unit_stops require_unit_state get_unit_info
systemctl execute succeed fail wait_until_succeeds wait_until_fails wait_for_file wait_for_open_port
wait_for_closed_port wait_for_open_unix_socket wait_for_console_text copy_from_host copy_from_host_via_shell
copy_from_vm copy_from_machine block unblock forward_port shell_interact console_interact get_tty_text
wait_until_tty_matches send_chars send_key send_monitor_command screenshot wait_for_x wait_for_window
wait_for_text sleep is_up wait_for_shutdown"""
missing = set(symbols.split()) - set(symbols_of_driver()) | {m for m in methods.split() if not hasattr(Machine, m)}
assert not missing, missing
arguments = {
    "execute": "(command, check_return=True, check_output=True, timeout=900)",
    "succeed": "(*commands, timeout=None)",
    "wait_until_succeeds": "(command, timeout=900)",
    "wait_for_unit": "(unit, user=None, timeout=900)",
    "wait_for_open_port": "(port, addr='localhost', timeout=900)",
    "wait_for_open_unix_socket": "(addr, is_datagram=False, timeout=900)",
    "wait_for_console_text": "(regex, timeout=None)",
    "wait_until_tty_matches": "(tty, regexp, timeout=900)",
    "copy_from_machine": "(source, target_dir='')",
    "forward_port": "(host_port=8080, guest_port=80)",
    "send_key": "(key, delay=0.01, log=True)",
    "send_chars": "(chars, delay=0.01)",
    "start": "(allow_reboot=False)",
    "require_unit_state": "(unit, require_state='active')",
}
for name, want in arguments.items():
    signature = inspect.signature(getattr(Machine, name))
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in list(signature.parameters.values())[1:]]
    got = str(inspect.Signature(plain))
    assert got == want, (name, got)
`)
}
