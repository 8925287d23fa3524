package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins/schema"
)

var str = cty.StringVal

func at(name string) addr.Instance {
	a, err := addr.Parse(name)
	if err != nil {
		panic(err)
	}
	return a
}

// config is a desired object. A value "$x.id" comes from another object.
type config struct {
	name        string // such as thing.a
	image, note string // image makes another object
	on          []string
	first       bool // create_before_destroy
	references  bool // "$" values are references, not evaluated again
}

// sim is a small world: what is desired, what exists, and what is recorded.
type sim struct {
	typ     *plan.Type
	desired []config

	// What goes wrong, by "create thing.a" and the like.
	fail     map[string]string // fails; the text says what is left: "", "half", "silent"
	lie      map[string]cty.Value
	hold     map[string]chan struct{} // runs until closed
	intent   map[string]bool          // the record fails before
	result   map[string]bool          // the record fails after
	notReady error                    // nothing that waited may begin
	refine   func(p plan.Proposal) plan.Refined
	data     func(cty.Value) (cty.Value, []plan.Problem)
	evaluate func(a addr.Instance, known plan.Values) (cty.Value, bool)
	onStart  func(step string)

	mu       sync.Mutex
	serial   int
	log      []string
	running  int
	most     int
	exists   map[string]cty.Value // by attempt, or "deleted"
	recorded map[string]plan.Prior
	open     map[string]bool // intents without a result
	skips    []string
	problems map[string]int // given to Done, by step
}

func thing() *schema.Block {
	return &schema.Block{Attributes: []schema.Attribute{
		{Name: "id", Type: cty.String, Computed: true},
		{Name: "image", Type: cty.String, Optional: true, Replace: true},
		{Name: "note", Type: cty.String, Optional: true},
	}}
}

func newSim(desired ...config) *sim {
	return &sim{
		typ: &plan.Type{Block: thing()}, desired: desired,
		fail: map[string]string{}, lie: map[string]cty.Value{}, hold: map[string]chan struct{}{},
		intent: map[string]bool{}, result: map[string]bool{},
		exists: map[string]cty.Value{}, recorded: map[string]plan.Prior{}, open: map[string]bool{}, problems: map[string]int{},
	}
}

// there puts objects on record that exist as they are.
func (s *sim) there(configs ...config) *sim {
	for _, c := range configs {
		s.serial++
		attempt := fmt.Sprintf("t%d", s.serial)
		o := object("id-"+attempt, s.lookup(c.image), s.lookup(c.note))
		p := plan.Prior{Addr: at(c.name), Provider: "p", Recorded: o, Current: o, Attempt: attempt}
		for _, on := range c.on {
			p.Dependencies = append(p.Dependencies, at(on))
		}
		s.recorded[c.name], s.exists[attempt] = p, o
	}
	return s
}

// lookup resolves "$thing.a" among what is recorded.
func (s *sim) lookup(v string) string {
	if name, ok := strings.CutPrefix(v, "$"); ok {
		return s.recorded[name].Current.GetAttr("id").AsString()
	}
	return v
}

func text(v string) cty.Value {
	if v == "" {
		return cty.NullVal(cty.String)
	}
	return str(v)
}

func object(id, image, note string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"id": text(id), "image": text(image), "note": text(note)})
}

func (s *sim) Levels() [][]addr.Instance {
	var out [][]addr.Instance
	for _, c := range s.desired {
		if block := plan.BlockOf(at(c.name)); !slices.ContainsFunc(out, func(g []addr.Instance) bool { return g[0] == block }) {
			out = append(out, []addr.Instance{block})
		}
	}
	return out
}

func (s *sim) Instances(_ context.Context, block addr.Instance, known plan.Values) (plan.Expanded, []plan.Problem) {
	var x plan.Expanded
	for _, c := range s.desired {
		a := at(c.name)
		if plan.BlockOf(a) != block {
			continue
		}
		d := plan.Desired{Addr: a, Provider: "p", Config: s.config(c, known)}
		d.Lifecycle.CreateBeforeDestroy = c.first
		for _, on := range c.on {
			d.DependsOn = append(d.DependsOn, at(on))
		}
		if c.references {
			d.References = append(d.References, plan.Reference{Path: cty.GetAttrPath("note"), From: at(c.note[1:]), Attribute: "id"})
		}
		if !a.Key.IsNone() {
			x.Kind = plan.ForEach
		}
		if !a.Deployment.IsTop() {
			x.Kind = plan.Deployment
		}
		x.Instances = append(x.Instances, d)
	}
	return x, nil
}

// config evaluates a configuration.
func (s *sim) config(c config, known plan.Values) cty.Value {
	value := func(v string) cty.Value {
		name, ok := strings.CutPrefix(v, "$")
		if !ok {
			return text(v)
		}
		if c.references {
			return cty.UnknownVal(cty.String)
		}
		block, ok := known.Block(at(name).Block())
		if !ok || !block.IsKnown() {
			return cty.UnknownVal(cty.String)
		}
		if key, ok := at(name).Key.Text(); ok {
			block = block.GetAttr(key)
		}
		return block.GetAttr("id")
	}
	return cty.ObjectVal(map[string]cty.Value{"id": text(""), "image": value(c.image), "note": value(c.note)})
}

func (s *sim) Evaluate(_ context.Context, a addr.Instance, known plan.Values) (cty.Value, []plan.Problem) {
	if s.evaluate != nil {
		if v, ok := s.evaluate(a, known); ok {
			return v, nil
		}
	}
	for _, c := range s.desired {
		if at(c.name) == a {
			return s.config(c, known), nil
		}
	}
	return cty.NilVal, []plan.Problem{{Summary: "no such instance"}}
}

func (s *sim) Resource(_, typ string) (*plan.Type, bool) { return s.typ, typ == "thing" }
func (s *sim) Data(_, typ string) (*plan.Type, bool)     { return s.typ, typ == "thing" }

func (s *sim) Refine(_ context.Context, ps []plan.Proposal) ([]plan.Refined, []plan.Problem) {
	var out []plan.Refined
	for _, p := range ps {
		out = append(out, s.refine(p))
	}
	return out, nil
}

func (s *sim) ReadData(_ context.Context, _ addr.Instance, _, _ string, c cty.Value) (cty.Value, []plan.Problem) {
	s.note("read data")
	return s.data(c)
}

func (s *sim) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
}

func stepOf(op Operation) string {
	step := op.Step.String() + " " + op.Change.Addr.String()
	if op.Deposed {
		step += "'"
	}
	return step
}

// Apply is the provider: it makes, changes and deletes.
func (s *sim) Apply(ctx context.Context, op Operation, progress func(Progress)) (cty.Value, []plan.Problem) {
	step := stepOf(op)
	s.mu.Lock()
	s.running++
	s.most = max(s.most, s.running)
	hold := s.hold[step]
	s.log = append(s.log, step)
	s.mu.Unlock()
	if s.onStart != nil {
		s.onStart(step)
	}
	progress(Progress{Phase: "at work"})
	var problems []plan.Problem
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			problems = append(problems, plan.Problem{Summary: "killed"})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if left, ok := s.fail[step]; ok || len(problems) > 0 {
		if len(problems) == 0 {
			problems = append(problems, plan.Problem{Summary: "broken: " + step})
		}
		return s.left(op, left), problems
	}
	if v, ok := s.lie[step]; ok {
		return v, nil
	}
	return s.perform(op), nil
}

// left is what a failed operation leaves behind.
func (s *sim) left(op Operation, left string) cty.Value {
	switch {
	case left == "silent":
		return cty.NilVal
	case left == "half" && op.Step == Create:
		o := object("half", "", "")
		s.exists[op.Attempt] = o
		return o
	default:
		return cty.NullVal(op.Planned.Type())
	}
}

func (s *sim) perform(op Operation) cty.Value {
	switch op.Step {
	case Create:
		s.serial++
		o := filled(op.Planned, fmt.Sprintf("id-%d", s.serial))
		s.exists[op.Attempt] = o
		return o
	case Update:
		o := filled(op.Planned, "id-updated")
		s.exists[op.Attempt] = o
		return o
	default:
		delete(s.exists, op.Attempt)
		return cty.NullVal(op.Prior.Type())
	}
}

func filled(planned cty.Value, id string) cty.Value {
	values := planned.AsValueMap()
	if !values["id"].IsKnown() {
		values["id"] = str(id)
	}
	return cty.ObjectVal(values)
}

// Intent and Result are the record. Objects are kept by address, old ones of a
// replacement with a quote.
func (s *sim) Intent(op Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := stepOf(op)
	if s.intent[step] {
		return fmt.Errorf("no space left on device")
	}
	s.open[step] = true
	s.log = append(s.log, "intent "+step)
	return nil
}

func (s *sim) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notReady
}

func (s *sim) Withdraw(op Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, "withdraw "+stepOf(op))
	delete(s.open, stepOf(op))
	return nil
}

func (s *sim) Result(op Operation, o cty.Value, tainted bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	step := stepOf(op)
	s.log = append(s.log, "result "+step)
	if s.result[step] {
		return fmt.Errorf("no space left on device")
	}
	delete(s.open, step)
	name := op.Change.Addr.String()
	if op.Deposed {
		name += "'"
	}
	if op.Step == Create && op.Change.CreateBeforeDestroy {
		if o.IsNull() {
			return nil // the old one stays
		}
		if old, ok := s.recorded[name]; ok {
			old.Deposed = 1
			s.recorded[name+"'"] = old
		}
	}
	if o.IsNull() {
		delete(s.recorded, name)
		return nil
	}
	p := plan.Prior{
		Addr: op.Change.Addr, Provider: "p", Recorded: o, Current: o, Tainted: tainted,
		Attempt: op.Attempt, Dependencies: op.Change.Dependencies,
	}
	if op.Step == Delete { // it is still there, as it was
		p.Dependencies = op.Change.PriorDependencies
	}
	if op.Deposed {
		p.Deposed = 1
	}
	s.recorded[name] = p
	return nil
}

func (s *sim) Started(op Operation)              { s.note("started " + stepOf(op)) }
func (s *sim) Progress(op Operation, p Progress) { s.note(p.Phase + " " + stepOf(op)) }
func (s *sim) Skipped(c *plan.Change, because addr.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := c.Addr.String()
	if because != (addr.Instance{}) {
		line += " because of " + because.String()
	}
	s.skips = append(s.skips, line)
}

func (s *sim) Done(op Operation, _ time.Duration, ps []plan.Problem) {
	s.note("done " + stepOf(op))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems[stepOf(op)] = len(ps)
}

// plan makes a plan from what is desired and recorded.
func (s *sim) plan() (*plan.Plan, []plan.Problem) {
	o := plan.Options{Source: s, Types: s, Planner: s}
	names := make([]string, 0, len(s.recorded))
	for name := range s.recorded {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		o.Prior = append(o.Prior, s.recorded[name])
	}
	return plan.Build(context.Background(), o)
}

func (s *sim) options(p *plan.Plan) Options {
	attempts := 0
	return Options{
		Plan: p, Source: s, Types: s, Executor: s, Recorder: s, Events: s,
		NewAttempt: func() string {
			s.mu.Lock()
			defer s.mu.Unlock()
			attempts++
			return fmt.Sprintf("n%d", attempts)
		},
	}
}

// apply plans and applies.
func (s *sim) apply(t *testing.T, change ...func(*Options)) Result {
	t.Helper()
	p, problems := s.plan()
	if len(problems) > 0 {
		t.Fatalf("plan: %v", problems)
	}
	o := s.options(p)
	for _, f := range change {
		f(&o)
	}
	return Run(context.Background(), o)
}

// steps is what the provider did, in order.
func (s *sim) steps() []string {
	var out []string
	for _, line := range s.log {
		switch word, _, _ := strings.Cut(line, " "); word {
		case "create", "update", "delete", "read":
			out = append(out, line)
		}
	}
	return out
}

func summaries(ps []plan.Problem) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Addr.String()+": "+p.Summary)
	}
	return out
}
