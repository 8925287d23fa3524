package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Boot is what a node is to boot: two items that its relay has brought, and
// what is the node's own.
type Boot struct {
	Kernel      Item   `json:"kernel"`
	Initrd      Item   `json:"initrd"`
	CommandLine string `json:"command_line"`
	Context     []byte `json:"context"` // an archive that is put behind the initrd
}

// Booted is what a node says of it.
type Booted struct {
	Jumping bool   `json:"jumping,omitempty"` // it jumps within a second
	Missing string `json:"missing,omitempty"` // an item that is not there, or is not right
	Failed  string `json:"failed,omitempty"`
}

// Load verifies what lies in a folder, puts the context behind the initrd, and
// gives both to the running kernel. A *MissingError is about an item.
func (b Boot) Load(dir string) error {
	if err := b.prepare(dir); err != nil {
		return err
	}
	err := b.load(dir)
	// The context holds keys, and the kernel has it by now.
	return errors.Join(err, os.Truncate(filepath.Join(dir, b.Initrd.Name), b.Initrd.Size))
}

// prepare verifies the items, and puts the context behind the initrd.
func (b Boot) prepare(dir string) error {
	shelf, err := openShelf(dir, []Item{b.Kernel, b.Initrd})
	if err != nil {
		return err
	}
	defer shelf.close()
	for _, name := range shelf.names {
		h := shelf.items[name]
		if h.have != h.Size {
			return &MissingError{name}
		}
		if err := shelf.verify(h); errors.Is(err, errWrong) {
			return &MissingError{name}
		} else if err != nil {
			return err
		}
	}
	// The kernel reads a second archive only at a multiple of four.
	behind := append(make([]byte, sshnode.Padding(b.Initrd.Size)), b.Context...)
	if _, err := shelf.items[b.Initrd.Name].file.WriteAt(behind, b.Initrd.Size); err != nil {
		return fmt.Errorf("put the context behind the initrd: %w", err)
	}
	return nil
}

// load gives the files to the running kernel, which takes none that somebody
// could still write to.
func (b Boot) load(dir string) error {
	kernel, err := os.Open(filepath.Join(dir, b.Kernel.Name))
	if err != nil {
		return err
	}
	defer kernel.Close()
	initrd, err := os.Open(filepath.Join(dir, b.Initrd.Name))
	if err != nil {
		return err
	}
	defer initrd.Close()
	err = unix.KexecFileLoad(int(kernel.Fd()), int(initrd.Fd()), b.CommandLine, 0)
	if errors.Is(err, unix.ENOSYS) {
		err = b.loadByProgram(dir)
	}
	if err != nil {
		return fmt.Errorf("load the kernel: %w", err)
	}
	return nil
}

// MissingError is about an item that a node does not have.
type MissingError struct{ Name string }

func (e *MissingError) Error() string { return e.Name + " is not there" }

// loadByProgram is for kernels that cannot read the files themselves.
func (b Boot) loadByProgram(dir string) error {
	program, err := exec.LookPath("kexec")
	if err != nil {
		return errors.New("this kernel has no kexec_file_load, and there is no program kexec")
	}
	out, err := exec.Command(program, "-l", filepath.Join(dir, b.Kernel.Name), "--initrd="+filepath.Join(dir, b.Initrd.Name), "--command-line="+b.CommandLine).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// jump leaves the running system for the one that was loaded. It waits until
// whoever asked has the answer.
func jump() error {
	time.Sleep(500 * time.Millisecond)
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC)
}

// ProgramName is by which name a provider offers Main as one of its programs.
const ProgramName = "agent"

// Main is the program that runs on nodes: "relay DIR", "boot DIR" or "jump".
func Main(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "relay":
		return Relay{Dir: args[1]}.Run(context.Background(), os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == "boot":
		return bootFrom(args[1], os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "jump":
		return jump()
	}
	return fmt.Errorf("it is called as relay DIR, boot DIR or jump, not as %q", args)
}

// bootFrom loads what it reads on standard input, answers, and has another
// process jump, which outlives the connection.
func bootFrom(dir string, in io.Reader, out io.Writer) error {
	answer := &lines{w: out}
	var b Boot
	if err := json.NewDecoder(in).Decode(&b); err != nil {
		return answer.write(Booted{Failed: "what to boot cannot be read: " + err.Error()})
	}
	err := b.Load(dir)
	var missing *MissingError
	switch {
	case errors.As(err, &missing):
		return answer.write(Booted{Missing: missing.Name})
	case err != nil:
		return answer.write(Booted{Failed: err.Error()})
	}
	cmd, err := sdk.Program(ProgramName, "jump")
	if err == nil {
		err = sdk.Detach(cmd)
	}
	if err != nil {
		return answer.write(Booted{Failed: err.Error()})
	}
	return answer.write(Booted{Jumping: true})
}
