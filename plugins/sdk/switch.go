package sdk

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// What a flavour block's update says of a role's nodes; see plugins.Role.Switch.
const (
	UpdateReplace = "replace" // another system makes another node
	UpdateSwitch  = "switch"  // a running node takes on another system
)

// Switch is a running node that is to take on another NixOS system, and the
// hands by which that is done. A provider offers it in three places: its
// flavour Switches, the Plan of its node type asks for no replacement where
// only the system differs, and its Update calls Run.
type Switch struct {
	Name     string // the node's
	Old, New string // store paths of systems
	Exec     func(ctx context.Context, p plugins.Process) (exit int, err error)
	Store    NixStore // this machine's, from which Copy takes
	// Copy brings files to a node that does not see this machine's store. Nil:
	// it sees what is built here.
	Copy func(ctx context.Context, c plugins.Copy) error
}

// Run has the node take on its new system by the system's own
// switch-to-configuration, and notes which units that concerned. When it fails,
// the node is switched back, and the error says what was printed.
func (s Switch) Run(ctx context.Context, op Operation) error {
	if s.Copy != nil {
		if err := s.bring(ctx, op); err != nil {
			return err
		}
	}
	program := s.New + "/bin/switch-to-configuration"
	if exit, err := s.Exec(ctx, plugins.Process{Command: []string{"test", "-x", program}}); err != nil || exit != 0 {
		if err != nil {
			return err
		}
		return Error(fmt.Sprintf("%s cannot take on another system while it runs", s.Name),
			fmt.Sprintf("Its system has no %s: NixOS leaves it out with system.switch.enable = false. Set update = %q.", program, UpdateReplace))
	}
	before, err := s.shell(ctx, "systemctl list-units --state=failed --plain --no-legend --no-pager || :", nil)
	if err != nil {
		return fmt.Errorf("ask %s for its units: %w", s.Name, err)
	}
	op.Phase("switching to its new system")
	out := &switchOutput{op: op}
	exit, err := s.test(ctx, s.New, out)
	switch {
	case err != nil:
		return fmt.Errorf("switch %s to its new system: %w", s.Name, err)
	case exit == 0:
		op.Note(out.summary())
		return nil
	case exit == unitsFailed && out.failedBefore(before):
		op.Note(out.summary() + "; failed as before: " + strings.Join(out.failed(), ", "))
		return nil
	}
	return s.back(ctx, op, exit, out)
}

// unitsFailed is the status of a switch-to-configuration that did everything,
// whereupon units failed.
const unitsFailed = 4

// test runs a system's program. A node does one such thing at a time: what a
// command that was killed began goes on there, and is waited for.
func (s Switch) test(ctx context.Context, system string, out *switchOutput) (int, error) {
	for {
		exit, err := s.Exec(ctx, plugins.Process{Command: []string{system + "/bin/switch-to-configuration", "test"}, Stdout: out, Stderr: out})
		if err != nil || exit == 0 || !out.busy() {
			return exit, err
		}
		out.op.Phase("waiting for a switch that is under way on the node")
		out.lines, out.rest = nil, nil
		select {
		case <-ctx.Done():
			return exit, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// back gives a node its former system, and says why.
func (s Switch) back(ctx context.Context, op Operation, exit int, failed *switchOutput) error {
	summary := fmt.Sprintf("%s could not take on its new system", s.Name)
	detail := fmt.Sprintf("switch-to-configuration ended with status %d:\n%s\n", exit, failed.tail())
	op.Phase("switching back to its former system")
	out := &switchOutput{op: op}
	exit, err := s.test(ctx, s.Old, out)
	switch {
	case err != nil:
		detail += fmt.Sprintf("Whether it has its former system again is not known: %v.", err)
	case exit != 0:
		detail += fmt.Sprintf("It could not be switched back either (status %d):\n%s\nIt runs what it could of both: correct the composition and apply again, or have another node made with nxc taint.", exit, out.tail())
	default:
		detail += "It was switched back, and runs its former system."
	}
	return Error(summary, detail)
}

// incoming is where store paths arrive on a node. They are moved to their place
// when they are whole, so that an interrupted copy leaves none that is not.
const incoming = "/nix/store/.nxc-incoming"

// bring copies the store paths to the node that it does not have.
func (s Switch) bring(ctx context.Context, op Operation) error {
	op.Phase("finding what its new system needs")
	all, err := s.Store.Requisites(ctx, s.New)
	if err != nil {
		return err
	}
	const lacking = `rm -rf ` + incoming + `; while read -r p; do test -e "$p" || test -L "$p" || echo "$p"; done`
	list, err := s.shell(ctx, lacking, strings.NewReader(strings.Join(all, "\n")+"\n"))
	if err != nil {
		return fmt.Errorf("ask %s for its store paths: %w", s.Name, err)
	}
	paths := strings.Fields(list)
	if len(paths) == 0 {
		return nil
	}
	for _, p := range paths {
		if !slices.Contains(all, p) {
			return fmt.Errorf("ask %s for its store paths: it answers %q", s.Name, p)
		}
	}
	packed, pack := io.Pipe()
	go func() { pack.CloseWithError(s.packIncoming(pack, paths)) }()
	defer packed.Close()
	size := s.sizeOf(ctx, paths)
	counted := &countedReader{in: packed, tell: func(n int64) {
		op.Report(plugins.Progress{Phase: fmt.Sprintf("copying %d store paths", len(paths)), Done: n, Expected: max(n, size), Unit: "bytes"})
	}}
	if err := s.Copy(ctx, plugins.Copy{Path: path.Dir(incoming), In: counted}); err != nil {
		return fmt.Errorf("copy store paths to %s: %w", s.Name, err)
	}
	const place = `cd ` + incoming + ` && for p in *; do if test -e "../$p" || test -L "../$p"; then rm -rf "$p"; else mv "$p" ..; fi || exit; done; cd .. && rm -rf ` + incoming
	if _, err := s.shell(ctx, place, nil); err != nil {
		return fmt.Errorf("put store paths of %s in their place: %w", s.Name, err)
	}
	return nil
}

// shell runs a script on the node and returns what it printed.
func (s Switch) shell(ctx context.Context, script string, in io.Reader) (string, error) {
	var out, complaint bytes.Buffer
	exit, err := s.Exec(ctx, plugins.Process{Command: []string{"sh", "-c", script}, Stdin: in, Stdout: &out, Stderr: &complaint})
	if err == nil && exit != 0 {
		err = fmt.Errorf("status %d: %s", exit, strings.TrimSpace(complaint.String()))
	}
	return out.String(), err
}

func (s Switch) packIncoming(to io.Writer, paths []string) error {
	w := tar.NewWriter(to)
	folder := path.Base(incoming)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755}); err != nil {
		return err
	}
	for _, p := range paths {
		name := func(file string) string { return folder + strings.TrimPrefix(file, path.Dir(p)) }
		if err := s.Store.Pack(w, p, name, FileContent); err != nil {
			return err
		}
	}
	return w.Close()
}

// sizeOf is about how many bytes store paths have, 0 when Nix does not say.
func (s Switch) sizeOf(ctx context.Context, paths []string) int64 {
	sizes, err := s.Store.query(ctx, "--size", paths)
	if err != nil {
		return 0
	}
	var sum int64
	for _, field := range sizes {
		n, _ := strconv.ParseInt(field, 10, 64)
		sum += n
	}
	return sum
}

// countedReader tells how much of a stream was read, not too often.
type countedReader struct {
	in         io.Reader
	done, told int64
	tell       func(int64)
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.done += int64(n)
	if c.told == 0 || c.done-c.told > 4<<20 {
		c.told = max(c.done, 1)
		c.tell(c.done)
	}
	return n, err
}

// switchOutput reads what a switch-to-configuration prints: NixOS's, of every
// release, and the stand-in's say the same of units.
type switchOutput struct {
	op    Operation
	rest  []byte
	lines []string
}

func (o *switchOutput) Write(p []byte) (int, error) {
	o.rest = append(o.rest, p...)
	for {
		line, rest, whole := bytes.Cut(o.rest, []byte{'\n'})
		if !whole {
			return len(p), nil
		}
		o.rest = rest
		o.line(string(line))
	}
}

func (o *switchOutput) line(text string) {
	text = strings.TrimRight(text, "\r ")
	o.lines = append(o.lines, text)
	o.op.Log(text)
}

// busy reports whether the program found another one at work, as NixOS's and
// the stand-in's say it.
func (o *switchOutput) busy() bool {
	last := o.tail()
	last = last[strings.LastIndexByte(last, '\n')+1:]
	return strings.HasPrefix(last, "Could not acquire lock") || last == "switch-to-configuration: another one is at work on this node"
}

// tail is the end of what was printed.
func (o *switchOutput) tail() string {
	const most = 30
	if len(o.rest) > 0 {
		o.line(string(o.rest))
		o.rest = nil
	}
	return strings.TrimSpace(strings.Join(o.lines[max(0, len(o.lines)-most):], "\n"))
}

// units are those that lines with this beginning name.
func (o *switchOutput) units(beginning string) []string {
	var all []string
	for _, line := range o.lines {
		if list, ok := strings.CutPrefix(line, beginning+" "); ok {
			for name := range strings.SplitSeq(list, ",") {
				all = append(all, strings.TrimSpace(name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// failed are the units that failed after a switch.
func (o *switchOutput) failed() []string { return o.units("warning: the following units failed:") }

// failedBefore reports whether all of them had failed before it, according to a
// list of systemd's: then the switch is not to blame.
func (o *switchOutput) failedBefore(list string) bool {
	var before []string
	for line := range strings.Lines(list) {
		before = append(before, strings.Fields(line + " -")[0])
	}
	failed := o.failed()
	return len(failed) > 0 && !slices.ContainsFunc(failed, func(unit string) bool { return !slices.Contains(before, unit) })
}

// summary says in a line what became of which units.
func (o *switchOutput) summary() string {
	stopped, started := o.units("stopping the following units:"), o.units("starting the following units:")
	without := func(list, others []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(name string) bool { return slices.Contains(others, name) })
	}
	restarted := append(o.units("restarting the following units:"), without(stopped, without(stopped, started))...)
	slices.Sort(restarted)
	begun := without(append(started, o.units("the following new units were started:")...), restarted)
	slices.Sort(begun)
	parts := []string{}
	add := func(verb string, units []string) {
		if units = slices.Compact(units); len(units) > 0 {
			parts = append(parts, verb+" "+strings.Join(units, ", "))
		}
	}
	add("restarted", restarted)
	add("started", begun)
	add("stopped", without(stopped, started))
	add("reloaded", o.units("reloading the following units:"))
	add("left as they run:", o.units("NOT restarting the following changed units:"))
	if len(parts) == 0 {
		return "switched to its new system; no unit had to restart"
	}
	return "switched to its new system: " + strings.Join(parts, "; ")
}
