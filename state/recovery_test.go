package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
)

// die ends a session as a kill would: nothing is written any more, and the
// kernel frees the locks.
func die(x *Session) {
	x.finish()
	x.close()
}

func TestReplayed(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	create(t, x, node("server"), "a1")
	intend(t, x, node("client1"), "a2")
	intend(t, x, node("client2"), "a3")
	die(x)

	snap := load(t, f.open(t))
	if len(snap.Recovered) != 1 || snap.Recovered[0].Verdict != Replayable || snap.Recovered[0].Results != 1 {
		t.Fatalf("got %+v", snap.Recovered)
	}
	if open := snap.Recovered[0].Open; len(open) != 2 || open[0].Attempt != "a2" || open[0].UUID == "" || open[0].Provider.Location.ID == "" || open[0].Planned == nil {
		t.Errorf("got %+v", open)
	}
	if attemptAt(snap.State, node("server")) != "a1" || attemptAt(snap.file, node("server")) != "" || len(snap.file.Open) != 1 {
		t.Error("the result is in the journal only, and Load puts it into the state")
	}

	x = begin(t, f.open(t), docker)
	if len(x.Recovered()) != 1 || attemptAt(x.Base(), node("server")) != "a1" {
		t.Fatalf("got %+v", x.Recovered())
	}
	finish(t, x, node("client1"), "a2") // found complete
	must(t, x.End(t.Context()))
	snap = load(t, f.open(t))
	if len(snap.Recovered) != 1 || len(snap.State.Open) != 1 {
		t.Fatalf("one operation was not dealt with, and is remembered: %+v", snap.Recovered)
	}

	x = begin(t, f.open(t), docker)
	for _, i := range x.Recovered()[0].Open {
		must(t, x.Result(Result{Address: i.Address, Attempt: i.Attempt, Resource: x.Resource(i.Address)})) // as it is
	}
	must(t, x.End(t.Context()))
	snap = load(t, f.open(t))
	if len(snap.Recovered)+len(snap.State.Open)+len(journalsIn(t, x.store.journalFolder())) != 0 {
		t.Errorf("all is dealt with, but got %+v", snap.Recovered)
	}
	if snap.State.Len() != 2 {
		t.Errorf("got %v", snap.State.Resources())
	}
}

// TestChain kills one command after the other: each takes over what the last
// one left, and the state file has none of it until one ends.
func TestChain(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	create(t, x, node("n0"), "a0")
	die(x)
	for n := 1; n < 4; n++ {
		x := begin(t, f.open(t), docker)
		if x.Base().Len() != n {
			t.Fatalf("command %d finds %d resources", n, x.Base().Len())
		}
		create(t, x, node(fmt.Sprintf("n%d", n)), fmt.Sprintf("a%d", n))
		die(x)
	}
	x = begin(t, f.open(t), docker)
	must(t, x.End(t.Context()))
	snap := load(t, f.open(t))
	if snap.State.Len() != 4 || len(snap.Recovered) != 0 || len(snap.State.Open) != 0 || len(journalsIn(t, x.store.journalFolder())) != 0 {
		t.Errorf("got %d resources, %+v, %v", snap.State.Len(), snap.Recovered, snap.State.Open)
	}
}

func TestKillBetweenSaveAndTidy(t *testing.T) {
	f := newFolder(t)
	first := begin(t, f.open(t), docker)
	record(t, first, docker)
	create(t, first, node("server"), "a1")
	die(first)
	x := begin(t, f.open(t), docker)
	create(t, x, node("client"), "a2")
	x.finish()
	done := x.settled()
	must(t, x.journal.append(&Record{End: &End{Hashes: x.current.Hashes(x.change), Done: done}}))
	_, err := x.save(t.Context(), done)
	must(t, err)
	x.close()

	if got := len(journalsIn(t, x.store.journalFolder())); got != 2 {
		t.Fatalf("%d journals are left to be found", got)
	}
	snap := load(t, f.open(t))
	if len(snap.Recovered) != 0 || snap.State.Len() != 2 {
		t.Errorf("finished journals must not show: %+v", snap.Recovered)
	}
	begin(t, f.open(t), docker).Abort()
	if left := journalsIn(t, x.store.journalFolder()); len(left) != 0 {
		t.Errorf("finished journals must go: %v", left)
	}
}

func TestOtherBase(t *testing.T) {
	f := owned(t)
	path := filepath.Join(f.dir, "nxc.state.json")
	older, err := os.ReadFile(path)
	must(t, err)
	x := begin(t, f.open(t), docker)
	create(t, x, node("second"), "a2")
	must(t, x.End(t.Context()))
	x = begin(t, f.open(t), docker)
	create(t, x, node("third"), "a3")
	intend(t, x, node("fourth"), "a4")
	die(x)
	must(t, os.WriteFile(path, older, 0o644)) // git checkout

	snap := load(t, f.open(t))
	if len(snap.Recovered) != 1 || snap.Recovered[0].Verdict != OtherBase || len(snap.Recovered[0].Open) != 2 {
		t.Fatalf("got %+v; finished or not, all intents are to be looked for", snap.Recovered)
	}
	if snap.State.Len() != 1 || snap.State.Hash(docker) != snap.file.Hash(docker) {
		t.Error("nothing of the journal may be put in")
	}
}

// TestOtherBaseTwice kills a command that had taken in what an earlier one
// left, before it was written into the state, and checks an older state out.
func TestOtherBaseTwice(t *testing.T) {
	f := owned(t)
	path := filepath.Join(f.dir, "nxc.state.json")
	older, err := os.ReadFile(path)
	must(t, err)
	x := begin(t, f.open(t), docker)
	create(t, x, node("second"), "a2")
	must(t, x.End(t.Context()))
	x = begin(t, f.open(t), docker)
	intend(t, x, node("third"), "a3")
	intend(t, x, node("fourth"), "a4")
	die(x)
	x = begin(t, f.open(t), docker)
	finish(t, x, node("third"), "a3")                                 // found, and taken in
	must(t, x.Result(Result{Address: node("fourth"), Attempt: "a4"})) // never came to be
	die(x)
	must(t, os.WriteFile(path, older, 0o644)) // git checkout

	snap := load(t, f.open(t))
	var open []string
	for _, r := range snap.Recovered {
		if r.Verdict != OtherBase {
			t.Errorf("journal %s is %s", r.Journal, r.Verdict)
		}
		for _, i := range r.Open {
			open = append(open, i.Attempt)
		}
	}
	if !slices.Equal(open, []string{"a3"}) {
		t.Errorf("%v are looked for, want a3: the answer that it exists is in no state", open)
	}
}

func TestLostJournal(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	x.journal.drop()
	die(x)
	snap := load(t, f.open(t))
	if len(snap.Recovered) != 1 || snap.Recovered[0].Verdict != Lost || snap.Recovered[0].Command.Command != "nxc apply" {
		t.Fatalf("got %+v", snap.Recovered)
	}
	x = begin(t, f.open(t), docker)
	must(t, x.End(t.Context()))
	if snap := load(t, f.open(t)); len(snap.Recovered)+len(snap.State.Open) != 0 {
		t.Errorf("got %+v", snap.Recovered)
	}
}

// TestCleanAfterCrash loses .nxc after a crash: the journal's copy serves.
func TestCleanAfterCrash(t *testing.T) {
	f := owned(t)
	x := begin(t, f.open(t), docker)
	create(t, x, node("client1"), "a2")
	intend(t, x, node("client2"), "a3")
	die(x)
	must(t, os.RemoveAll(filepath.Join(f.dir, ".nxc")))
	snap := load(t, f.open(t))
	if snap.Ownership.Kind != TakenBack || len(snap.Recovered) != 1 || snap.Recovered[0].Verdict != Replayable || len(snap.Recovered[0].Open) != 1 {
		t.Fatalf("got %+v, %+v", snap.Ownership, snap.Recovered)
	}
	if attemptAt(snap.State, node("client1")) != "a2" {
		t.Error("the copy's result is not in")
	}
}

// TestOpenAtTheEnd ends a command that does not know how one of its own
// operations ended.
func TestOpenAtTheEnd(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	create(t, x, node("server"), "a1")
	intend(t, x, node("client1"), "a2")
	must(t, x.End(t.Context()))
	snap := load(t, f.open(t))
	if len(snap.Recovered) != 1 || snap.Recovered[0].Verdict != Finished || len(snap.Recovered[0].Open) != 1 || len(snap.State.Open) != 1 {
		t.Fatalf("got %+v", snap.Recovered)
	}
	x = begin(t, f.open(t), docker)
	must(t, x.Result(Result{Address: node("client1"), Attempt: "a2"}))
	must(t, x.End(t.Context()))
	if snap := load(t, f.open(t)); len(snap.Recovered)+len(snap.State.Open) != 0 || snap.State.Len() != 1 {
		t.Errorf("got %+v", snap.Recovered)
	}
}

// TestWidened begins with less than what a dead command worked on.
func TestWidened(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker, vm)
	record(t, x, docker)
	record(t, x, vm)
	create(t, x, node("server"), "a1")
	die(x)
	x = begin(t, f.open(t), docker)
	if got := x.Deployments(); len(got) != 2 {
		t.Errorf("got %v; the dead command's must be taken over as a whole", got)
	}
	must(t, x.End(t.Context()))
	y := begin(t, f.open(t), top)
	if got := y.Deployments(); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	y.Abort()
}

func TestUnfinishedElsewhereStays(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	intend(t, x, node("server"), "a1")
	die(x)
	y := begin(t, f.open(t), vm)
	if len(y.Recovered()) != 0 {
		t.Errorf("got %+v; that is another deployment's", y.Recovered())
	}
	record(t, y, vm)
	must(t, y.End(t.Context()))
	snap := load(t, f.open(t))
	if len(snap.Recovered) != 1 || snap.Recovered[0].Verdict != Replayable || len(snap.State.Open) != 1 {
		t.Errorf("got %+v", snap.Recovered)
	}
}

// TestEveryPrefixIsRecovered cuts the journal of a command after each record:
// what comes back is a state that makes sense, and nothing is in doubt that
// is not in Open.
func TestEveryPrefixIsRecovered(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), top, docker)
	record(t, x, top)
	record(t, x, docker)
	create(t, x, lan(), "a1")
	create(t, x, node("server"), "a2", lan())
	intend(t, x, node("client"), "a3")
	finish(t, x, node("client"), "a3", lan(), node("server"))
	must(t, x.Intent(Intent{Address: node("client"), Action: Delete, Attempt: "a3", ProviderName: "docker"}))
	must(t, x.Result(Result{Address: node("client"), Attempt: "a3"}))
	die(x)
	data, err := os.ReadFile(x.journal.path)
	must(t, err)
	base, _, err := Read(x.store.Path())
	must(t, err)
	for n := strings.IndexByte(string(data), '\n') + 1; n <= len(data); n++ {
		j, err := decodeJournal(x.journal.path, data[:n])
		must(t, err)
		s, recovered := Replay(base, []*Journal{j})
		if err := s.Verify(); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if recovered[0].Verdict != Replayable {
			t.Fatalf("%d bytes: %s", n, recovered[0].Verdict)
		}
		inDoubt := map[addr.Instance]bool{}
		for _, i := range recovered[0].Open {
			inDoubt[i.Address] = true
		}
		for i := range j.Records {
			r := j.Records[i].Intent
			if r != nil && r.Action == Create && !inDoubt[r.Address] && s.Resource(r.Address) == nil && r.Attempt != "a3" {
				t.Fatalf("%d bytes: %s is lost", n, r.Address)
			}
		}
	}
}
