package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/nixos-compose/nxc/state"
)

// Prefixes is a disk that remembers what was durable at each step of a command
// and what existed outside. Check then plays a kill at every record of the
// journal, and in the middle of every one: what the next command would load
// must make sense, must have open exactly the operations whose end was cut
// off, and must know of all that exists.
type Prefixes struct {
	Under state.Disk // nil: the real one
	// World lists the attempts of all objects that exist, each with its
	// deployment's uuid. Nil: not looked at.
	World func() map[string]string
	// Strange says that objects may leave the record and go on to exist: the
	// command forgets.
	Strange bool

	mu      sync.Mutex
	now     durable
	several bool
	moments []moment
	ours    map[string]bool // uuids of the command's deployments
	foreign map[string]bool // attempts that existed before the command, and were not known
}

// durable is what a crash leaves.
type durable struct {
	path    string            // of the state file
	state   []byte            // nil: there is none
	journal string            // name of the command's own; "": none yet
	records []byte            // in it
	broken  bool              // a record could not be written, so it has no end
	outdone bool              // the state was written after that: it says more than the journal
	others  map[string][]byte // journals of dead commands
	running map[string]bool   // names of those of commands that run
	lost    map[string]bool   // names of those that the state speaks of and that were nowhere before
	tokens  map[string][]byte
}

// same reports whether two are the same but for what a command does not change.
func (d *durable) same(e *durable) bool {
	return d.path == e.path && d.journal == e.journal && bytes.Equal(d.state, e.state) && bytes.Equal(d.records, e.records)
}

// moment is a step: what was durable before and after it, and the world
// just before.
type moment struct {
	before, after durable
	world         map[string]string
}

var _ state.Disk = (*Prefixes)(nil)

// Append writes to the journal and notes what it has then.
func (p *Prefixes) Append(journal *os.File, records []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimSuffix(journal.Name(), ".tmp") // it gets its name after its first record
	if p.now.journal != filepath.Base(name) {
		p.begin(filepath.Dir(filepath.Dir(filepath.Dir(name))), filepath.Base(name))
	}
	m := moment{before: p.now, world: p.world()}
	err := p.under().Append(journal, records)
	if err == nil {
		p.now.records = append(p.now.records, records...) // what a moment has of it does not change
	} else {
		p.now.broken = true
		for _, path := range []string{journal.Name(), name} {
			if left, err := os.ReadFile(path); err == nil {
				p.now.records = left
			}
		}
	}
	m.after = p.now
	p.moments = append(p.moments, m)
	return err
}

// Replace writes the state file and notes it.
func (p *Prefixes) Replace(path string, content []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.path = path
	m := moment{before: p.now, world: p.world()}
	err := p.under().Replace(path, content)
	p.now.state, _ = os.ReadFile(path)
	p.now.outdone = p.now.broken
	p.now.tokens = readAll(filepath.Join(filepath.Dir(path), ".nxc", "token"))
	m.after = p.now
	p.moments = append(p.moments, m)
	return err
}

func (p *Prefixes) under() state.Disk {
	if p.Under == nil {
		return state.RealDisk{}
	}
	return p.Under
}

func (p *Prefixes) world() map[string]string {
	if p.World == nil {
		return nil
	}
	return p.World()
}

// begin notes what a command finds. The moments of an earlier one stay.
func (p *Prefixes) begin(folder, journal string) {
	if p.now.path == "" { // the state was there before; its name is not told before it is written
		found, _ := filepath.Glob(filepath.Join(folder, "*.state.json"))
		if len(found) == 1 {
			p.now.path = found[0]
			p.now.state, _ = os.ReadFile(found[0])
		}
	}
	p.now.tokens = readAll(filepath.Join(folder, ".nxc", "token"))
	p.now.others = readAll(filepath.Join(folder, ".nxc", "journal"))
	if p.now.journal != "" && held(filepath.Join(folder, ".nxc", "journal", p.now.journal)) {
		p.several = true // commands of one process at one time: what a kill leaves is not followed here
	}
	p.now.running = map[string]bool{}
	for name := range p.now.others {
		if held(filepath.Join(folder, ".nxc", "journal", name)) {
			p.now.running[strings.TrimSuffix(name, ".journal")] = true
			delete(p.now.others, name)
		}
	}
	p.now.lost = lostBefore(&p.now)
	p.now.journal, p.now.records, p.now.broken, p.now.outdone = journal, nil, false, false
	delete(p.now.others, journal+".tmp")
}

// lostBefore names the journals that a state speaks of and that are nowhere:
// somebody removed them, and it is not for the command to have them.
func lostBefore(d *durable) map[string]bool {
	lost := map[string]bool{}
	if s, err := state.Decode(d.path, d.state); err == nil {
		for _, c := range s.Open {
			lost[c.Journal] = d.others[c.Journal+".journal"] == nil && !d.running[c.Journal]
		}
	}
	return lost
}

// held reports whether the command of a journal runs.
func held(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

func readAll(folder string) map[string][]byte {
	all := map[string][]byte{}
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if data, err := os.ReadFile(filepath.Join(folder, e.Name())); err == nil {
			all[e.Name()] = data
		}
	}
	return all
}

// Check plays the kills and returns the first violation.
func (p *Prefixes) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.moments) == 0 || p.several {
		return nil
	}
	x, err := newScratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(x.dir)
	for i := range p.moments {
		m := &p.moments[i]
		if m.after.path == "" {
			continue // several states are in one folder: it is not known which is meant
		}
		for _, cut := range cuts(m) {
			if err := p.check(x, cut, m.world); err != nil {
				return fmt.Errorf("killed with %d bytes in the journal %s: %w\n%s\n-- the state --\n%s", len(cut.records), cut.journal, err, cut.records, cut.state)
			}
		}
	}
	return nil
}

// cuts lists what a kill during a step may leave: all before it, each record
// of it more, and half of each.
func cuts(m *moment) []durable {
	if m.after.journal == "" || bytes.Equal(m.before.records, m.after.records) {
		return []durable{m.before, m.after}
	}
	if len(m.before.records) == 0 { // before the first record the journal has no name
		return []durable{m.after}
	}
	all := []durable{m.before}
	for at := len(m.before.records); at < len(m.after.records); {
		end := bytes.IndexByte(m.after.records[at:], '\n') + 1
		if end == 0 { // it was torn
			end = len(m.after.records) - at
		}
		for _, n := range []int{at + end/2, at + end} {
			c := m.after
			c.records = c.records[:n]
			all = append(all, c)
		}
		at += end
	}
	return all
}

// check loads what a kill left, as the next command does, and compares it with
// what existed.
func (p *Prefixes) check(x *scratch, d durable, world map[string]string) error {
	if d.state == nil {
		return nil // nothing was begun
	}
	if x.loaded == nil || !x.last.same(&d) {
		if err := x.load(&d); err != nil {
			return err
		}
	}
	if x.loaded.Ownership.Err() != nil {
		return nil // the token is the environment's, or it was somebody else's all the time
	}
	return p.unknown(strings.TrimSuffix(d.journal, ".journal"), x.loaded, world)
}

// load lays out what a kill left, loads it, and looks at what came of it.
func (x *scratch) load(d *durable) error {
	if err := x.lay(d); err != nil {
		return err
	}
	store, err := state.Open(context.Background(), state.Options{Dir: x.dir, StatePath: filepath.Join(x.dir, filepath.Base(d.path))})
	if err != nil {
		return err
	}
	snap, err := store.Load(context.Background())
	if err != nil {
		return fmt.Errorf("it cannot be loaded: %w", err)
	}
	x.last, x.loaded = *d, snap
	if snap.Ownership.Err() != nil {
		return nil
	}
	if err := snap.State.Verify(); err != nil {
		return fmt.Errorf("what is loaded contradicts itself: %w", err)
	}
	return d.openOnes(x.dir, snap)
}

// scratch is a folder in which one crash after the other is laid out.
type scratch struct {
	dir    string
	laid   map[string][]byte
	last   durable // that was loaded
	loaded *state.Snapshot
}

func newScratch() (*scratch, error) {
	dir, err := os.MkdirTemp("", "nxc-prefixes-")
	if err != nil {
		return nil, err
	}
	return &scratch{dir: dir, laid: map[string][]byte{}}, errors.Join(
		os.MkdirAll(filepath.Join(dir, ".nxc", "journal"), 0o700), os.MkdirAll(filepath.Join(dir, ".nxc", "token"), 0o700))
}

// lay makes the folder what a crash left. Most is as it was laid before.
func (x *scratch) lay(d *durable) error {
	files := map[string][]byte{filepath.Base(d.path): d.state}
	for name, data := range d.others {
		files[filepath.Join(".nxc", "journal", name)] = data
	}
	for name, data := range d.tokens {
		files[filepath.Join(".nxc", "token", name)] = data
	}
	if len(d.records) > 0 {
		files[filepath.Join(".nxc", "journal", d.journal)] = d.records
	}
	for name := range x.laid {
		if _, stays := files[name]; !stays {
			if err := os.Remove(filepath.Join(x.dir, name)); err != nil {
				return err
			}
		}
	}
	for name, data := range files {
		if was, is := x.laid[name]; is && bytes.Equal(was, data) {
			continue
		}
		if err := os.WriteFile(filepath.Join(x.dir, name), data, 0o600); err != nil {
			return err
		}
	}
	x.laid = files
	return nil
}

// openOnes demands that the operations which are open are those that were
// announced and of which no result is there.
func (d *durable) openOnes(folder string, snap *state.Snapshot) error {
	if len(d.records) == 0 || d.outdone {
		return nil // it does not fit the state any more: all that it names is looked for
	}
	j, err := state.ReadJournal(filepath.Join(folder, ".nxc", "journal", d.journal))
	if err != nil {
		return err
	}
	var want []string
	for _, r := range j.Records {
		switch {
		case r.Intent != nil:
			want = append(want, key(r.Intent.Address, r.Intent.Attempt))
		case r.Result != nil:
			answered := key(r.Result.Address, r.Result.Attempt)
			want = slices.DeleteFunc(want, func(k string) bool { return k == answered })
		}
	}
	var got []string
	for _, r := range snap.Recovered {
		if r.Verdict == state.Lost && !d.running[r.Journal] && !d.lost[r.Journal] {
			return fmt.Errorf("the journal %s is lost", r.Journal)
		}
		if r.Journal != j.Name {
			continue
		}
		if r.Verdict == state.OtherBase {
			return fmt.Errorf("the journal %s does not fit its own base", r.Journal)
		}
		for _, i := range r.Open {
			got = append(got, key(i.Address, i.Attempt))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		return fmt.Errorf("operations %v are open, want %v", got, want)
	}
	return nil
}

func key(address fmt.Stringer, attempt string) string { return address.String() + " " + attempt }

// unknown demands that all that exists is in the state, or is looked for. What
// a command found that was not known before it is somebody else's.
func (p *Prefixes) unknown(journal string, snap *state.Snapshot, world map[string]string) error {
	if p.Strange {
		return nil
	}
	known := map[string]bool{}
	for _, r := range snap.State.Resources() {
		known[r.Attempt] = true
		for i := range r.Deposed {
			known[r.Deposed[i].Attempt] = true
		}
	}
	first := p.foreign == nil
	if first {
		p.foreign, p.ours = map[string]bool{}, map[string]bool{}
	}
	for _, r := range snap.Recovered {
		for i := range r.Open {
			known[r.Open[i].Attempt] = true
		}
		if r.Journal == journal {
			for _, name := range r.Command.Deployments {
				if record := snap.State.Deployment(name); record != nil {
					p.ours[record.UUID] = true
				}
			}
		}
	}
	for _, attempt := range slices.Sorted(maps.Keys(world)) {
		switch {
		case known[attempt], !p.ours[world[attempt]]:
		case first:
			p.foreign[attempt] = true
		case !p.foreign[attempt]:
			return fmt.Errorf("%s exists, and neither the state nor an open operation knows it", attempt)
		}
	}
	return nil
}
