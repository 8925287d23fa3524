package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/nixos-compose/nxc/internal/addr"
)

// reach answers which nodes of an order come before which.
type reach struct {
	names map[string]int
	order *Order
}

func reachOf(changes []Change, o *Order) reach {
	r := reach{names: map[string]int{}, order: o}
	for i, n := range o.Nodes {
		if n.Change < 0 {
			continue
		}
		c := changes[n.Change]
		name := map[Phase]string{Up: "up ", Down: "down ", Settle: "settle "}[n.Phase] + c.Addr.Name + c.Addr.Key.String()
		if c.Deposed != 0 {
			name += "'"
		}
		r.names[name] = i
	}
	return r
}

// before reports whether the node called a comes before the one called b.
func (r reach) before(a, b string) bool {
	from, ok := r.names[a]
	to, ok2 := r.names[b]
	if !ok || !ok2 {
		panic(fmt.Sprintf("no node %q or %q in %v", a, b, r.names))
	}
	seen := map[int]bool{}
	stack := []int{from}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, next := range r.order.Nodes[n].Next {
			if next == to {
				return true
			}
			if !seen[next] {
				seen[next] = true
				stack = append(stack, next)
			}
		}
	}
	return false
}

// made1 makes a change; on lists what it depends on, and depended on.
func made1(name string, action Action, on ...string) Change {
	typ := shapeOf(small()).typ
	c := Change{Addr: at("small." + name), Type: "small", Action: action}
	c.Before, c.After, c.Config = trigger(str("x")), trigger(str("x")), trigger(str("x"))
	for _, o := range on {
		c.Dependencies = append(c.Dependencies, at("small."+o))
	}
	c.PriorDependencies = c.Dependencies
	switch action {
	case Create:
		c.Before, c.PriorDependencies = cty.NullVal(typ), nil
	case Delete:
		c.After = cty.NullVal(typ)
	}
	return c
}

func first(c Change) Change { c.CreateBeforeDestroy = true; return c }

func half(c Change) Change { c.Tainted = true; return c }

func old(c Change) Change { c.Deposed = 1; return c }

func unresolved(c Change) Change {
	c.Config = trigger(unk)
	return c
}

func TestOrder(t *testing.T) {
	waits := func(c Change, on string) Change { c.Waits = []addr.Instance{at("small." + on)}; return c }
	used := func(c Change, on ...string) Change { // what only the record says
		c.PriorDependencies = nil
		for _, o := range on {
			c.PriorDependencies = append(c.PriorDependencies, at("small."+o))
		}
		return c
	}
	tests := map[string]struct {
		changes []Change
		before  []string // "a < b", or "a | b" for no order
	}{
		"created in order":           {[]Change{made1("a", Create), made1("b", Create, "a")}, []string{"up a < up b"}},
		"independent":                {[]Change{made1("a", Create), made1("b", Create)}, []string{"up a | up b"}},
		"deleted the other way":      {[]Change{made1("a", Delete), made1("b", Delete, "a")}, []string{"down b < down a"}},
		"updated in order":           {[]Change{made1("a", Update), made1("b", Update, "a")}, []string{"up a < up b"}},
		"through one that stays":     {[]Change{made1("a", Create), made1("b", NoOp, "a"), made1("c", Create, "b")}, []string{"up a < up c"}},
		"deleted through one":        {[]Change{made1("a", Delete), made1("b", NoOp, "a"), made1("c", Delete, "b")}, []string{"down c < down a"}},
		"destroy first":              {[]Change{made1("a", Replace)}, []string{"down a < up a"}},
		"create first":               {[]Change{first(made1("a", Replace))}, []string{"up a < down a"}},
		"both destroy first":         {[]Change{made1("a", Replace), made1("b", Replace, "a")}, []string{"down b < down a", "down a < up a", "up a < up b"}},
		"both create first":          {[]Change{first(made1("a", Replace)), first(made1("b", Replace, "a"))}, []string{"up a < up b", "up b < down b", "down b < down a"}},
		"create first under destroy": {[]Change{first(made1("a", Replace)), made1("b", Replace, "a")}, []string{"up a < down b", "down b < up b", "up b < down a"}},
		"an update before the old goes": {
			[]Change{first(made1("a", Replace)), made1("b", Update, "a")}, []string{"up a < up b", "up b < down a"},
		},
		"an update before what it used goes": {
			[]Change{made1("a", Delete), used(made1("b", Update), "a")}, []string{"up b < down a"},
		},
		"the old goes when the new one's needs are ready": {
			[]Change{made1("a", Create), made1("b", Replace, "a")}, []string{"up a < down b"},
		},
		"also through others": {
			[]Change{made1("a", Update), made1("b", NoOp, "a"), made1("c", Replace, "b")}, []string{"up a < down c"},
		},
		"a value handed over by a deleted one": {
			[]Change{made1("a", Delete), waits(made1("b", Create), "a")}, []string{"down a < up b"},
		},
		"a value handed over by an updated one": {
			[]Change{made1("a", Update), waits(made1("b", Update), "a")}, []string{"up a < up b"},
		},
		"an old object goes after what may still use it": {
			[]Change{made1("a", NoOp), old(made1("a", Delete)), first(made1("b", Replace, "a"))}, []string{"up b < down b", "down b < down a'"},
		},
		"an old object goes after the old ones that used it": {
			[]Change{made1("a", NoOp), old(made1("a", Delete)), made1("b", NoOp, "a"), old(made1("b", Delete, "a"))}, []string{"down b' < down a'"},
		},
		"an old object does not wait for what its successor's name waits for": {
			[]Change{
				waits(first(made1("a", Replace)), "a"), old(made1("a", Delete)),
				waits(first(made1("b", Replace, "a")), "b"), old(made1("b", Delete, "a")),
			},
			[]string{"down a' < up a", "down b' < down a'", "down b' < up b", "up b < down b", "down b < down a"},
		},
		"what is half made goes first": {
			[]Change{half(made1("a", Replace)), first(made1("b", Replace, "a"))}, []string{"down a < up a", "up a < up b", "up b < down b"},
		},
		"values exchanged by replacing": {
			[]Change{waits(made1("a", Replace), "b"), waits(made1("b", Replace), "a")}, []string{"down a < up b", "down b < up a"},
		},
		"settled before anything goes": {
			[]Change{made1("d", Create), unresolved(made1("a", Replace, "d")), unresolved(made1("b", Replace, "a"))},
			[]string{"up d < settle a", "settle a < settle b", "settle b < down b", "down b < down a", "down a < up a", "up a < up b"},
		},
		"not settled where it cannot be": {
			[]Change{made1("a", Replace), unresolved(made1("b", Replace, "a"))},
			[]string{"settle b < down b", "down b < down a", "down a < up a", "up a < up b"},
		},
		"a deleted one between, that an update used": {
			// Deleting a after the update of c would close a circle through w.
			[]Change{made1("w", Replace), made1("a", Delete, "w"), used(made1("c", Update, "w"), "a", "w")},
			[]string{"down a < down w", "down w < up w", "up w < up c"},
		},
		"a whole block": {
			[]Change{made1("a[0]", Create), made1("a[1]", Create), made1("b", Create, "a")}, []string{"up a[0] < up b", "up a[1] < up b"},
		},
		"a whole block is deleted": {
			[]Change{made1("a[0]", Delete), made1("a[1]", Delete), made1("b", Delete, "a")}, []string{"down b < down a[0]", "down b < down a[1]"},
		},
		"a block and an old one without key": {
			[]Change{made1("a", Delete), made1("a[0]", Create), made1("b", Update, "a")}, []string{"up a[0] < up b", "up b < down a"},
		},
		"instances of two blocks": {
			[]Change{made1("a[0]", Create), made1("a[1]", Create), made1("b[0]", Create, "a[0]"), made1("b[1]", Create, "a[1]")},
			[]string{"up a[0] < up b[0]", "up a[1] < up b[1]", "up a[0] | up b[1]"},
		},
		"what is not in the plan": {[]Change{made1("b", Create, "zzz")}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, problems := Arrange(test.changes)
			if len(problems) > 0 {
				t.Fatal(describe(problems))
			}
			r := reachOf(test.changes, o)
			for _, b := range test.before {
				if x, y, ok := strings.Cut(b, " < "); ok && !r.before(x, y) {
					t.Errorf("%s does not come before %s", x, y)
				}
				if x, y, ok := strings.Cut(b, " | "); ok && (r.before(x, y) || r.before(y, x)) {
					t.Errorf("%s and %s are ordered", x, y)
				}
			}
		})
	}
}

func TestNoOrder(t *testing.T) {
	tests := map[string]struct {
		changes []Change
		want    string
	}{
		"a circle":       {[]Change{made1("a", Create, "c"), made1("b", Create, "a"), made1("c", Create, "b")}, "small.a needs small.c, which needs small.b, which needs small.a."},
		"itself":         {[]Change{made1("a[0]", Create, "a"), made1("a[1]", Create)}, "small.a[0] needs itself."},
		"through blocks": {[]Change{made1("a[0]", Create, "b"), made1("b[0]", Create, "a"), made1("a[1]", Create), made1("b[1]", Create)}, "small.a[0] needs small.b[0], which needs small.a[0]."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, problems := Arrange(test.changes)
			if got := describe(problems); len(problems) != 1 || !strings.Contains(got, test.want) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

// randomChanges draws changes of which each depends only on earlier ones, by
// configuration and by record. Deleted ones are needed by deleted ones only.
func randomChanges(t *rapid.T) []Change {
	var changes []Change
	for i := range rapid.IntRange(1, 10).Draw(t, "changes") {
		action := rapid.SampledFrom([]Action{NoOp, Create, Update, Replace, Delete}).Draw(t, "action")
		c := made1(fmt.Sprintf("r%d", i), action)
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "edge") > 0 {
				continue
			}
			on := &changes[j]
			if action != Delete && on.Action != Delete {
				c.Dependencies = append(c.Dependencies, on.Addr)
			}
			if action != Create && on.Action != Create {
				c.PriorDependencies = append(c.PriorDependencies, on.Addr)
			}
		}
		c.CreateBeforeDestroy = action == Replace && rapid.Bool().Draw(t, "create first")
		if action != Delete && rapid.IntRange(0, 3).Draw(t, "unknown") == 0 {
			c.Config = trigger(unk)
		}
		changes = append(changes, c)
	}
	spreadCreateBeforeDestroy(changes, membersOf(changes), func(*Change) cty.Path { return nil })
	return changes
}

// TestEveryPlanHasAnOrder: whatever is created, replaced and deleted, there is
// an order as long as dependencies have no circle.
func TestEveryPlanHasAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := randomChanges(t)
		o, problems := Arrange(changes)
		if len(problems) > 0 {
			t.Fatal(describe(problems))
		}
		r := reachOf(changes, o)
		for _, c := range changes {
			for _, on := range c.Dependencies {
				if !r.before("up "+on.Name, "up "+c.Addr.Name) {
					t.Fatalf("%s is not after %s", c.Addr, on)
				}
			}
			for _, on := range c.PriorDependencies {
				if (c.Action == Delete || c.Action == Replace) && !r.before("down "+c.Addr.Name, "down "+on.Name) {
					t.Fatalf("%s is not deleted before %s", c.Addr, on)
				}
			}
		}
	})
}

func TestOrderOfBlocksIsLinear(t *testing.T) {
	const n = 2000
	var changes []Change
	for i := range n {
		changes = append(changes, made1(fmt.Sprintf("a[%d]", i), Update), made1(fmt.Sprintf("b[%d]", i), Update, "a"))
	}
	o, _ := Arrange(changes)
	edges := 0
	for _, n := range o.Nodes {
		edges += len(n.Next)
	}
	if edges > 10*n {
		t.Errorf("%d edges for %d changes", edges, 2*n)
	}
}
