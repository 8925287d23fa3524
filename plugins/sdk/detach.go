package sdk

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Detach starts a program that outlives the plugin: a machine, a switch. It
// gets its own session, so that no signal meant for nxc reaches it, and none
// of the plugin's descriptors: standard input is empty, and output goes to the
// *os.File that cmd names, or nowhere. Anything else would keep nxc waiting
// for the plugin's end.
//
// The program's end is awaited in the background as long as the plugin lives,
// so it leaves no zombie. To know it again later, use an identity of its own,
// never the process id alone.
func Detach(cmd *exec.Cmd) error {
	for _, stream := range []struct {
		name  string
		value any
	}{{"Stdin", cmd.Stdin}, {"Stdout", cmd.Stdout}, {"Stderr", cmd.Stderr}} {
		if stream.value == nil {
			continue
		}
		file, ok := stream.value.(*os.File)
		if !ok {
			return fmt.Errorf("detaching %s: %s must be a file or nil, for a pipe dies with the plugin", cmd.Path, stream.name)
		}
		if file == os.Stdin || file == os.Stdout || file == os.Stderr || file.Fd() <= 2 {
			return fmt.Errorf("detaching %s: %s is the plugin's own", cmd.Path, stream.name)
		}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Setpgid = false
	cmd.SysProcAttr.Pdeathsig = 0
	if cmd.Cancel != nil { // made with CommandContext: the operation's end is not its end
		cmd.Cancel = func() error { return os.ErrProcessDone }
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = withoutPluginVariables(cmd.Env)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("detaching %s: %w", cmd.Path, err)
	}
	go cmd.Wait()
	return nil
}

// withoutPluginVariables drops what is between nxc and the plugin only.
func withoutPluginVariables(env []string) []string {
	var kept []string
	for _, e := range env {
		if strings.HasPrefix(e, "PLUGIN_") || strings.HasPrefix(e, "NXC_PLUGIN") || strings.HasPrefix(e, "NXC_HOST_PIPE") {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// firstLine returns the first line of a file, or "".
func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
