package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

// notStarted is the problem of nodes that an interruption left out.
const notStarted = "not started"

// outcome is how a program ended on one node.
type outcome struct {
	node     string
	exit     int    // its own status, when it ended by itself
	problem  string // why it did not
	status   int    // what counts for ours
	duration time.Duration
}

// String says it in a few words.
func (o *outcome) String() string {
	if o.problem != "" {
		return o.problem
	}
	return fmt.Sprintf("exit status %d", o.exit)
}

// many runs a program on each of the chosen nodes.
func (f *execFlags) many(ctx context.Context, env *Env, choice deploy.Choice, program []string) int {
	f.projectFlags.all = true
	return f.open(ctx, env, "exec", func(o opened) int {
		nodes, diags := o.ChooseNodes(ctx, choice)
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		o.view.Flush()
		w := watch(ctx, env, "The programs were told to end, and nxc waits for them. Again to kill them.")
		defer w.stop()
		out, err := f.output(env, nodes, w)
		if err != nil {
			return o.fail("The output has no place", err)
		}
		stdin := func() io.Reader { return nil }
		switch {
		case !choice.IsMany():
			stdin = func() io.Reader { return env.Stdin }
		case f.stdin:
			kept, err := newSpool(env.Stdin)
			if err != nil {
				return o.fail("The input cannot be given to several nodes", err)
			}
			defer kept.close()
			stdin = kept.reader
		}
		outcomes := make([]outcome, len(nodes))
		for i := range nodes {
			outcomes[i] = outcome{node: nodes[i].Label, problem: notStarted, status: exitInterrupted}
		}
		each(w.starting, len(nodes), f.nodes.parallel, func(i int) {
			outcomes[i] = f.one(w, o, &nodes[i], plugins.Process{Command: program, Stdin: stdin()}, out)
			out.ended(&outcomes[i])
		})
		worst := exitOK
		for i := range outcomes {
			worst = max(worst, outcomes[i].status)
		}
		if w.starting.Err() != nil {
			worst = exitInterrupted
		}
		out.summary(outcomes, worst)
		return worst
	})
}

// one runs the program on one node.
func (f *execFlags) one(w *watcher, o opened, n *deploy.ChosenNode, p plugins.Process, out execOutput) (result outcome) {
	result.node = n.Label
	lost := func(problem string) outcome {
		result.problem, result.status = problem, exitLost
		return result
	}
	if n.Missing.HasErrors() {
		return lost(inOneLine(n.Missing))
	}
	stdout, stderr, end, err := out.streams(n.Label)
	if err != nil {
		return lost(err.Error())
	}
	p.Stdout, p.Stderr = stdout, stderr
	begin := time.Now()
	e := w.run(o, n.RunningNode, p, f.timeout)
	result.duration = time.Since(begin)
	err = end()
	switch {
	case e.timedOut:
		result.problem, result.status = fmt.Sprintf("ended after %s", f.timeout), exitTimeout
	case e.diags.HasErrors() && w.ctx.Err() != nil:
		result.problem, result.status = "interrupted", exitInterrupted
	case e.diags.HasErrors():
		return lost(inOneLine(e.diags))
	case err != nil:
		return lost("its output could not be written: " + err.Error())
	default:
		result.exit, result.status = e.exit, e.exit
	}
	return result
}

// execOutput is where the output of several nodes goes, and how they ended.
type execOutput interface {
	// streams returns where a node's output goes, and a function to be called
	// at its end.
	streams(node string) (stdout, stderr io.Writer, end func() error, err error)
	ended(*outcome) // may be called concurrently
	summary(all []outcome, worst int)
}

func (f *execFlags) output(env *Env, nodes []deploy.ChosenNode, w *watcher) (execOutput, error) {
	stdout := &sharedOutput{out: w.output(env.Stdout)}
	stderr := &sharedOutput{out: w.output(env.Stderr)}
	people := &peopleOutput{out: stdout, err: stderr, color: !env.NoColor, all: f.quiet || f.out != "", order: map[string]int{}}
	for i := range nodes {
		people.order[nodes[i].Label] = i
		people.width = max(people.width, len(nodes[i].Label))
	}
	var out execOutput = people
	if f.json {
		out = &jsonOutput{out: stdout}
	}
	switch {
	case f.out != "":
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return nil, err
		}
		return &filesOutput{execOutput: out, folder: f.out}, nil
	case f.quiet:
		return quietOutput{out}, nil
	}
	return out, nil
}

// peopleOutput puts the node's name before each line.
type peopleOutput struct {
	out, err io.Writer
	color    bool
	all      bool // the summary names those that ended well, too
	order    map[string]int
	width    int
}

// nodeColors tell nodes apart; red is kept for errors.
var nodeColors = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

func (p *peopleOutput) label(node string) string {
	text := fmt.Sprintf("%-*s", p.width, node)
	if p.color {
		text = "\x1b[" + nodeColors[p.order[node]%len(nodeColors)] + "m" + text + "\x1b[0m"
	}
	return text
}

func (p *peopleOutput) streams(node string) (stdout, stderr io.Writer, end func() error, err error) {
	prefix := p.label(node) + " | "
	out, complaints := prefixed(p.out, prefix, ""), prefixed(p.err, prefix, "")
	return out, complaints, func() error { return firstError(out.end(), complaints.end()) }, nil
}

func (p *peopleOutput) ended(*outcome) {}

// summary names the nodes that failed; with all, everyone. Where only failures
// are told, they go beside the output.
func (p *peopleOutput) summary(all []outcome, _ int) {
	failed, idle, to := 0, 0, p.err
	if p.all {
		to = p.out
	}
	var b strings.Builder
	for i := range all {
		o := &all[i]
		switch {
		case o.problem == notStarted:
			idle++
			continue
		case o.status != exitOK:
			failed++
		case !p.all:
			continue
		}
		fmt.Fprintf(&b, "%s   %s", p.label(o.node), o)
		if p.all && o.duration > 0 {
			fmt.Fprintf(&b, "  [%s]", view.Elapsed(o.duration.Seconds()))
		}
		b.WriteByte('\n')
	}
	if failed > 0 {
		fmt.Fprintf(&b, "%d of %d nodes failed.\n", failed, len(all))
	}
	if idle > 0 {
		fmt.Fprintf(&b, "%d of %d nodes were not started.\n", idle, len(all))
	}
	_, _ = io.WriteString(to, b.String())
}

// quietOutput drops what programs print.
type quietOutput struct{ execOutput }

func (quietOutput) streams(string) (stdout, stderr io.Writer, end func() error, err error) {
	return io.Discard, io.Discard, func() error { return nil }, nil
}

// filesOutput keeps what programs print, byte by byte.
type filesOutput struct {
	execOutput
	folder string
}

func (f *filesOutput) streams(node string) (stdout, stderr io.Writer, end func() error, err error) {
	path := filepath.Join(f.folder, filepath.FromSlash(node))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, nil, err
	}
	out, err := os.Create(path + ".stdout")
	if err != nil {
		return nil, nil, nil, err
	}
	complaints, err := os.Create(path + ".stderr")
	if err != nil {
		return nil, nil, nil, firstError(err, out.Close())
	}
	return out, complaints, func() error { return firstError(out.Close(), complaints.Close()) }, nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
