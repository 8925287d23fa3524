package sdk

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// programVariable says which of the provider's programs the process is, and
// where in os.Args the program's own arguments begin.
const programVariable = "NXC_PROGRAM"

// Program returns a command that starts this very program again as one of its
// Provider.Programs. It is given to Detach, for what must outlive the plugin
// and is no program of its own: a switch, a watcher. The arguments stand on
// the process's command line, by which it can be recognised.
func Program(name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the plugin's own program: %w", err)
	}
	cmd := exec.Command(self, append(os.Args[1:len(os.Args):len(os.Args)], args...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), programVariable+"="+name+"@"+strconv.Itoa(len(os.Args)))
	return cmd, nil
}

// IsProgram reports whether the process was started with Program, so that it
// is to call Serve whatever its arguments say.
func IsProgram() bool { return os.Getenv(programVariable) != "" }

// runProgram runs the program that the process was started as, and exits; it
// returns when the process is the plugin itself.
func runProgram(p Provider) {
	value := os.Getenv(programVariable)
	if value == "" {
		return
	}
	os.Unsetenv(programVariable)
	name, at, _ := strings.Cut(value, "@")
	first, err := strconv.Atoi(at)
	run := p.Programs[name]
	if err != nil || first < 1 || first > len(os.Args) || run == nil {
		fmt.Fprintf(os.Stderr, "provider %s: it has no program %q\n", p.Name, value)
		os.Exit(1)
	}
	if err := run(os.Args[first:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}
