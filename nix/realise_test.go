package nix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// evaluateRoles evaluates a composition with the given roles, each a Nix
// expression over pkgs and seed, which is different in every run so that
// nothing is built already.
func evaluateRoles(t testing.TB, n *Nix, roles map[string]string) map[string]Output {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "{ pkgs, ... }: let inherit (pkgs) make; seed = \"%d\"; in {\n", time.Now().UnixNano())
	for name, expression := range roles {
		fmt.Fprintf(&b, "  roles.%s = %s;\n", name, expression)
	}
	b.WriteString("}\n")
	dir := project(t, map[string]string{"composition.nix": b.String()})
	e, err := n.Evaluate(t.Context(), testRequest(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]Output{}
	for name, role := range e.Roles {
		role.System.Local = true // no binary cache is within reach of a test
		outputs[name] = role.System
	}
	return outputs
}

func links(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[target] = entry.Name()
	}
	return found
}

func TestRealise(t *testing.T) {
	n := newTestNix(t)
	roots := filepath.Join(t.TempDir(), "roots")
	o := evaluateRoles(t, n, map[string]string{
		"a": `make "a" { inherit seed; dep = make "dep" { inherit seed; } "echo dependency; echo dep > $out"; } "echo hello from a; echo $dep > $out"`,
		"b": `make "b" { inherit seed; } "echo b > $out"`,
		"c": `(make "c" { inherit seed; outputs = [ "out" "doc" ]; } "echo c > $out; echo doc > $doc").doc`,
	})
	outputs := []Output{o["a"], o["b"], o["c"], o["a"]}
	var events []Event
	if err := n.Realise(t.Context(), outputs, roots, func(e Event) { events = append(events, e) }); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e Event) bool { return e.Kind == EventLog && e.Name == "a" && e.Text == "hello from a" }) {
		t.Errorf("a's log is not among the events %+v", events)
	}
	if last := events[len(events)-1]; last.Kind != EventDone || last.Done != 4 || last.Expected != 4 {
		t.Errorf("the last event is %+v, want 4 builds done", last)
	}
	valid, err := n.Valid(t.Context(), []string{o["a"].Path, o["b"].Path, o["c"].Path, storeDir + "/none", "/etc/passwd"})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]bool{o["a"].Path: true, o["b"].Path: true, o["c"].Path: true, storeDir + "/none": false, "/etc/passwd": false}; fmt.Sprint(valid) != fmt.Sprint(want) {
		t.Errorf("valid: got %v, want %v", valid, want)
	}
	rooted := links(t, roots)
	if len(rooted) != 3 || rooted[o["a"].Path] == "" || rooted[o["b"].Path] == "" || rooted[o["c"].Path] == "" {
		t.Errorf("got roots %v, want one for each output", rooted)
	}

	if !isRooted(t, n, o["a"].Path) {
		t.Error("a may be collected as garbage")
	}

	closure, err := n.Closure(t.Context(), o["a"].Path)
	if err != nil {
		t.Fatal(err)
	}
	if len(closure.Paths) != 2 || !slices.Contains(closure.Paths, o["a"].Path) || closure.Size == 0 {
		t.Errorf("got closure %+v, want a and its dependency", closure)
	}

	if err := n.Realise(t.Context(), outputs, roots, nil); err != nil || len(links(t, roots)) != 3 {
		t.Errorf("again: %v, roots %v", err, links(t, roots))
	}
	if err := Unroot(roots, []string{o["c"].Path}); err != nil || len(links(t, roots)) != 2 {
		t.Errorf("unroot: %v, roots %v", err, links(t, roots))
	}
	if err := Prune(roots, []string{o["b"].Path}); err != nil || len(links(t, roots)) != 1 || links(t, roots)[o["b"].Path] == "" {
		t.Errorf("prune: %v, roots %v", err, links(t, roots))
	}
	if isRooted(t, n, o["c"].Path) {
		t.Error("c is still kept after Unroot")
	}
	if err := n.Realise(t.Context(), []Output{{Path: o["b"].Path, Drv: "/nix/store/gone.drv", Local: true}}, roots, nil); err != nil {
		t.Errorf("realising what is built and has lost its derivation: %v", err)
	}
}

func TestRealiseFailures(t *testing.T) {
	n := newTestNix(t)
	roots := t.TempDir()
	o := evaluateRoles(t, n, map[string]string{
		"good":    `make "good" { inherit seed; } "echo > $out"`,
		"top":     `make "top" { inherit seed; bad = make "bad" { inherit seed; } "echo it breaks; exit 3"; } "echo > $out"`,
		"nothing": `make "nothing" { inherit seed; } "true"`,
	})
	var kinds []string
	err := n.Realise(t.Context(), []Output{o["good"], o["top"], o["nothing"]}, roots, func(e Event) {
		if e.Kind == EventFailed {
			kinds = append(kinds, e.Name)
		}
	})
	var failures BuildErrors
	if !errors.As(err, &failures) || len(failures) != 2 {
		t.Fatalf("got %v, want two failures", err)
	}
	slices.SortFunc(failures, func(a, b *BuildError) int { return strings.Compare(a.Name, b.Name) })
	bad, nothing := failures[0], failures[1]
	if bad.Name != "bad" || bad.Reason != "failed with exit code 3" || !slices.Equal(bad.LogTail, []string{"it breaks"}) {
		t.Errorf("got %+v", bad)
	}
	if !slices.Equal(bad.Outputs, []Output{o["top"]}) {
		t.Errorf("bad: got outputs %v, want %v", bad.Outputs, o["top"])
	}
	if !strings.Contains(nothing.Reason, "failed to produce output") || !slices.Equal(nothing.Outputs, []Output{o["nothing"]}) {
		t.Errorf("got %+v", nothing)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"bad", "nothing"}) {
		t.Errorf("got failed events for %q", kinds)
	}
	if rooted := links(t, roots); len(rooted) != 1 || rooted[o["good"].Path] == "" {
		t.Errorf("got roots %v, want the one that was built", rooted)
	}

	err = n.Realise(t.Context(), []Output{o["top"]}, roots, nil)
	var one *BuildError
	if !errors.As(err, &one) || one.Name != "bad" {
		t.Errorf("got %v, want one BuildError", err)
	}
	if _, err := n.Closure(t.Context(), o["top"].Path); !errors.Is(err, ErrNotValid) {
		t.Errorf("closure of what is not built: got %v, want ErrNotValid", err)
	}
	gone := Output{Drv: "/nix/store/00000000000000000000000000000000-gone.drv", Path: "/nix/store/00000000000000000000000000000000-gone"}
	if err := n.Realise(t.Context(), []Output{gone}, roots, nil); !errors.Is(err, ErrNotValid) {
		t.Errorf("got %v, want ErrNotValid", err)
	}
}

func TestRealiseInterrupted(t *testing.T) {
	n := newTestNix(t)
	o := evaluateRoles(t, n, map[string]string{
		"slow": `make "slow" { inherit seed; } "echo started; while :; do read x; done < /dev/zero"`,
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	err := n.Realise(ctx, []Output{o["slow"]}, t.TempDir(), func(e Event) {
		if e.Kind == EventLog {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled context", err)
	}
	if took := time.Since(begin); took > buildGrace {
		t.Errorf("it took %v to interrupt a build", took)
	}
}
