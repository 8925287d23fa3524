package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nixos-compose/nxc/plan"
)

// drawConfigs draws a configuration of up to nine objects, each of which may
// depend on earlier ones and use an id of theirs.
func drawConfigs(t *rapid.T, label string) []config {
	var out []config
	for i := range rapid.IntRange(0, 9).Draw(t, label) {
		if rapid.IntRange(0, 4).Draw(t, "left out") == 0 {
			continue
		}
		c := config{
			name:  fmt.Sprintf("thing.r%d", i),
			image: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "image"),
			note:  rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "note"),
			first: rapid.IntRange(0, 3).Draw(t, "first") == 0,
		}
		for _, on := range out {
			if rapid.IntRange(0, 3).Draw(t, "depends") > 0 {
				continue
			}
			c.on = append(c.on, on.name)
			switch rapid.IntRange(0, 3).Draw(t, "uses") {
			case 0:
				c.image = "$" + on.name
			case 1:
				c.note = "$" + on.name
			}
		}
		out = append(out, c)
	}
	return out
}

// drawTrouble lets some operations fail, the record fail, or the user interrupt.
func drawTrouble(t *rapid.T, s *sim, cancel func()) {
	for i := range 9 {
		for _, step := range []string{"create thing.r%d", "update thing.r%d", "delete thing.r%d", "delete thing.r%d'"} {
			step = fmt.Sprintf(step, i)
			if rapid.IntRange(0, 19).Draw(t, "fails") == 0 {
				s.fail[step] = rapid.SampledFrom([]string{"", "half", "silent"}).Draw(t, "leaves")
			}
			if rapid.IntRange(0, 59).Draw(t, "record") == 0 {
				rapid.SampledFrom([]map[string]bool{s.intent, s.result}).Draw(t, "of")[step] = true
			}
		}
	}
	if after := rapid.IntRange(0, 30).Draw(t, "interrupted after"); after < 9 {
		count := 0
		s.onStart = func(string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if count++; count > after {
				cancel()
			}
		}
	}
}

// TestRandom applies one random configuration over another, with random
// trouble, and checks what must hold however it went.
func TestRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(drawConfigs(t, "before")...)
		settle(t, s) // what exists before was applied without trouble
		s.desired = drawConfigs(t, "after")
		s.log, s.skips, s.most = nil, nil, 0
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		drawTrouble(t, s, cancel)

		p, problems := s.plan()
		if refused(problems) {
			t.Skip("no order exists")
		}
		if len(problems) > 0 {
			t.Fatalf("plan: %v", problems)
		}
		o := s.options(p)
		o.NewAttempt = attempts("b")
		o.Parallelism = rapid.IntRange(1, 5).Draw(t, "parallelism")
		r := Run(ctx, o)

		if s.most > o.Parallelism {
			t.Fatalf("%d ran at one time, with a limit of %d", s.most, o.Parallelism)
		}
		checkLog(t, s)
		checkOrder(t, s, p)
		checkFailures(t, s, p)
		checkCounts(t, s, p, r)
		checkRecord(t, s, r)
		s.fail, s.intent, s.result, s.onStart = map[string]string{}, map[string]bool{}, map[string]bool{}, nil
		if len(s.open) == 0 {
			settle(t, s) // and what went wrong can be put right
		}
	})
}

// refused reports whether a plan says that its changes cannot be ordered: one
// is to be created before its old object goes, and needs another one that can
// only be created after that. It takes thousands of trials to draw that.
func refused(problems []plan.Problem) bool {
	return slices.ContainsFunc(problems, func(p plan.Problem) bool { return p.Summary == "There is no order for these changes" })
}

// attempts names attempts.
func attempts(prefix string) func() string {
	ch := make(chan int, 1)
	ch <- 0
	return func() string {
		n := <-ch
		ch <- n + 1
		return fmt.Sprintf("%s%d", prefix, n)
	}
}

// settle applies until nothing is to be done, which must take one apply.
func settle(t *rapid.T, s *sim) {
	p, problems := s.plan()
	if refused(problems) {
		t.Skip("no order exists")
	}
	if len(problems) > 0 {
		t.Fatalf("plan: %v", problems)
	}
	o := s.options(p)
	o.NewAttempt = attempts(fmt.Sprintf("s%d-", s.serial))
	if r := Run(context.Background(), o); r.HasErrors() {
		t.Fatalf("apply: %v", r.Problems)
	}
	again, problems := s.plan()
	if len(problems) > 0 || !again.IsEmpty() {
		for _, c := range again.Changes {
			t.Logf("%s %s %v", c.Action, c.Addr, c.Reasons)
		}
		t.Fatalf("after an apply there is still something to do: %v", problems)
	}
	if len(s.exists) != len(s.recorded) {
		t.Fatalf("%d objects exist, %d are on record", len(s.exists), len(s.recorded))
	}
}

// checkLog: an intent comes before every operation, and a result after it
// unless nothing is known of it.
func checkLog(t *rapid.T, s *sim) {
	for i, line := range s.log {
		word, step, _ := strings.Cut(line, " ")
		switch word {
		case "create", "update", "delete":
			if !slices.Contains(s.log[:i], "intent "+line) {
				t.Fatalf("%s has no intent", line)
			}
			if !slices.Contains(s.log[i:], "result "+line) && s.fail[line] != "silent" {
				t.Fatalf("%s has no result", line)
			}
			if !slices.Contains(s.log[i:], "done "+line) {
				t.Fatalf("%s has no end", line)
			}
		case "started":
			if slices.Contains(s.log[:i], line) {
				t.Fatalf("%s was started twice", step)
			}
		}
	}
}

// when returns when an operation was started and done; -1: never.
func (s *sim) when(step string) (started, done int) {
	return slices.Index(s.log, step), slices.Index(s.log, "done "+step)
}

// checkOrder: what was done respects what depends on what.
func checkOrder(t *rapid.T, s *sim, p *plan.Plan) {
	after := func(later, earlier string) {
		l, _ := s.when(later)
		e, done := s.when(earlier)
		if l >= 0 && e >= 0 && l < done {
			t.Fatalf("%s began before %s was done", later, earlier)
		}
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		name := c.Addr.String()
		if c.Action == plan.Replace && c.CreateBeforeDestroy {
			after("delete "+name+"'", "create "+name)
		} else {
			after("create "+name, "delete "+name)
		}
		for _, on := range c.Dependencies {
			for _, up := range []string{"create ", "update "} {
				after(up+name, "create "+on.String())
				after(up+name, "update "+on.String())
			}
		}
		for _, on := range c.PriorDependencies {
			for _, quote := range []string{"", "'"} {
				after("delete "+on.String()+quote, "delete "+name)
				after("delete "+on.String()+quote, "delete "+name+"'")
			}
		}
	}
}

// checkFailures: nothing that depends on what failed was done after it.
func checkFailures(t *rapid.T, s *sim, p *plan.Plan) {
	for i := range p.Changes {
		c := &p.Changes[i]
		for _, on := range c.Dependencies {
			up := s.problems["create "+on.String()] + s.problems["update "+on.String()]
			if up == 0 {
				continue
			}
			for _, step := range []string{"create ", "update "} {
				if started, _ := s.when(step + c.Addr.String()); started >= 0 {
					t.Fatalf("%s%s was done although %s failed", step, c.Addr, on)
				}
			}
		}
		for _, on := range c.PriorDependencies {
			if s.problems["delete "+c.Addr.String()] > 0 {
				if started, _ := s.when("delete " + on.String()); started >= 0 {
					t.Fatalf("%s was deleted although the delete of %s failed", on, c.Addr)
				}
			}
		}
	}
}

// checkCounts: every change is done, failed or skipped, once.
func checkCounts(t *rapid.T, s *sim, p *plan.Plan, r Result) {
	got, want := 0, len(p.Changes)-p.Count(plan.NoOp)
	for _, counts := range []Counts{r.Done, r.Failed, r.Skipped} {
		for _, n := range counts {
			got += n
		}
	}
	if got != want {
		t.Fatalf("%d changes are accounted for, of %d: done %v, failed %v, skipped %v", got, want, r.Done, r.Failed, r.Skipped)
	}
	skipped := 0
	for _, n := range r.Skipped {
		skipped += n
	}
	if skipped != len(s.skips) {
		t.Fatalf("%d changes were skipped, and %d were told", skipped, len(s.skips))
	}
	if r.HasErrors() != (got > sum(r.Done)) {
		t.Fatalf("errors %v, done %v of %d", r.HasErrors(), r.Done, got)
	}
}

func sum(c Counts) int {
	n := 0
	for _, x := range c {
		n += x
	}
	return n
}

// checkRecord: all that exists is on record, or its operation is open there.
func checkRecord(t *rapid.T, s *sim, r Result) {
	if len(s.open) > 0 {
		return
	}
	for attempt, o := range s.exists {
		found := false
		for _, p := range s.recorded {
			found = found || p.Attempt == attempt && p.Current.RawEquals(o)
		}
		if !found {
			t.Fatalf("%s exists as %#v and is not on record", attempt, o)
		}
	}
	if len(s.exists) != len(s.recorded) {
		t.Fatalf("%d objects exist, %d are on record", len(s.exists), len(s.recorded))
	}
	for name, p := range s.recorded {
		if strings.HasSuffix(name, "'") {
			continue
		}
		if v, ok := r.Values[p.Addr]; !ok || !v.RawEquals(p.Current) {
			t.Fatalf("%s is on record as %#v, and in the result as %#v", name, p.Current, v)
		}
	}
}
