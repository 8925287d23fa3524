package driver

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// local is a node whose programs run here.
type local struct {
	name string
	less bool // it has no hands
	exec func(ctx context.Context, p plugins.Process) (int, error)
}

var _ Node = local{}

func (l local) Name() string                                     { return l.name }
func (l local) Offers(h plugins.Hand) bool                       { return !l.less && h != plugins.HandMonitor }
func (l local) Put(context.Context, string, string) error        { return nil }
func (l local) Get(context.Context, string, string) error        { return nil }
func (l local) Power(context.Context, plugins.PowerAction) error { return nil }
func (l local) Monitor(context.Context, string) (string, error)  { return "", nil }
func (l local) Link(context.Context, plugins.Link) error         { return nil }

// Console has said something before, and says no more.
func (l local) Console(ctx context.Context, c plugins.Console) error {
	_, err := io.WriteString(c.Output, "booted\r\nready\r\n")
	if c.Follow {
		<-ctx.Done()
	}
	return err
}

func (l local) Exec(ctx context.Context, p plugins.Process) (int, error) {
	if l.exec != nil {
		return l.exec(ctx, p)
	}
	cmd := exec.CommandContext(ctx, p.Command[0], p.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Stdin, p.Stdout, p.Stderr
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), nil
	}
	return 0, err
}
