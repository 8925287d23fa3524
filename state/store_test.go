package state

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/internal/addr"
)

// folder is a project folder and a state home to test with.
type folder struct {
	dir, home string
}

func newFolder(t testing.TB) folder {
	return folder{dir: t.TempDir(), home: t.TempDir()}
}

func (f folder) open(t testing.TB, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Dir: f.dir, StateHome: f.home, Command: "nxc apply"}
	for _, c := range change {
		c(&o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t testing.TB, s *Store, ds ...addr.Deployment) *Session {
	t.Helper()
	x, err := s.Begin(t.Context(), BeginOptions{Change: ds})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func load(t testing.TB, s *Store) *Snapshot {
	t.Helper()
	snap, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// record gives a deployment an identity and a provider.
func record(t testing.TB, x *Session, d addr.Deployment) {
	t.Helper()
	must(t, x.SetDeployment(&Deployment{Name: d, UUID: NewUUID(), Flavour: d.Flavour, Providers: dockerProvider()}))
}

func intend(t testing.TB, x *Session, a addr.Instance, attempt string) {
	t.Helper()
	planned := object(t, attempt, map[string]cty.Value{"name": cty.StringVal("n")}, nil)
	must(t, x.Intent(Intent{Address: a, Action: Create, Attempt: attempt, Planned: &planned, ProviderName: "docker"}))
}

func finish(t testing.TB, x *Session, a addr.Instance, attempt string, dependencies ...addr.Instance) {
	t.Helper()
	made := object(t, attempt, map[string]cty.Value{"name": cty.StringVal("n")}, map[string]cty.Value{"id": cty.StringVal(attempt)}, dependencies...)
	must(t, x.Result(Result{Address: a, Attempt: attempt, Resource: &Resource{Address: a, Incarnation: made}}))
}

func create(t testing.TB, x *Session, a addr.Instance, attempt string, dependencies ...addr.Instance) {
	t.Helper()
	intend(t, x, a, attempt)
	finish(t, x, a, attempt, dependencies...)
}

func attemptAt(s *State, a addr.Instance) string {
	if r := s.Resource(a); r != nil {
		return r.Attempt
	}
	return ""
}

func journalsIn(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	return all
}

func TestSession(t *testing.T) {
	f := newFolder(t)
	s := f.open(t)
	if snap := load(t, s); snap.Found || snap.Ownership.Kind != Unowned {
		t.Errorf("got %+v before the first apply", snap)
	}
	if exists(filepath.Join(f.dir, ".nxc")) {
		t.Error("looking at a folder must not write into it")
	}
	x := begin(t, s, top, docker)
	snap := load(t, f.open(t))
	if len(snap.Running) != 1 || snap.Running[0].PID != os.Getpid() || snap.Running[0].Command != "nxc apply" {
		t.Errorf("got %+v running", snap.Running)
	}
	record(t, x, top)
	record(t, x, docker)
	create(t, x, lan(), "a1")
	create(t, x, node("server"), "a2", lan())
	if attemptAt(x.State(), lan()) != "a1" || x.Resource(node("server")) == nil || x.Err() != nil {
		t.Error("the session does not know what it recorded")
	}
	must(t, x.End(t.Context()))
	must(t, x.End(t.Context())) // does nothing
	x.Abort()                   // does nothing

	snap = load(t, f.open(t))
	if !snap.Found || snap.Ownership.Kind != Own || len(snap.Running)+len(snap.Recovered)+len(snap.State.Open) != 0 {
		t.Errorf("got %+v", snap)
	}
	if attemptAt(snap.State, lan()) != "a1" || attemptAt(snap.State, node("server")) != "a2" {
		t.Errorf("got %v", snap.State.Resources())
	}
	if left := append(journalsIn(t, s.journalFolder()), journalsIn(t, s.journalCopies(snap.State.Lineage))...); len(left) > 0 {
		t.Errorf("journals are left: %v", left)
	}
	if ignore, err := os.ReadFile(filepath.Join(f.dir, ".nxc", ".gitignore")); err != nil || !strings.Contains(string(ignore), "\n*\n") {
		t.Errorf("git would see .nxc: %q, %v", ignore, err)
	}
	if info, err := os.Stat(s.tokenPath(f.dir, snap.State.Lineage)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token is not safe: %v, %v", info, err)
	}
	if err := x.Result(Result{Address: lan()}); err == nil {
		t.Error("an ended session took a result")
	}
}

func TestSessionRefuses(t *testing.T) {
	x := begin(t, newFolder(t).open(t), docker)
	defer x.Abort()
	planned := object(t, "a", nil, nil)
	refused := func(what, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	intent := Intent{Address: node("a"), Action: Create, Attempt: "a", Planned: &planned, ProviderName: "docker"}
	refused("no record", "not recorded yet", x.Intent(intent))
	record(t, x, docker)
	with := func(f func(*Intent)) error {
		i := intent
		f(&i)
		return x.Intent(i)
	}
	refused("provider", `"docker.lab2" is not recorded`, with(func(i *Intent) { i.ProviderName = "docker.lab2" }))
	refused("attempt", "without an attempt", with(func(i *Intent) { i.Attempt = "" }))
	refused("planned", "without a planned object", with(func(i *Intent) { i.Planned = nil }))
	refused("not locked", "the top level is not among", with(func(i *Intent) { i.Address = lan() }))
	result := func(r *Resource) error { return x.Result(Result{Address: node("a"), Attempt: "a", Resource: r}) }
	refused("address", "is one of", result(&Resource{Address: node("b")}))
	refused("no object", "without any object", result(&Resource{Address: node("a")}))
	refused("result's provider", `"docker.lab2" is not recorded`, result(&Resource{Address: node("a"), Incarnation: Incarnation{Provider: "docker.lab2"}}))
	refused("deposed's provider", `"x" is not recorded`, result(&Resource{Address: node("a"), Deposed: []Incarnation{{Provider: "x"}}}))
	refused("uuid", "without a uuid", x.SetDeployment(&Deployment{Name: docker}))
	create(t, x, node("a"), "a")
	refused("provider in use", `still has objects of the provider "docker"`, x.SetDeployment(&Deployment{Name: docker, UUID: "u"}))
	refused("not empty", "still has 1 resources", x.RemoveDeployment(docker))
	refused("record not locked", "webserver::vm-ramdisk is not among", x.RemoveDeployment(vm))
}

func TestAbortLeavesNoTrace(t *testing.T) {
	f := newFolder(t)
	s := f.open(t)
	x := begin(t, s, docker)
	record(t, x, docker)
	must(t, x.End(t.Context()))
	before, err := os.ReadFile(s.Path())
	must(t, err)
	begin(t, s, docker).Abort()
	after, err := os.ReadFile(s.Path())
	must(t, err)
	if string(before) != string(after) || len(journalsIn(t, s.journalFolder())) > 0 {
		t.Errorf("an aborted session left a trace:\n%s", after)
	}
}

// TestSideBySide runs two sessions of one folder at once.
func TestSideBySide(t *testing.T) {
	f := newFolder(t)
	a := begin(t, f.open(t), docker)
	b := begin(t, f.open(t), vm)
	record(t, a, docker)
	record(t, b, vm)
	create(t, a, node("server"), "a1")
	create(t, b, addr.In(vm, "qemu_machine", "server"), "b1")
	must(t, b.End(t.Context()))
	if snap := load(t, f.open(t)); len(snap.State.Open) != 1 || snap.State.Open[0].Journal != a.command.Journal {
		t.Errorf("got %v open", snap.State.Open)
	}
	must(t, a.End(t.Context()))
	snap := load(t, f.open(t))
	if snap.State.Len() != 2 || len(snap.State.Open) != 0 {
		t.Errorf("one of two sessions was lost: %v", snap.State.Resources())
	}
}

func TestLocked(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t, func(o *Options) { o.Command = "nxc destroy" }), docker)
	_, err := f.open(t).Begin(t.Context(), BeginOptions{Change: []addr.Deployment{top, docker}})
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.PID != os.Getpid() || locked.Holder.Command != "nxc destroy" {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"webserver::docker is locked by", `which runs "nxc destroy" since`, "-lock-timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := f.open(t, func(o *Options) {
		o.LockTimeout = 1 << 40
		o.OnWait = func(*LockedError) { cancel() }
	})
	if _, err := waiting.Begin(ctx, BeginOptions{Change: []addr.Deployment{docker}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v from a wait that was interrupted", err)
	}
	told := 0
	patient := f.open(t, func(o *Options) {
		o.LockTimeout = 1 << 40
		o.OnWait = func(*LockedError) { told++; go x.Abort() }
	})
	y := begin(t, patient, docker)
	if told != 1 {
		t.Errorf("the wait was announced %d times", told)
	}
	y.Abort()
}

func TestSharedLocks(t *testing.T) {
	f := newFolder(t)
	with := func(change, read addr.Deployment) (*Session, error) {
		return f.open(t).Begin(t.Context(), BeginOptions{Change: []addr.Deployment{change}, Read: []addr.Deployment{read}})
	}
	a, err := with(docker, top)
	must(t, err)
	defer a.Abort()
	b, err := with(vm, top)
	must(t, err)
	defer b.Abort()
	var locked *LockedError
	if _, err := f.open(t).Begin(t.Context(), BeginOptions{Change: []addr.Deployment{top}}); !errors.As(err, &locked) {
		t.Errorf("got %v; the top level is being read", err)
	}
}

func TestFileChangedUnderneath(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, s *Store)
		want   string
	}{
		"removed": {func(t *testing.T, s *Store) { must(t, os.Remove(s.Path())) }, "it was removed"},
		"edited": {func(t *testing.T, s *Store) {
			file, _, err := Read(s.Path())
			must(t, err)
			d := file.Deployment(docker).Copy()
			d.Outputs = map[string]Output{"x": {Type: []byte(`"string"`), Value: []byte(`"y"`)}}
			file.SetDeployment(d)
			must(t, s.write(file))
		}, "webserver::docker is not as it was"},
		"another": {func(t *testing.T, s *Store) { must(t, s.write(New())) }, "it is another state now"},
		"corrupt": {func(t *testing.T, s *Store) { must(t, os.WriteFile(s.Path(), []byte("{"), 0o644)) }, "ends in the middle"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFolder(t).open(t)
			x := begin(t, s, docker)
			record(t, x, docker)
			must(t, x.End(t.Context()))
			x = begin(t, s, docker)
			create(t, x, node("server"), "a1")
			test.change(t, s)
			err := x.End(t.Context())
			var saving *SaveError
			if !errors.As(err, &saving) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if saving.Journal == "" || !exists(saving.Journal) {
				t.Error("the journal is gone")
			}
			if name == "corrupt" {
				return
			}
			kept, _, err := Read(saving.Emergency)
			if err != nil || attemptAt(kept, node("server")) != "a1" {
				t.Errorf("the emergency file lacks the work (%v): %v", err, saving)
			}
		})
	}
}

// TestJournalFails loses the journal and the state's folder: the whole state
// goes to another place.
func TestJournalFails(t *testing.T) {
	f := newFolder(t)
	s := f.open(t)
	x := begin(t, s, docker)
	record(t, x, docker)
	must(t, x.journal.f.Close())
	planned := object(t, "a1", nil, nil)
	var failed *JournalError
	if err := x.Intent(Intent{Address: node("a"), Action: Create, Attempt: "a1", Planned: &planned, ProviderName: "docker"}); !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	made := object(t, "a0", nil, nil)
	if err := x.Result(Result{Address: node("b"), Attempt: "a0", Resource: &Resource{Address: node("b"), Incarnation: made}}); !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if x.Err() == nil {
		t.Error("the session does not know that it failed")
	}
	s.path = filepath.Join(f.dir, "gone", "nxc.state.json") // as if the folder went away
	err := x.End(t.Context())
	var saving *SaveError
	if !errors.As(err, &saving) || saving.Journal != "" || !strings.HasPrefix(saving.Emergency, f.home) && !strings.HasPrefix(saving.Emergency, os.TempDir()) {
		t.Fatalf("got %+v", err)
	}
	kept, _, err := Read(saving.Emergency)
	if err != nil || attemptAt(kept, node("b")) != "a0" {
		t.Errorf("got %v, %v", kept, err)
	}
	os.Remove(saving.Emergency)
}

func TestJournalFailsStateSaves(t *testing.T) {
	f := newFolder(t)
	x := begin(t, f.open(t), docker)
	record(t, x, docker)
	must(t, x.journal.f.Close())
	made := object(t, "a0", nil, nil)
	if x.Result(Result{Address: node("b"), Attempt: "a0", Resource: &Resource{Address: node("b"), Incarnation: made}}) == nil {
		t.Fatal("a result was taken for durable")
	}
	must(t, x.End(t.Context()))
	if snap := load(t, f.open(t)); attemptAt(snap.State, node("b")) != "a0" || len(snap.Recovered) != 0 {
		t.Errorf("got %+v", snap)
	}
}

func TestBackups(t *testing.T) {
	s := newFolder(t).open(t)
	for n := range 8 {
		x := begin(t, s, docker)
		if n == 0 {
			record(t, x, docker)
		}
		create(t, x, node("server"), "a"+string(rune('0'+n)))
		must(t, x.End(t.Context()))
		begin(t, s, docker).Abort()
		x = begin(t, s, docker) // changes nothing, and needs no backup
		must(t, x.End(t.Context()))
	}
	all := s.Backups()
	if len(all) != backups {
		t.Fatalf("got %v", all)
	}
	for n, path := range all {
		old, _, err := Read(path)
		if err != nil || len(old.Open) != 0 {
			t.Fatal(err)
		}
		if got, want := attemptAt(old, node("server")), "a"+string(rune('6'-n)); got != want {
			t.Errorf("%s has attempt %s, want %s", path, got, want)
		}
	}
}

// TestRemovedDependency takes away what others were built on.
func TestRemovedDependency(t *testing.T) {
	s := newFolder(t).open(t)
	x := begin(t, s, top, docker)
	record(t, x, top)
	record(t, x, docker)
	create(t, x, lan(), "a1")
	create(t, x, node("server"), "a2", lan())
	must(t, x.Result(Result{Address: lan(), Attempt: "a1"})) // found gone
	must(t, x.End(t.Context()))
	snap := load(t, s)
	if r := snap.State.Resource(node("server")); r == nil || len(r.Dependencies) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestExplicitPath(t *testing.T) {
	f := newFolder(t)
	elsewhere := t.TempDir()
	at := func(name string) func(*Options) {
		return func(o *Options) { o.StatePath = filepath.Join(elsewhere, name) }
	}
	s := f.open(t, at("results.json"))
	x := begin(t, s, docker)
	record(t, x, docker)
	must(t, x.End(t.Context()))
	if !exists(filepath.Join(elsewhere, "results.json")) || !exists(filepath.Join(elsewhere, ".nxc", "lock")) || exists(filepath.Join(f.dir, ".nxc")) {
		t.Error("everything of a state lies beside its file")
	}
	if s.Workspace() != "file:results.json" || f.open(t, at("nxc.lab.state.json")).Workspace() != "lab" || f.open(t, at("nxc.state.json")).Workspace() != DefaultWorkspace {
		t.Errorf("got %s", s.Workspace())
	}
	for name, o := range map[string]Options{
		"both":      {Dir: f.dir, StatePath: "x.json", Workspace: "w"},
		"a folder":  {Dir: f.dir, StatePath: elsewhere},
		"no folder": {Dir: f.dir, StatePath: filepath.Join(elsewhere, "a", "b")},
		"no dir":    {Dir: filepath.Join(f.dir, "nothing")},
		"bad name":  {Dir: f.dir, Workspace: "../x"},
	} {
		if _, err := Open(t.Context(), o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestWorkspaces(t *testing.T) {
	f := newFolder(t)
	s := f.open(t)
	x := begin(t, s, docker)
	url, err := NewOutput(cty.StringVal("http://10.89.0.2"), false)
	must(t, err)
	must(t, x.SetDeployment(&Deployment{
		Name: docker, UUID: NewUUID(), Flavour: "docker", Providers: dockerProvider(),
		Pin: &Pin{Label: "24.11", Revision: "a1"}, Outputs: map[string]Output{"url": url},
	}))
	create(t, x, node("server"), "a1")
	must(t, x.End(t.Context()))

	_, err = s.NewWorkspace(t.Context(), "lab")
	must(t, err)
	if name, err := SelectedWorkspace(f.dir); err != nil || name != "lab" {
		t.Errorf("got %q, %v", name, err)
	}
	all, err := Workspaces(f.dir)
	if err != nil || !slices.Equal(all, []string{"default", "lab"}) {
		t.Errorf("got %v, %v", all, err)
	}
	lab := f.open(t)
	from, copied := load(t, s), load(t, lab)
	d := copied.State.Deployment(docker)
	switch {
	case copied.Ownership.Kind != Own || copied.State.Len() != 0 || copied.State.Lineage == from.State.Lineage:
		t.Errorf("got %+v", copied)
	case d.UUID == from.State.Deployment(docker).UUID || d.Pin.Revision != "a1" || len(d.Outputs) != 0 || string(d.Original["url"].Value) != `"http://10.89.0.2"`:
		t.Errorf("got %+v", d)
	}
	refused := func(what, want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	_, err = s.NewWorkspace(t.Context(), "lab")
	refused("again", "exists", err)
	_, err = s.NewWorkspace(t.Context(), "a b")
	refused("name", "cannot name a workspace", err)
	refused("selected", "is the selected one", lab.DeleteWorkspace(t.Context(), "lab", false))
	refused("default", "cannot be deleted", s.DeleteWorkspace(t.Context(), "default", true))
	refused("unknown", "there is no workspace", s.DeleteWorkspace(t.Context(), "none", false))
	refused("select unknown", "there is no workspace", SelectWorkspace(f.dir, "none"))
	must(t, SelectWorkspace(f.dir, "default"))

	x = begin(t, lab, docker)
	record(t, x, docker)
	create(t, x, node("server"), "b1")
	must(t, x.End(t.Context()))
	refused("resources", "still has 1 resources", s.DeleteWorkspace(t.Context(), "lab", false))
	must(t, s.DeleteWorkspace(t.Context(), "lab", true))
	if exists(lab.Path()) || exists(lab.Home(copied.State.Lineage)) {
		t.Error("a deleted workspace is still there")
	}
}

func TestRuntimeFolder(t *testing.T) {
	temporary := t.TempDir()
	parent := RuntimeParent("", temporary)
	if filepath.Dir(parent) != temporary || RuntimeParent("", "") != filepath.Join("/tmp", filepath.Base(parent)) {
		t.Errorf("got %s, and %s without a temporary folder", parent, RuntimeParent("", ""))
	}
	folder := filepath.Join(parent, "l")
	must(t, MakeRuntimeFolder(folder))
	must(t, MakeRuntimeFolder(folder))
	must(t, os.Chmod(parent, 0o755))
	if err := MakeRuntimeFolder(folder); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v for a folder open to others", err)
	}
	must(t, os.RemoveAll(parent))
	must(t, os.Symlink(t.TempDir(), parent))
	if err := MakeRuntimeFolder(folder); err == nil {
		t.Error("a symbolic link was taken for a folder of our own")
	}
}
