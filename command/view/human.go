package view

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
	"github.com/nixos-compose/nxc/state"
)

// Human shows work as text. On a terminal the last line tells what is under
// way and is written over; elsewhere a line is printed when something starts
// to take long, and when it ends.
type Human struct {
	o Options
	style

	mu      sync.Mutex
	status  string // what is being done, before anything is applied
	running map[addr.Instance]*runningOp
	live    bool // the last line on the terminal is a status line
	nix     nixStatus
	tests   map[TestRun]*testTree
	done    chan struct{}
	once    sync.Once
}

type runningOp struct {
	verb    string
	name    string
	phase   string
	started time.Time
	told    time.Time
}

type nixStatus struct {
	text           string
	done, expected int
}

var _ View = (*Human)(nil)

// NewHuman returns a view for people.
func NewHuman(o Options) *Human {
	h := &Human{o: o, style: style{o.Color}, running: map[addr.Instance]*runningOp{}, tests: map[TestRun]*testTree{}, done: make(chan struct{})}
	go h.tick()
	return h
}

// tick refreshes the status line, and tells of what takes long.
func (h *Human) tick() {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-h.done:
			return
		case now := <-t.C:
			h.mu.Lock()
			h.refresh(now)
			h.mu.Unlock()
		}
	}
}

func (h *Human) refresh(now time.Time) {
	if h.o.Terminal {
		h.drawStatus(now)
		return
	}
	for _, r := range h.sorted() {
		if now.Sub(r.told) >= 10*time.Second {
			r.told = now
			fmt.Fprintf(h.o.Out, "%s: still %s%s [%s]\n", r.name, strings.ToLower(r.verb), phaseText(r.phase), Elapsed(now.Sub(r.started).Seconds()))
		}
	}
	h.remindOfTests(now)
}

func (h *Human) drawStatus(now time.Time) {
	text := h.status
	if h.nix.text != "" {
		text = h.nix.text
		if h.nix.expected > 0 {
			text += fmt.Sprintf(" [%d/%d]", h.nix.done, h.nix.expected)
		}
	}
	if ops := h.sorted(); len(ops) > 0 {
		var parts []string
		for _, r := range ops {
			parts = append(parts, fmt.Sprintf("%s%s %s", r.name, phaseText(r.phase), Elapsed(now.Sub(r.started).Seconds())))
		}
		text = strings.Join(parts, " | ")
	}
	if testing := h.testStatus(now); testing != "" {
		text = testing
	}
	h.clear()
	if text == "" {
		return
	}
	if w := h.o.Width; w > 4 {
		text = cut(text, w-2)
	}
	fmt.Fprint(h.o.Out, h.dim(text))
	h.live = true
}

func (h *Human) clear() {
	if h.live {
		fmt.Fprint(h.o.Out, "\r\x1b[K")
		h.live = false
	}
}

func (h *Human) sorted() []*runningOp {
	ops := make([]*runningOp, 0, len(h.running))
	for _, r := range h.running {
		ops = append(ops, r)
	}
	slices.SortFunc(ops, func(a, b *runningOp) int {
		if c := a.started.Compare(b.started); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return ops
}

func phaseText(phase string) string {
	if phase == "" {
		return ""
	}
	return " (" + phase + ")"
}

// print writes whole lines above the status line.
func (h *Human) print(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	fmt.Fprintf(h.o.Out, format, args...)
}

// Step says what is being done now.
func (h *Human) Step(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status, h.nix = text, nixStatus{}
}

// Waits shows what a provider waits for: in a terminal as the step that it is,
// elsewhere as a line, so that a log explains its pauses.
func (h *Human) Waits(text string) {
	h.Step(text)
	if !h.o.Terminal {
		h.print("%s\n", text)
	}
}

// Nix shows what Nix does.
func (h *Human) Nix(d addr.Deployment, e nix.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, build := nixText(e)
	if text != "" {
		h.nix.text = text
		if !h.o.Terminal && build {
			fmt.Fprintf(h.o.Out, "nix: %s\n", text)
		}
	}
	if e.Expected > 0 {
		h.nix.done, h.nix.expected = e.Done, e.Expected
	}
}

// Warn shows warnings at once.
func (h *Human) Warn(diags hcl.Diagnostics) { h.Diagnostics(diags) }

// Started says that an operation began.
func (h *Human) Started(op apply.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.status, h.nix = "", nixStatus{}
	h.running[op.Change.Addr] = &runningOp{verb: verb(op), name: display(op.Change), started: now, told: now}
}

// Progress keeps the operation's phase.
func (h *Human) Progress(op apply.Operation, p apply.Progress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.running[op.Change.Addr]
	if r == nil {
		return
	}
	if p.Phase != "" {
		r.phase = p.Phase
	}
	if p.Expected > 0 {
		r.phase = fmt.Sprintf("%s %d/%d %s", p.Phase, p.Done, p.Expected, p.Unit)
	}
	for _, line := range []string{p.Note, h.verbose(p.Log)} {
		if line != "" {
			h.clear()
			fmt.Fprintf(h.o.Out, "%s: %s\n", r.name, line)
		}
	}
}

// verbose is a line that only those hear who asked for everything.
func (h *Human) verbose(line string) string {
	if h.o.Verbose {
		return line
	}
	return ""
}

// Done says how an operation ended.
func (h *Human) Done(op apply.Operation, elapsed time.Duration, found []plan.Problem) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, op.Change.Addr)
	h.clear()
	took := h.dim("[" + Elapsed(elapsed.Seconds()) + "]")
	for i := range found {
		if !found[i].Warning {
			fmt.Fprintf(h.o.Out, "%s: %s %s\n", display(op.Change), h.red("failed: "+found[i].Summary), took)
			return
		}
	}
	fmt.Fprintf(h.o.Out, "%s: %s %s\n", display(op.Change), past(op), took)
}

// Skipped says that a change was left out because of another's failure.
func (h *Human) Skipped(c *plan.Change, because addr.Instance) {
	h.print("%s\n", skipText(c, because))
}

func skipText(c *plan.Change, because addr.Instance) string {
	if because == (addr.Instance{}) {
		return display(c) + ": left out, because the work was stopped"
	}
	return fmt.Sprintf("%s: left out, because %s failed", display(c), because)
}

// Diagnostics shows errors and warnings.
func (h *Human) Diagnostics(diags hcl.Diagnostics) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	var files map[string]*hcl.File
	if h.o.Files != nil {
		files = h.o.Files()
	}
	for _, d := range diags {
		writeDiagnostic(h.o.Err, h.style, d, files, h.o.Width)
	}
}

// Plan shows what would change.
func (h *Human) Plan(p *deploy.Planned) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	h.status, h.nix = "", nixStatus{}
	for _, n := range p.Notices {
		fmt.Fprintln(h.o.Out, n)
	}
	w := planWriter{w: h.o.Out, style: h.style, verbose: h.o.Verbose, p: p}
	w.write()
}

// Applied shows what was done.
func (h *Human) Applied(a *deploy.Applied) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	h.status, h.nix = "", nixStatus{}
	word := "Apply complete."
	if a.Destroy {
		word = "Destroy complete."
	}
	switch {
	case a.GaveUp:
		word = h.yellow("Interrupted.") + " What was under way was given up; the next command finds out what became of it."
	case a.Unsaved != nil:
		word = h.red("The state is not saved.") + " " + kept(a.Unsaved)
	case a.Interrupted:
		word = h.yellow("Interrupted.") + " What was running was finished and saved; the same command goes on from here."
	case a.Failed:
		word = h.red("Not everything succeeded.") + " What was done is saved; the same command goes on from here."
	default:
		word = h.green(word)
	}
	fmt.Fprintf(h.o.Out, "\n%s %s\n", h.bold(word), counts(a))
	if len(a.Outputs) == 0 {
		return
	}
	fmt.Fprintf(h.o.Out, "\n%s\n", h.bold("Outputs:"))
	for _, o := range a.Outputs {
		name := o.Name
		if a.Several() && !o.Deployment.IsTop() {
			name += " (" + o.Deployment.String() + ")"
		}
		fmt.Fprintf(h.o.Out, "  %s = %s\n", name, outputText(o.After, o.Sensitive))
	}
}

// kept says where what was done stands, when the state file does not say it.
func kept(e *state.SaveError) string {
	switch {
	case e.Emergency != "":
		return "What was done is in " + e.Emergency + ", which belongs in the place of " + e.Path + "."
	case e.Journal != "":
		return "What was done is in the journal " + e.Journal + ", and the next command takes it in."
	default:
		return "What was done is printed below: save it as " + e.Path + "."
	}
}

func counts(a *deploy.Applied) string {
	return fmt.Sprintf("%d created, %d replaced, %d changed, %d destroyed.", a.Created, a.Replaced, a.Changed, a.Destroyed)
}

// Note says one line.
func (h *Human) Note(text string) { h.print("%s\n", text) }

// Flush ends the status line.
func (h *Human) Flush() {
	h.once.Do(func() { close(h.done) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
}

func nixText(e nix.Event) (text string, worthALine bool) {
	switch e.Kind {
	case nix.EventEvaluating:
		return "Evaluating " + e.Name, false
	case nix.EventBuilding:
		return "building " + e.Name, true
	case nix.EventSubstituting, nix.EventDownloading:
		return "fetching " + e.Name, true
	case nix.EventCopying:
		if e.Name == "" {
			return "copying " + e.Text, true
		}
		return "copying " + e.Name, false
	case nix.EventPreparing, nix.EventWaiting, nix.EventWarning:
		return e.Text, true
	}
	return "", false
}

// display names a change for people: nodes by their name.
func display(c *plan.Change) string {
	if key, ok := c.Addr.Key.Text(); ok && !c.Addr.Deployment.IsTop() {
		return c.Addr.Deployment.String() + "/" + key
	}
	return c.Addr.String()
}

func verb(op apply.Operation) string {
	switch op.Step {
	case apply.Create:
		return "Creating"
	case apply.Update:
		return "Changing"
	case apply.Read:
		return "Reading"
	default:
		return "Destroying"
	}
}

func past(op apply.Operation) string {
	switch op.Step {
	case apply.Create:
		return "created"
	case apply.Update:
		return "changed"
	case apply.Read:
		return "read"
	default:
		return "destroyed"
	}
}
