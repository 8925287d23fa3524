package nixostest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Machine is how one machine of a test is reached from outside. The machine
// itself comes and goes with the test's driver.
type Machine struct {
	Name    string `nxc:"name,required,replace" doc:"The machine's name in the test."`
	IP      string `nxc:"ip,required,replace" doc:"Its address in the test's network, where this machine is not."`
	Port    int64  `nxc:"port,computed" doc:"The port of 127.0.0.1 that leads to its ssh."`
	Address string `nxc:"address,computed" doc:"Its address in the test's network."`
	ID      string `nxc:"id,computed" doc:"Another one for each machine."`
	Running bool   `nxc:"running,computed" doc:"Whether it runs. One that was stopped is started by the next apply."`
}

const (
	kindMachine = "machine"
	contextFile = "context.json"
)

// machines has the verbs of nixos-test_machine.
type machines struct{ *host }

var (
	_ sdk.Handler[Machine]   = machines{}
	_ sdk.Updater[Machine]   = machines{}
	_ sdk.Planner[Machine]   = machines{}
	_ sdk.Execer[Machine]    = machines{}
	_ sdk.Copier[Machine]    = machines{}
	_ sdk.Powerer[Machine]   = machines{}
	_ sdk.Consoler[Machine]  = machines{}
	_ sdk.Linker[Machine]    = machines{}
	_ sdk.Monitorer[Machine] = machines{}
	_ sdk.Contexter[Machine] = machines{}
)

func (machines) Plan(_ context.Context, _ sdk.Operation, _ *Machine, p *sdk.Planned[Machine]) error {
	if !p.Unknown("ip") {
		p.Value.Address = p.Value.IP
		p.SetKnown("address")
	}
	p.Value.Running = true
	p.SetKnown("running")
	return nil
}

// Create chooses a port, and keeps the context for the driver's start.
func (m machines) Create(_ context.Context, op sdk.Operation, want *Machine) error {
	object := *want
	object.ID, object.Address, object.Running = record.ID(op), want.IP, true // with its driver
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	object.Port = int64(l.Addr().(*net.TCPAddr).Port) //nolint:errcheck // it is one
	l.Close()
	dir := m.folderOf(kindMachine, object.ID)
	if err := record.Begin(op, dir, object); err != nil {
		return err
	}
	if op.Context != nil {
		if err := saveContext(dir, *op.Context); err != nil {
			return errors.Join(err, record.Remove(dir))
		}
	}
	if err := record.Finish(dir, object); err != nil {
		return err
	}
	*want = object
	return nil
}

func (m machines) Read(ctx context.Context, op sdk.Operation, have *Machine) (bool, error) {
	dir := m.folderOf(kindMachine, have.ID)
	r, err := record.Read[Machine](dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && op.UUID != "" && r.UUID != op.UUID {
		err = fmt.Errorf("%s belongs to another deployment (%s)", dir, r.UUID)
	}
	have.Running = true // a driver that has ended starts all its machines
	if g, asked := m.ask(ctx, have, wish{Do: "runs"}); asked == nil {
		have.Running = g.Runs
	}
	return err == nil, err
}

// Update starts a machine that was stopped.
func (m machines) Update(ctx context.Context, op sdk.Operation, have Machine, want *Machine) error {
	want.ID, want.Port, want.Address, want.Running = have.ID, have.Port, want.IP, true
	return m.Power(ctx, op, want, plugins.PowerStart)
}

func (m machines) Delete(_ context.Context, _ sdk.Operation, have *Machine) error {
	return record.Remove(m.folderOf(kindMachine, have.ID))
}

func (m machines) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Machine], error) {
	return record.Find[Machine](m.folders.State, kindMachine+"-", op.UUID)
}

// SetContext brings a context to a machine, now if it runs, and at every start.
func (m machines) SetContext(ctx context.Context, op sdk.Operation, have *Machine, c plugins.Context) error {
	if err := saveContext(m.folderOf(kindMachine, have.ID), c); err != nil {
		return fmt.Errorf("keep the context of %s: %w", have.Name, err)
	}
	conn, err := net.DialTimeout("tcp", addressOf(have), time.Second)
	if err != nil {
		return nil //nolint:nilerr // it does not run, and gets it when it does
	}
	conn.Close()
	c.Files = slices.DeleteFunc(slices.Clone(c.Files), func(f plugins.ContextFile) bool { return !delivered(f) })
	files, err := sshnode.PackContext(c)
	if err != nil {
		return fmt.Errorf("pack the context of %s: %w", have.Name, err)
	}
	return m.Copy(ctx, op, have, plugins.Copy{Path: "/", In: files})
}

// saveContext keeps a context for the machine's next start.
func saveContext(dir string, c plugins.Context) error {
	return sshnode.KeepContext(filepath.Join(dir, contextFile), c)
}

func readContext(dir string) ([]plugins.ContextFile, error) {
	return sshnode.KeptContext(filepath.Join(dir, contextFile))
}
