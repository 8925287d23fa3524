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
		running, signals, stop := forwarded(ctx)
		defer stop()
		out, err := f.output(env, nodes, stop)
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
		all := &broadcast{env: env}
		go all.pass(running, signals)
		outcomes := make([]outcome, len(nodes))
		for i := range nodes {
			outcomes[i] = outcome{node: nodes[i].Label, problem: "not started", status: exitInterrupted}
		}
		each(running, len(nodes), f.nodes.parallel, func(i int) {
			hear, ok := all.listen()
			if !ok {
				return
			}
			p := plugins.Process{Command: program, Stdin: stdin(), Signals: hear}
			outcomes[i] = f.one(running, o, &nodes[i], p, out)
			out.ended(&outcomes[i])
		})
		worst := exitOK
		for i := range outcomes {
			worst = max(worst, outcomes[i].status)
		}
		if all.interrupted() || running.Err() != nil {
			worst = exitInterrupted
		}
		out.summary(outcomes, worst)
		return worst
	})
}

// one runs the program on one node.
func (f *execFlags) one(ctx context.Context, o opened, n *deploy.ChosenNode, p plugins.Process, out execOutput) (result outcome) {
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
	limited, cancel := limit(ctx, f.timeout)
	defer cancel()
	begin := time.Now()
	exit, diags := o.Exec(limited, n.RunningNode, p)
	result.duration = time.Since(begin)
	if err := end(); err != nil && !diags.HasErrors() {
		return lost("its output could not be written: " + err.Error())
	}
	switch {
	case !diags.HasErrors():
		result.exit, result.status = exit, exit
	case ctx.Err() != nil:
		result.problem, result.status = "interrupted", exitInterrupted
	case limited.Err() != nil:
		result.problem, result.status = fmt.Sprintf("ended after %s", f.timeout), exitTimeout
	default:
		return lost(inOneLine(diags))
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

func (f *execFlags) output(env *Env, nodes []deploy.ChosenNode, stop func()) (execOutput, error) {
	stdout := &sharedOutput{out: ended{env.Stdout, stop}}
	stderr := &sharedOutput{out: ended{env.Stderr, stop}}
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
	failed, to := 0, p.err
	if p.all {
		to = p.out
	}
	var b strings.Builder
	for i := range all {
		o := &all[i]
		if o.status != exitOK {
			failed++
		} else if !p.all {
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
