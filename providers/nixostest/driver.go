package nixostest

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Driver is a test's driver that runs, and with it the test's machines.
type Driver struct {
	Driver   string   `nxc:"driver,required,replace" doc:"The driver's package."`
	Machines []Member `nxc:"machine,block,replace" doc:"Machines that are started, and reached by ssh. Without any, the driver waits for who attaches."`
	Features []string `nxc:"features" doc:"What the machine that runs it must have, such as kvm."`
	ID       string   `nxc:"id,computed" doc:"The holder's name, on its command line."`
	Running  bool     `nxc:"running,computed" doc:"Whether the driver runs."`
}

// Member is one machine of a driver.
type Member struct {
	Name string `nxc:"name,required" doc:"The machine's name in the test."`
	ID   string `nxc:"id,required" doc:"The nixos-test_machine."`
}

const kindDriver = "driver"

// drivers has the verbs of nixos-test_driver.
type drivers struct{ *host }

var (
	_ sdk.Handler[Driver]   = drivers{}
	_ sdk.Updater[Driver]   = drivers{}
	_ sdk.Planner[Driver]   = drivers{}
	_ sdk.Execer[Driver]    = drivers{}
	_ sdk.Consoler[Driver]  = drivers{}
	_ sdk.Contexter[Driver] = drivers{}
)

// sessionScript keeps the machines of a driver that nobody sits at.
//
//go:embed session.py
var sessionScript string

// Plan starts a driver that has ended anew.
func (drivers) Plan(_ context.Context, _ sdk.Operation, _ *Driver, p *sdk.Planned[Driver]) error {
	p.Value.Running = true
	p.SetKnown("running")
	return nil
}

func (d drivers) Create(ctx context.Context, op sdk.Operation, want *Driver) error {
	if err := checkFeatures(want.Features); err != nil {
		return err
	}
	object := *want
	object.ID, object.Running = record.ID(op), true
	dir := d.folderOf(kindDriver, object.ID)
	if err := record.Begin(op, dir, object); err != nil {
		return err
	}
	if err := d.start(ctx, op, &object, dir); err != nil {
		return errors.Join(err, d.stop(context.WithoutCancel(ctx), object.ID), record.Remove(dir))
	}
	if err := record.Finish(dir, object); err != nil {
		return err
	}
	*want = object
	return nil
}

// Update starts a driver anew that has ended.
func (d drivers) Update(ctx context.Context, op sdk.Operation, have Driver, want *Driver) error {
	want.ID, want.Running = have.ID, true
	if d.runs(ctx, have.ID) {
		return nil
	}
	if err := d.stop(ctx, have.ID); err != nil {
		return err
	}
	return d.start(ctx, op, want, d.folderOf(kindDriver, have.ID))
}

func (d drivers) Read(ctx context.Context, op sdk.Operation, have *Driver) (bool, error) {
	dir := d.folderOf(kindDriver, have.ID)
	kept, err := record.Read[Driver](dir)
	if errors.Is(err, fs.ErrNotExist) {
		have.Running = false
		return len(holders(have.ID)) > 0 || len(marked(have.ID)) > 0, nil
	}
	if err != nil {
		return false, err
	}
	if op.UUID != "" && kept.UUID != op.UUID {
		return false, fmt.Errorf("%s belongs to another deployment (%s)", dir, kept.UUID)
	}
	have.Running = d.runs(ctx, have.ID)
	return true, nil
}

func (d drivers) Delete(ctx context.Context, op sdk.Operation, have *Driver) error {
	op.Phase("stopping the machines")
	if err := d.stop(ctx, have.ID); err != nil {
		return err
	}
	return record.Remove(d.folderOf(kindDriver, have.ID))
}

func (d drivers) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Driver], error) {
	return record.Find[Driver](d.folders.State, kindDriver+"-", op.UUID)
}

// socketOf is where a holder listens: where it was started, or else where it
// would be now. Another command may have another folder for sockets.
func (h *host) socketOf(id string) string {
	text, err := os.ReadFile(filepath.Join(h.folderOf(kindDriver, id), holderFile))
	var what holding
	if err == nil && json.Unmarshal(text, &what) == nil && what.Socket != "" {
		return what.Socket
	}
	return filepath.Join(h.folders.Runtime, "t"+id)
}

// runs reports whether a holder answers, and says that it is the one.
func (h *host) runs(ctx context.Context, id string) bool {
	conn, _, err := ask(ctx, h.socketOf(id), id, request{Do: "who"})
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// start starts a holder, and waits for what it holds.
func (d drivers) start(ctx context.Context, op sdk.Operation, want *Driver, dir string) error {
	program := filepath.Join(want.Driver, "bin", "nixos-test-driver")
	if !isThere(d.store().Place(program)) {
		return sdk.AttributeError("driver", "There is no test driver", program+" does not exist. Was it collected as garbage? nxc apply builds it again.")
	}
	socket := filepath.Join(d.folders.Runtime, "t"+want.ID)
	what := holding{
		ID: want.ID, Command: []string{program, "--interactive"}, Folder: dir,
		Scratch: socket + ".d", Socket: socket,
	}
	if err := makeScratch(what.Scratch); err != nil {
		return err
	}
	os.Remove(what.Socket)
	if len(want.Machines) > 0 {
		script, err := d.writeSession(op, want, dir, what.Scratch)
		if err != nil {
			return err
		}
		what.Session = filepath.Join(dir, planFile)
		if what.Command, err = d.sessionCommand(program, script, dir); err != nil {
			return err
		}
	}
	var err error
	if what.Command, err = d.inStore(want.Driver, what.Command); err != nil {
		return err
	}
	text, err := json.Marshal(what)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, holderFile), text, 0o600)
	}
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "holder.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := sdk.Program(holderProgram, want.ID, dir)
	if err != nil {
		return err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	op.Phase("starting the driver")
	if err := sdk.Detach(cmd); err != nil {
		return err
	}
	if err := d.await(ctx, op, want, dir); err != nil {
		return err
	}
	for _, member := range want.Machines {
		op.Phase("waiting for ssh on " + member.Name)
		if err := machines(d).awaitSSH(ctx, op, member.ID); err != nil {
			return err
		}
	}
	return nil
}

// await waits until a holder answers, and its session is ready.
func (d drivers) await(ctx context.Context, op sdk.Operation, want *Driver, dir string) error {
	started := false
	for deadline := time.Now().Add(20 * time.Second); ; {
		runs := d.runs(ctx, want.ID)
		switch {
		case runs && (len(want.Machines) == 0 || isThere(filepath.Join(dir, readyFile))):
			return nil
		case runs && !started:
			started = true
			op.Phase("waiting for the machines")
		case !runs && (started || time.Now().After(deadline)):
			return sdk.Error("The test driver ended", d.lastWords(dir))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// lastWords is what a driver said before it ended.
func (h *host) lastWords(dir string) string {
	var said []string
	for _, name := range []string{terminalFile, "holder.log"} {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		lines := strings.Split(strings.TrimSpace(plain(strings.ReplaceAll(string(text), "\r", ""))), "\n")
		said = append(said, lines[max(0, len(lines)-tailLines):]...)
	}
	return strings.TrimSpace(strings.Join(said, "\n"))
}

// makeScratch makes a folder among the sockets, which keeps theirs from being
// removed. Until then the last driver to be stopped may remove that.
func makeScratch(folder string) error {
	err := os.MkdirAll(folder, 0o700)
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < 100; tries++ {
		err = os.MkdirAll(folder, 0o700)
	}
	return err
}

// stop ends a holder and all that it started.
func (h *host) stop(ctx context.Context, id string) error {
	if conn, _, err := ask(ctx, h.socketOf(id), id, request{Do: "stop"}); err == nil {
		conn.Close()
	}
	for deadline := time.Now().Add(15 * time.Second); len(holders(id)) > 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	for _, pid := range holders(id) {
		kill(pid)
	}
	terminate(id)
	if left := append(holders(id), marked(id)...); len(left) > 0 {
		return fmt.Errorf("processes %v of the test's driver do not end", left)
	}
	os.Remove(h.socketOf(id))
	err := os.RemoveAll(h.socketOf(id) + ".d")
	os.Remove(h.folders.Runtime) // one in use stays
	return err
}

// Exec gives the caller the driver's terminal: a session runs there already, and
// no other program can.
func (d drivers) Exec(ctx context.Context, op sdk.Operation, have *Driver, p plugins.Process) (int, error) {
	if p.TTY == nil && len(p.Command) > 0 {
		return 0, sdk.Error("A test driver takes no commands", "It has a session, in Python: nxc driver gives it to you, in a terminal.")
	}
	return 0, d.attach(ctx, have, p)
}

// Console shows what the session said.
func (d drivers) Console(ctx context.Context, _ sdk.Operation, have *Driver, c plugins.Console) error {
	if c.Input != nil {
		return sdk.Error("A test driver has no console to type on", "nxc driver gives you its session.")
	}
	return tail(ctx, filepath.Join(d.folderOf(kindDriver, have.ID), terminalFile), c)
}

// SetContext has nothing to bring: the machines of a session know each other by
// the test framework.
func (drivers) SetContext(context.Context, sdk.Operation, *Driver, plugins.Context) error { return nil }
