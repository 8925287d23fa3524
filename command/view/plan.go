package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
)

// planWriter renders a plan for people: first the deployments, as nodes and
// systems; then the resources of the top level; then outputs and the sum.
type planWriter struct {
	w io.Writer
	style
	verbose bool
	p       *deploy.Planned
	wide    int // column's answer; 0: not asked for yet
}

func (v *planWriter) write() {
	if !v.p.HasChanges() {
		v.unchanged()
		return
	}
	v.drift()
	for _, name := range v.groups() {
		v.group(name)
	}
	v.outputs()
	fmt.Fprintf(v.w, "\n%s %s.\n", v.bold("Plan:"), Sum(v.p))
	v.left()
}

// Sum counts a plan's actions, as "2 to create, 1 to replace, …".
func Sum(p *deploy.Planned) string {
	t := deploy.Tally(p)
	return fmt.Sprintf("%d to create, %d to replace, %d to change, %d to destroy", t.Create, t.Replace, t.Update, t.Delete)
}

func (v *planWriter) unchanged() {
	if v.p.Destroy {
		fmt.Fprintln(v.w, "Nothing to destroy.")
	} else {
		fmt.Fprintln(v.w, v.bold("No changes.")+" What exists matches the configuration.")
	}
	v.left()
}

func (v *planWriter) left() {
	if len(v.p.Left) == 0 {
		return
	}
	names := make([]string, len(v.p.Left))
	for i, d := range v.p.Left {
		names[i] = d.String()
	}
	if len(names) == 1 {
		fmt.Fprintf(v.w, "%s is not part of this plan and stays as it is.\n", names[0])
		return
	}
	fmt.Fprintf(v.w, "%s are not part of this plan and stay as they are.\n", strings.Join(names, ", "))
}

// groups lists the deployments with changes, the top level first.
func (v *planWriter) groups() []addr.Deployment {
	var list []addr.Deployment
	add := func(d addr.Deployment) {
		if !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	for i := range v.p.Plan.Changes {
		if v.p.Plan.Changes[i].Action != plan.NoOp {
			add(v.p.Plan.Changes[i].Addr.Deployment)
		}
	}
	for _, d := range v.p.Deployments {
		if len(d.Contexts) > 0 {
			add(d.Name)
		}
	}
	slices.SortFunc(list, addr.Deployment.Compare)
	return list
}

func (v *planWriter) group(name addr.Deployment) {
	fmt.Fprintln(v.w)
	d := v.deployment(name)
	if !name.IsTop() {
		v.header(name, d)
	}
	if d != nil {
		v.systems(d)
	}
	for i := range v.p.Plan.Changes {
		c := &v.p.Plan.Changes[i]
		if c.Addr.Deployment == name && c.Action != plan.NoOp {
			v.change(d, c)
		}
	}
	if d != nil {
		for _, c := range d.Contexts {
			v.line("~", "node "+c.Node, c.What)
		}
	}
}

func (v *planWriter) deployment(name addr.Deployment) *deploy.Deployment {
	for _, d := range v.p.Deployments {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func (v *planWriter) header(name addr.Deployment, d *deploy.Deployment) {
	left := v.bold(name.String())
	if d == nil {
		if label := v.p.Place(name); label != "" {
			left += " on " + label
		}
		fmt.Fprintf(v.w, "%s\n\n", left)
		return
	}
	if d.Location.Label != "" {
		left += " on " + d.Location.Label
	}
	if d.Evaluation != nil {
		left += v.dim(fmt.Sprintf("   %s, %s", d.Source(), Nixpkgs(d.Evaluation.Nixpkgs.Label, d.Evaluation.Nixpkgs.Revision)))
	}
	fmt.Fprintf(v.w, "%s\n\n", left)
	for _, pin := range v.p.Pins {
		if pin.Deployment == name {
			v.line("~", "nixpkgs", pin.Old+" -> "+pin.New)
		}
	}
}

// Nixpkgs names a pinned nixpkgs for people.
func Nixpkgs(label, revision string) string {
	return strings.TrimSpace("nixpkgs " + strings.TrimPrefix(label, "nixpkgs ") + " " + short(revision))
}

func short(revision string) string {
	if len(revision) > 7 {
		return revision[:7]
	}
	return revision
}

// differencesShown is how many differences of a system are named unless all are
// asked for. Another nixpkgs makes hundreds.
const differencesShown = 20

// differences names what differs inside a system.
func (v *planWriter) differences(d nix.ManifestDiff) string {
	if v.verbose {
		return d.String()
	}
	text, more := d.Brief(differencesShown)
	if more == 0 {
		return text
	}
	return fmt.Sprintf("%s, and %d more (-v shows all)", text, more)
}

// systems shows what changes inside each role.
func (v *planWriter) systems(d *deploy.Deployment) {
	for _, r := range d.Roles {
		text := v.differences(r.Diff)
		switch {
		case r.Old == "" || r.New == "":
			continue
		case r.Opaque && r.ClosureKnown:
			text = "the system is the flake's own, and differs in what follows"
		case r.Opaque:
			text = "the system is the flake's own; what is in it is not known before it is built"
		case !r.Known:
			text = "what it contained is not recorded here, so what changes inside cannot be said"
		case r.Diff.Empty():
			text = "rebuilt; packages, units and files keep their versions"
		}
		v.line("~", "system "+r.Role, strings.TrimSpace(text+"   "+Sizes(r.Size)))
		for _, p := range r.Closure {
			fmt.Fprintf(v.w, "      %s\n", SizeChange(p))
		}
	}
}

// SizeChange writes what became of one package of a closure.
func SizeChange(c nix.SizeChange) string {
	size := ""
	if c.Delta != 0 {
		size = Bytes(c.Delta)
	}
	if c.Delta > 0 {
		size = "+" + size
	}
	return strings.TrimSpace(fmt.Sprintf("%-50s %s", c, size))
}

// Sizes writes how the size of a closure changes, as far as it is known.
func Sizes(s deploy.Sizes) string {
	switch {
	case s.Old < 0 && s.New < 0:
		return ""
	case s.Old < 0:
		return Bytes(s.New)
	case s.New < 0:
		return Bytes(s.Old) + " -> size known after build"
	case Bytes(s.Old) == Bytes(s.New):
		return Bytes(s.New)
	}
	return Bytes(s.Old) + " -> " + Bytes(s.New)
}

// Bytes writes a size for people, in binary units.
func Bytes(n int64) string {
	if n < 0 {
		return "-" + Bytes(-n)
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 || f >= 100 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// symbols of actions.
func symbol(a plan.Action, createFirst bool) string {
	switch a {
	case plan.Create:
		return "+"
	case plan.Update:
		return "~"
	case plan.Replace:
		if createFirst {
			return "+/-"
		}
		return "-/+"
	case plan.Delete:
		return "-"
	case plan.ReadLater:
		return "<="
	}
	return " "
}

// column is where the remarks begin: behind most names, so that one long name
// does not push all the others' remarks away.
func (v *planWriter) column() int {
	const least, most = 20, 36
	if v.wide > 0 {
		return v.wide
	}
	v.wide = least
	for i := range v.p.Plan.Changes {
		c := &v.p.Plan.Changes[i]
		if c.Action == plan.NoOp {
			continue
		}
		if n := cells(v.p.Display(c.Addr)); n > v.wide && n <= most {
			v.wide = n
		}
	}
	return v.wide
}

func (v *planWriter) line(sym, what, text string) {
	padded := fmt.Sprintf("%3s", sym)
	switch sym {
	case "+", "<=":
		padded = v.green(padded)
	case "-":
		padded = v.red(padded)
	default:
		padded = v.yellow(padded)
	}
	if text != "" {
		what = fill(what, v.column()) + " " + text
	}
	fmt.Fprintf(v.w, "%s %s\n", padded, what)
}

func (v *planWriter) change(d *deploy.Deployment, c *plan.Change) {
	what, text := v.p.Display(c.Addr), v.reason(c)
	if n := node(d, c.Addr); n != nil {
		text = v.nodeReason(d, n, c)
		if a := v.address(n, c); a != "" && text != "" {
			text += ", " + a
		} else {
			text += a
		}
	}
	v.line(symbol(c.Action, c.CreateBeforeDestroy), what, text)
	if v.verbose || (c.Addr.Deployment.IsTop() && c.Action != plan.Delete) {
		v.attributes(c)
	}
}

func node(d *deploy.Deployment, a addr.Instance) *deploy.Node {
	if d == nil {
		return nil
	}
	for i := range d.Nodes {
		if d.Nodes[i].Addr == a {
			return &d.Nodes[i]
		}
	}
	return nil
}

func (v *planWriter) address(n *deploy.Node, c *plan.Change) string {
	if c.Action != plan.Create || n.Address == "" || c.After == cty.NilVal || !c.After.Type().HasAttribute(n.Address) {
		return ""
	}
	after, _ := c.After.Unmark()
	a, _ := after.GetAttr(n.Address).Unmark()
	if !a.IsKnown() || a.IsNull() || a.Type() != cty.String {
		return ""
	}
	return a.AsString()
}

// nodeReason is reason for a node: what holds the path of its old system
// changed because the system did, and is not told one by one.
func (v *planWriter) nodeReason(d *deploy.Deployment, n *deploy.Node, c *plan.Change) string {
	i := slices.IndexFunc(d.Roles, func(r deploy.RoleChange) bool { return r.Role == n.Role })
	if i < 0 || c.Action != plan.Replace && c.Action != plan.Update {
		return v.reason(c)
	}
	holdsSystem := func(path cty.Path) bool {
		value, err := path.Apply(c.Before)
		return len(path) > 0 && err == nil && strings.Contains(Value(value), d.Roles[i].Old)
	}
	short := *c
	if c.Action == plan.Update {
		names := changedNames(c)
		others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return holdsSystem(cty.GetAttrPath(name)) })
		if len(others) == len(names) {
			return v.reason(c)
		}
		return strings.Join(append([]string{"switched: its system changed"}, others...), ", ")
	}
	text := "its system changed"
	if d.Updates.Switch[n.Role] && !d.Switches {
		text += fmt.Sprintf(", which nodes of the flavour %s cannot take on while they run", d.Flavour)
	}
	short.Reasons = []plan.Reason{{Text: text}}
	for _, r := range c.Reasons {
		if !holdsSystem(r.Path) {
			short.Reasons = append(short.Reasons, r)
		}
	}
	return v.reason(&short)
}

// reason says in words why something is replaced or created again.
func (v *planWriter) reason(c *plan.Change) string {
	var parts []string
	for _, r := range c.Reasons {
		if r.Text != "" && !slices.Contains(parts, r.Text) {
			parts = append(parts, r.Text)
		}
	}
	text := strings.Join(parts, ", ")
	switch {
	case c.Action == plan.Replace && text != "":
		return "replaced: " + text
	case c.Action == plan.Update && !c.Addr.Deployment.IsTop():
		return strings.TrimSpace(text + " " + strings.Join(changedNames(c), ", "))
	}
	return text
}

// changedNames lists the attributes that an update changes.
func changedNames(c *plan.Change) []string {
	var names []string
	for _, l := range attributeLines(c) {
		names = append(names, l.name)
	}
	return names
}

func (v *planWriter) attributes(c *plan.Change) {
	shown := *c
	shown.Before, shown.After = v.p.Shown(c)
	for _, l := range attributeLines(&shown) {
		text := l.after
		if l.before != "" && l.before == l.after {
			text += ", another value" // both are shown as what they are: sensitive
		} else if l.before != "" {
			text = l.before + " -> " + l.after
		}
		if l.forces {
			text += v.red("   makes it another object")
		}
		fmt.Fprintf(v.w, "        %s = %s\n", l.name, text)
	}
}

// drift shows what changed outside nxc, apart from what the plan changes.
func (v *planWriter) drift() {
	if len(v.p.Plan.Drift) == 0 {
		return
	}
	fmt.Fprintln(v.w)
	fmt.Fprintln(v.w, v.bold("Outside nxc:"))
	for i := range v.p.Plan.Drift {
		d := &v.p.Plan.Drift[i]
		what := v.p.Display(d.Addr)
		if v.several() && !d.Addr.Deployment.IsTop() {
			what += " (" + d.Addr.Deployment.String() + ")"
		}
		v.line("!", what, driftText(d))
	}
}

// several reports whether the plan is about more than one deployment, so that a
// node's name alone does not say which node is meant.
func (v *planWriter) several() bool {
	var all []addr.Deployment
	for _, d := range v.p.Deployments {
		all = append(all, d.Name)
	}
	for i := range v.p.Plan.Changes {
		all = append(all, v.p.Plan.Changes[i].Addr.Deployment)
	}
	for i := range v.p.Plan.Drift {
		all = append(all, v.p.Plan.Drift[i].Addr.Deployment)
	}
	return slices.ContainsFunc(all, func(d addr.Deployment) bool { return !d.IsTop() && d != v.p.Plan.Drift[0].Addr.Deployment })
}

func driftText(d *plan.Drift) string {
	if d.Current == cty.NilVal || d.Current.IsNull() {
		if d.Gone != "" {
			return d.Gone
		}
		return "was removed outside nxc"
	}
	var parts []string
	for _, l := range diffLines(d.Recorded, d.Current, nil) {
		parts = append(parts, fmt.Sprintf("%s %s -> %s", l.name, l.before, l.after))
	}
	return strings.Join(parts, ", ")
}

func (v *planWriter) outputs() {
	of := map[addr.Deployment]bool{} // what is destroyed is planned for no deployment
	for _, o := range v.p.Outputs {
		if !o.Deployment.IsTop() {
			of[o.Deployment] = true
		}
	}
	several := len(v.p.Deployments) > 1 || len(of) > 1
	var lines []string
	for _, o := range v.p.Outputs {
		name := o.Name
		if !o.Deployment.IsTop() && several {
			name += " (" + o.Deployment.String() + ")"
		}
		before, after := outputText(o.Before, o.Sensitive), outputText(o.After, o.Sensitive)
		switch {
		case before == after:
		case before == "":
			lines = append(lines, fmt.Sprintf("%s %s = %s", v.green("  +"), name, after))
		case after == "":
			lines = append(lines, fmt.Sprintf("%s %s", v.red("  -"), name))
		default:
			lines = append(lines, fmt.Sprintf("%s %s = %s -> %s", v.yellow("  ~"), name, before, after))
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(v.w, "\n%s\n%s\n", v.bold("Outputs:"), strings.Join(lines, "\n"))
}

func outputText(value cty.Value, sensitive bool) string {
	switch {
	case value == cty.NilVal:
		return ""
	case sensitive:
		return "(sensitive)"
	}
	return Value(value)
}
