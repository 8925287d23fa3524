package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
)

// uiVersion is that of Terraform's machine-readable UI, which JSON follows:
// https://developer.hashicorp.com/terraform/internals/machine-readable-ui.
const uiVersion = "1.2"

// JSON prints one JSON object a line, and nothing else, on stdout.
type JSON struct {
	o       Options
	mu      sync.Mutex
	encoder *json.Encoder
}

var _ View = (*JSON)(nil)

// message is the envelope of every line.
type message struct {
	Level     string `json:"@level"`
	Message   string `json:"@message"`
	Module    string `json:"@module"`
	Timestamp string `json:"@timestamp"`
	Type      string `json:"type"`

	NXC        string                `json:"nxc,omitempty"`
	UI         string                `json:"ui,omitempty"`
	Change     *changeJSON           `json:"change,omitempty"`
	Hook       *hookJSON             `json:"hook,omitempty"`
	Changes    *summaryJSON          `json:"changes,omitempty"`
	Outputs    map[string]outputJSON `json:"outputs,omitempty"`
	Diagnostic *diagnosticJSON       `json:"diagnostic,omitempty"`
	Nix        *nixJSON              `json:"nix,omitempty"`
	Built      *builtJSON            `json:"built,omitempty"`
	Test       *testJSON             `json:"test,omitempty"`
}

type resourceJSON struct {
	Addr            string `json:"addr"`
	Module          string `json:"module"`
	Resource        string `json:"resource"`
	ImpliedProvider string `json:"implied_provider"`
	Type            string `json:"resource_type"`
	Name            string `json:"resource_name"`
	Key             any    `json:"resource_key"`
	Deployment      string `json:"deployment,omitempty"`
}

type changeJSON struct {
	Resource resourceJSON `json:"resource"`
	Action   string       `json:"action"`
	Reason   string       `json:"reason,omitempty"`
	Reasons  []string     `json:"reasons,omitempty"`
	Changed  []string     `json:"changed,omitempty"`
}

type hookJSON struct {
	Resource resourceJSON `json:"resource"`
	Action   string       `json:"action"`
	Elapsed  float64      `json:"elapsed_seconds"`
	Phase    string       `json:"phase,omitempty"`
	Done     int64        `json:"done,omitempty"`
	Expected int64        `json:"expected,omitempty"`
	Unit     string       `json:"unit,omitempty"`
	Log      string       `json:"log,omitempty"`
	Note     string       `json:"note,omitempty"`
}

type summaryJSON struct {
	Add       int    `json:"add"`
	Change    int    `json:"change"`
	Import    int    `json:"import"`
	Remove    int    `json:"remove"`
	Replace   int    `json:"replace"`
	Operation string `json:"operation"`
}

type outputJSON struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Action    string          `json:"action,omitempty"`
}

type nixJSON struct {
	Deployment string `json:"deployment"`
	Kind       string `json:"kind"`
	Name       string `json:"name,omitempty"`
	Done       int    `json:"done,omitempty"`
	Expected   int    `json:"expected,omitempty"`
	Text       string `json:"text,omitempty"`
}

// NewJSON returns a view for programs. Its first line tells the versions.
func NewJSON(o Options) *JSON {
	j := &JSON{o: o, encoder: json.NewEncoder(o.Out)}
	j.encoder.SetEscapeHTML(false)
	j.emit(message{Type: "version", Message: "nxc " + o.Version, NXC: o.Version, UI: uiVersion})
	return j
}

func (j *JSON) emit(m message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if m.Level == "" {
		m.Level = "info"
	}
	m.Module = "nxc.ui"
	m.Timestamp = time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	_ = j.encoder.Encode(m) // a reader that is gone is noticed by SIGPIPE
}

// Step is for people only.
func (j *JSON) Step(string) {}

// Waits tells what a provider waits for.
func (j *JSON) Waits(text string) { j.emit(message{Type: "waiting", Message: text}) }

// Note is for people only.
func (j *JSON) Note(string) {}

// Flush does nothing: every line is whole.
func (j *JSON) Flush() {}

// Nix passes on builds and downloads.
func (j *JSON) Nix(d addr.Deployment, e nix.Event) {
	if e.Kind == nix.EventEvaluating || e.Kind == nix.EventLog || e.Name == "" && e.Text == "" && e.Expected == 0 {
		return
	}
	j.emit(message{Type: "nix_progress", Message: strings.TrimSpace(fmt.Sprintf("nix: %s %s", e.Kind, cmp.Or(e.Name, e.Text))),
		Nix: &nixJSON{d.String(), string(e.Kind), e.Name, e.Done, e.Expected, e.Text}})
}

// Warn prints diagnostics.
func (j *JSON) Warn(diags hcl.Diagnostics) { j.Diagnostics(diags) }

// Diagnostics prints one line each.
func (j *JSON) Diagnostics(diags hcl.Diagnostics) {
	var files map[string]*hcl.File
	if j.o.Files != nil {
		files = j.o.Files()
	}
	for _, d := range diags {
		level, word := "error", "Error: "
		if d.Severity == hcl.DiagWarning {
			level, word = "warn", "Warning: "
		}
		j.emit(message{Type: "diagnostic", Level: level, Message: word + d.Summary, Diagnostic: diagnosticOf(d, files)})
	}
}

// Plan prints drift, changes and their sum.
func (j *JSON) Plan(p *deploy.Planned) {
	for i := range p.Plan.Drift {
		d := &p.Plan.Drift[i]
		action := "update"
		if d.Current.IsNull() {
			action = "delete"
		}
		j.emit(message{Type: "resource_drift", Message: d.Addr.String() + ": drift detected (" + action + ")",
			Change: &changeJSON{Resource: resourceOf(d.Addr, d.Provider), Action: action}})
	}
	for i := range p.Plan.Changes {
		c := &p.Plan.Changes[i]
		if c.Action == plan.NoOp {
			continue
		}
		change := &changeJSON{Resource: resourceOf(c.Addr, c.Provider), Action: c.Action.String()}
		for _, r := range c.Reasons {
			change.Reasons = append(change.Reasons, r.Text)
		}
		if len(change.Reasons) > 0 {
			change.Reason = change.Reasons[0]
		}
		change.Changed = changedNames(c)
		j.emit(message{Type: "planned_change", Message: c.Addr.String() + ": plan to " + c.Action.String(), Change: change})
	}
	for _, d := range p.Deployments {
		for _, c := range d.Contexts {
			if n := d.Node(c.Node); n != nil {
				j.emit(message{Type: "planned_change", Message: n.Addr.String() + ": plan to update (context)",
					Change: &changeJSON{Resource: resourceOf(n.Addr, d.Provider), Action: "update", Reason: "context", Changed: []string{c.What}}})
			}
		}
	}
	t := deploy.Tally(p)
	j.emit(message{Type: "change_summary", Message: "Plan: " + Sum(p) + ".",
		Changes: &summaryJSON{Add: t.Create + t.Replace, Change: t.Update, Remove: t.Delete + t.Replace, Replace: t.Replace, Operation: "plan"}})
	j.outputs(p.Outputs, true)
}

// Started prints apply_start.
func (j *JSON) Started(op apply.Operation) {
	j.emit(message{Type: "apply_start", Message: op.Change.Addr.String() + ": " + verb(op) + "...", Hook: hookOf(op, 0)})
}

// Progress prints apply_progress.
func (j *JSON) Progress(op apply.Operation, p apply.Progress) {
	h := hookOf(op, 0)
	h.Phase, h.Done, h.Expected, h.Unit, h.Log, h.Note = p.Phase, p.Done, p.Expected, p.Unit, p.Log, p.Note
	j.emit(message{Type: "apply_progress", Message: op.Change.Addr.String() + ": " + p.Phase + p.Log + p.Note, Hook: h})
}

// Done prints apply_complete or apply_errored.
func (j *JSON) Done(op apply.Operation, elapsed time.Duration, found []plan.Problem) {
	h := hookOf(op, elapsed)
	if plan.HasErrors(found) {
		j.emit(message{Type: "apply_errored", Level: "error", Message: op.Change.Addr.String() + ": failed", Hook: h})
		return
	}
	j.emit(message{Type: "apply_complete", Message: fmt.Sprintf("%s: %s after %s", op.Change.Addr, past(op), Elapsed(elapsed.Seconds())), Hook: h})
}

// Skipped prints apply_skipped.
func (j *JSON) Skipped(c *plan.Change, because addr.Instance) {
	j.emit(message{Type: "apply_skipped", Level: "warn", Message: skipText(c, because),
		Change: &changeJSON{Resource: resourceOf(c.Addr, c.Provider), Action: c.Action.String()}})
}

// Applied prints the sum and the outputs.
func (j *JSON) Applied(a *deploy.Applied) {
	operation := "apply"
	if a.Destroy {
		operation = "destroy"
	}
	j.emit(message{Type: "change_summary", Message: operation + " complete: " + counts(a),
		Changes: &summaryJSON{Add: a.Created + a.Replaced, Change: a.Changed, Remove: a.Destroyed + a.Replaced, Replace: a.Replaced, Operation: operation}})
	j.outputs(a.Outputs, false)
}

func (j *JSON) outputs(list []deploy.OutputChange, planned bool) {
	if len(list) == 0 {
		return
	}
	m := map[string]outputJSON{}
	for _, o := range list {
		name := o.Name
		if !o.Deployment.IsTop() {
			name = o.Deployment.String() + "." + name
		}
		m[name] = outputOf(o, planned)
	}
	j.emit(message{Type: "outputs", Message: fmt.Sprintf("Outputs: %d", len(m)), Outputs: m})
}

func outputOf(o deploy.OutputChange, planned bool) outputJSON {
	out := outputJSON{Sensitive: o.Sensitive}
	if planned {
		out.Action = outputAction(o)
	}
	if o.After == cty.NilVal {
		return out
	}
	plain, _ := o.After.UnmarkDeep()
	if t, err := ctyjson.MarshalType(plain.Type()); err == nil {
		out.Type = t
	}
	if o.Sensitive || !plain.IsWhollyKnown() {
		return out
	}
	if v, err := ctyjson.Marshal(plain, plain.Type()); err == nil {
		out.Value = v
	}
	return out
}

func outputAction(o deploy.OutputChange) string {
	switch {
	case o.After == cty.NilVal:
		return "delete"
	case o.Before == cty.NilVal:
		return "create"
	case same(o.Before, o.After):
		return "noop"
	}
	return "update"
}

func hookOf(op apply.Operation, elapsed time.Duration) *hookJSON {
	return &hookJSON{Resource: resourceOf(op.Change.Addr, op.Change.Provider), Action: op.Step.String(), Elapsed: elapsed.Seconds()}
}

func resourceOf(a addr.Instance, provider string) resourceJSON {
	r := resourceJSON{Addr: a.String(), Resource: a.String(), ImpliedProvider: provider, Type: a.Type, Name: a.Name}
	if n, ok := a.Key.Int(); ok {
		r.Key = n
	}
	if s, ok := a.Key.Text(); ok {
		r.Key = s
	}
	if !a.Deployment.IsTop() {
		r.Deployment = a.Deployment.String()
	}
	return r
}
