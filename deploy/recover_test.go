package deploy

import (
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plugins"
)

// TestRecover is about an operation whose end nobody saw: the provider is
// asked what exists, and the next apply goes on from there.
func TestRecover(t *testing.T) {
	for name, c := range map[string]struct {
		lose    loss
		options PlanOptions
		news    string
		created int // by the next apply
	}{
		"created after all":   {lostAfter, PlanOptions{}, "was completed and is taken in", 1},
		"never created":       {lostBefore, PlanOptions{}, "never came to be", 2},
		"destroyed meanwhile": {lostAfter, PlanOptions{Destroy: true}, "never came to be, or is gone", 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			if c.options.Destroy {
				f.apply(t, PlanOptions{})
			}
			f.plugins.lose = map[string]loss{"fake_thing.base[1]": c.lose}
			if !c.options.Destroy {
				f.plugins.lose["fake_thing.named"] = refused
			}
			p, planned := f.plan(t, c.options)
			if _, diags := p.Apply(t.Context(), planned, ApplyOptions{Parallelism: 1}); !diags.HasErrors() {
				t.Fatal("the apply succeeded")
			}
			f.plugins.lose = nil

			_, planned = f.plan(t, PlanOptions{})
			if news := strings.Join(planned.Notices, "\n"); !strings.Contains(news, c.news) {
				t.Errorf("got the news %q, want one with %q", news, c.news)
			}
			if got := f.apply(t, PlanOptions{}); got.Created != c.created || got.Replaced+got.Destroyed > 0 {
				t.Errorf("got %+v, want %d created", *got, c.created)
			}
			if _, planned = f.plan(t, PlanOptions{}); planned.HasChanges() || len(planned.Notices) > 0 {
				t.Errorf("not settled: %v", planned.Notices)
			}
		})
	}
}

// loss is how an operation is lost.
type loss int

const (
	lostBefore loss = iota + 1 // it was not done
	lostAfter                  // it was done
	refused                    // it failed, and that is known
)

func (l loss) result(do func() plugins.ApplyResult, r plugins.ApplyRequest) plugins.ApplyResult {
	switch l {
	case refused:
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: plugins.NewError("Refused", "For a test.")}
	case lostAfter:
		do()
	}
	return plugins.ApplyResult{Object: r.Prior, Lost: true, Diagnostics: plugins.NewError("The provider ended", "For a test.")}
}

// TestOutcomesOfSeveral speaks of one and of several as people do.
func TestOutcomesOfSeveral(t *testing.T) {
	for _, o := range outcomes {
		if o.say(1) == o.say(2) {
			t.Errorf("%q of one and of several", o.say(2))
		}
	}
}

// TestDiagnosticWithoutDetail ends with the address, and not with a colon.
func TestDiagnosticWithoutDetail(t *testing.T) {
	f := newFolder(t)
	p, _ := f.plan(t, PlanOptions{})
	a, err := addr.Parse("fake_thing.named")
	if err != nil {
		t.Fatal(err)
	}
	for detail, want := range map[string]string{"": "fake_thing.named", "Call them.": "fake_thing.named: Call them."} {
		got := p.diagnostics([]plan.Problem{{Addr: a, Summary: "It broke", Detail: detail}})
		if len(got) != 1 || got[0].Detail != want {
			t.Errorf("got %v, want the detail %q", got, want)
		}
	}
}
