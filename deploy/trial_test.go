package deploy_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state/statetest"
)

// A trial is a user's bad day: commands on configurations that change, each
// with faults, and in the end all must be well. It can be run here, and
// written as a script that runs the real programs.
type trial struct{ steps []step }

type step struct {
	things  []thing
	nodes   int      // of a composition, when there is one
	nodesOn []string // its flavours
	only    string   // the flavour that the command is about; "" is the default and the things
	drift   []drift  // before the command, by somebody else
	command string
	faults  []fake.Fault
	disk    statetest.Fault // the zero one is none
	serial  bool            // one operation at a time
	timeout bool            // operations have a short deadline
	heal    bool            // afterwards an apply without faults must put all right
}

// thing is one block of a configuration.
type thing struct {
	label   string
	was     string // label that it had in an earlier step; "" when none
	name    string
	content string
	many    string // "", count or for_each
	n       int    // of many
	on      []int  // earlier ones that it uses
	after   bool   // it only depends on them
	data    bool   // it asks a data source for the first of them
	first   bool   // create_before_destroy
}

// names lists the names of a block's objects.
func (th *thing) names() []string {
	if th.many == "" {
		return []string{th.name}
	}
	var all []string
	for i := range th.n {
		all = append(all, fmt.Sprintf("%s-%d", th.name, i))
	}
	return all
}

// drift is what somebody does to an object behind nxc's back.
type drift struct{ name, how string } // how is one of drifts

var drifts = []string{"changed", "gone"}

func drawTrial(t *rapid.T) trial {
	var tr trial
	_, noNix := exec.LookPath("nix-instantiate")
	labels := map[int][]string{} // that each thing has had
	for n := range rapid.IntRange(1, 4).Draw(t, "steps") {
		s := step{things: drawThings(t, labels)}
		if noNix == nil && rapid.IntRange(0, 3).Draw(t, "composition") == 3 {
			s.nodes = rapid.IntRange(1, 3).Draw(t, "nodes")
			s.nodesOn = rapid.SampledFrom([][]string{{"a"}, {"b"}, {"a", "b"}}).Draw(t, "flavours")
			s.only = rapid.SampledFrom(append([]string{""}, s.nodesOn...)).Draw(t, "only")
		}
		var names []string
		for i := range s.things {
			names = append(names, s.things[i].names()...)
		}
		if n > 0 && len(names) > 0 {
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "drifts") {
				s.drift = append(s.drift, drift{rapid.SampledFrom(names).Draw(t, "drifting"), rapid.SampledFrom(drifts).Draw(t, "drift")})
			}
		}
		s.command = rapid.SampledFrom([]string{"apply", "apply", "apply", "apply", "destroy", "plan", "refresh", "state recover"}).Draw(t, "command")
		for range rapid.SampledFrom([]int{0, 1, 1, 2}).Draw(t, "faults") {
			s.faults = append(s.faults, drawFault(t, names))
		}
		if rapid.IntRange(0, 2).Draw(t, "disk fails") == 2 {
			s.disk = statetest.Fault{
				Step: rapid.SampledFrom([]string{statetest.Append, statetest.Append, statetest.Replace}).Draw(t, "disk step"),
				N:    rapid.IntRange(1, 12).Draw(t, "disk n"), How: rapid.SampledFrom(statetest.Faults).Draw(t, "disk how"),
			}
			if s.disk.Step == statetest.Replace {
				s.disk.N = 1 + s.disk.N%3 // a command does it twice or thrice
			}
		}
		s.timeout = s.hangs() && rapid.Bool().Draw(t, "timeout")
		s.serial = rapid.IntRange(0, 3).Draw(t, "parallel") < 3
		s.heal = rapid.Bool().Draw(t, "heal")
		tr.steps = append(tr.steps, s)
	}
	tr.steps[len(tr.steps)-1].heal = true
	return tr
}

func drawThings(t *rapid.T, labels map[int][]string) []thing {
	list := make([]thing, rapid.IntRange(0, 5).Draw(t, "things"))
	for i := range list {
		th := thing{
			label:   fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"t", "t", "t", "u"}).Draw(t, "label"), i),
			name:    fmt.Sprintf("n%d%s", i, rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "name")),
			content: rapid.SampledFrom([]string{"p", "q", ""}).Draw(t, "content"),
			many:    rapid.SampledFrom([]string{"", "", "", "count", "for_each"}).Draw(t, "many"),
			first:   rapid.Bool().Draw(t, "first"),
		}
		if th.many != "" {
			th.n = rapid.IntRange(0, 3).Draw(t, "n")
		}
		for k := range i {
			if rapid.IntRange(0, 2).Draw(t, "uses") == 2 {
				th.on = append(th.on, k)
			}
		}
		if len(th.on) > 0 {
			how := rapid.IntRange(0, 3).Draw(t, "how")
			th.after = how == 2
			th.data = how == 3 && list[th.on[0]].many == ""
		}
		for _, label := range labels[i] {
			if label != th.label {
				th.was = label
			}
		}
		if !slices.Contains(labels[i], th.label) {
			labels[i] = append(labels[i], th.label)
		}
		list[i] = th
	}
	return list
}

func drawFault(t *rapid.T, names []string) fake.Fault {
	f := fake.Fault{
		Verb: rapid.SampledFrom([]string{"create", "create", "create", "update", "delete", "delete", "read", "plan", "find", "data"}).Draw(t, "verb"),
		Name: "*",
		When: rapid.SampledFrom([]string{fake.Before, fake.Half, fake.After}).Draw(t, "when"),
		How:  rapid.SampledFrom([]string{fake.Error, fake.Crash, fake.Hang, fake.Lie}).Draw(t, "fault"),
	}
	if f.Verb != "find" && len(names) > 0 && rapid.IntRange(0, 2).Draw(t, "all") < 2 {
		f.Name = rapid.SampledFrom(names).Draw(t, "victim")
	}
	return f
}

// composition is that of all steps.
const composition = "{ ... }: { roles.n = { ... }: { }; }\n"

// hangs reports whether the command has to be interrupted to come to an end.
func (s *step) hangs() bool {
	return slices.ContainsFunc(s.faults, func(f fake.Fault) bool { return f.How == fake.Hang })
}

// faultsFile is what the provider is told.
func (s *step) faultsFile() string {
	var b strings.Builder
	for _, f := range s.faults {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// configuration writes a step's things down, with the deadlines that a fault
// needs or without.
func (s *step) configuration(faulty bool) string {
	deadline := ""
	if faulty && s.timeout {
		deadline = "  timeouts {\n    create = \"30ms\"\n    update = \"30ms\"\n    delete = \"30ms\"\n  }\n"
	}
	var b strings.Builder
	for i := range s.things {
		s.things[i].write(&b, s.things, deadline)
	}
	if s.nodes > 0 {
		fmt.Fprintf(&b, "composition \"w\" {\n  source  = \"./composition.nix\"\n  nixpkgs = \"embedded\"\n  roles   = { n = %d }\n", s.nodes)
		for _, f := range s.nodesOn {
			fmt.Fprintf(&b, "  flavour %q {\n    type    = \"fake\"\n    default = %t\n  }\n", f, f == s.nodesOn[0])
		}
		fmt.Fprint(&b, "}\n\n")
	}
	return b.String()
}

func (th *thing) write(b *strings.Builder, all []thing, deadline string) {
	var uses, blocks []string
	for _, k := range th.on {
		at := "fake_thing." + all[k].label
		blocks = append(blocks, at)
		if all[k].many == "" {
			uses = append(uses, "${"+at+".id}")
		} else {
			uses = append(uses, `${join(" ", [for t in `+at+` : t.id])}`)
		}
	}
	content := th.content
	switch {
	case th.data:
		fmt.Fprintf(b, "data \"fake_thing\" \"%s\" {\n  name       = %s.name\n  depends_on = [%s]\n}\n\n", th.label, blocks[0], blocks[0])
		content = "${data.fake_thing." + th.label + ".content}"
	case len(uses) > 0 && !th.after:
		content = strings.Join(uses, " ")
	}
	name := th.name
	fmt.Fprintf(b, "resource \"fake_thing\" \"%s\" {\n", th.label)
	switch th.many {
	case "count":
		fmt.Fprintf(b, "  count   = %d\n", th.n)
		name += "-${count.index}"
	case "for_each":
		var keys []string
		for i := range th.n {
			keys = append(keys, fmt.Sprintf("%q", fmt.Sprint(i)))
		}
		fmt.Fprintf(b, "  for_each = toset([%s])\n", strings.Join(keys, ", "))
		name += "-${each.key}"
	}
	fmt.Fprintf(b, "  name    = \"%s\"\n  content = \"%s\"\n", name, content)
	if th.after {
		fmt.Fprintf(b, "  depends_on = [%s]\n", strings.Join(blocks, ", "))
	}
	fmt.Fprintf(b, "%s  lifecycle {\n    create_before_destroy = %t\n  }\n}\n\n", deadline, th.first)
	if th.was != "" {
		fmt.Fprintf(b, "moved {\n  from = fake_thing.%s\n  to   = fake_thing.%s\n}\n\n", th.was, th.label)
	}
}
