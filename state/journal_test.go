package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
)

func beginRecord() *Record {
	return &Record{Begin: &Begin{
		Lineage: "l", Workspace: "default",
		Command: Command{Journal: "j", Deployments: []addr.Deployment{docker}, Command: "nxc apply", User: "u", Host: "h", PID: 1},
		Base:    map[addr.Deployment]string{docker: ""}, Reads: map[addr.Deployment]string{top: "sha256:x"},
		After: []string{"i"},
	}}
}

// records returns one of every kind, after Begin.
func records(t testing.TB) []Record {
	s := example(t)
	server := s.Resource(node("server"))
	planned := server.Incarnation
	return []Record{
		{Deployment: &DeploymentChange{Name: docker, Record: s.Deployment(docker)}},
		{Intent: &Intent{
			Address: node("server"), Action: Create, Attempt: "a1", UUID: "22", Planned: &planned,
			ProviderName: "docker", Provider: dockerProvider()["docker"],
		}},
		{Result: &Result{Address: node("server"), Attempt: "a1", Resource: server}},
		{Intent: &Intent{Address: node("client1"), Action: Delete, Attempt: "a2", UUID: "22", ProviderName: "docker"}},
		{Result: &Result{Address: node("client1"), Attempt: "a2"}},
		{Result: &Result{Address: node("client1"), Attempt: "a3", Resource: s.Resource(node("client1"))}},
		{Deployment: &DeploymentChange{Name: vm}},
		{End: &End{Hashes: map[addr.Deployment]string{docker: "sha256:y", top: ""}, Done: []string{"i"}}},
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range append(records(t), *beginRecord()) {
		first, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRecord(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := back.encode()
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Errorf("got  %s\nwant %s", second, first)
		}
	}
	if _, err := (&Record{}).encode(); err == nil {
		t.Error("an empty record was written")
	}
}

// writeJournal writes a journal with every kind of record, and returns its
// path and content.
func writeJournal(t testing.TB) (string, []byte) {
	dir := t.TempDir()
	j, err := createJournal(RealDisk{}, dir, "j", "", beginRecord())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records(t) {
		if err := j.append(&r); err != nil {
			t.Fatal(err)
		}
	}
	j.close()
	data, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	return j.path, data
}

// TestEveryPrefixOfAJournal cuts a journal at every byte: what was whole
// before the cut is read, and the rest is torn, never an error.
func TestEveryPrefixOfAJournal(t *testing.T) {
	path, data := writeJournal(t)
	want := -1 // Begin is not among the records
	for n := range data {
		j, err := decodeJournal(path, data[:n])
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if n > 0 && data[n-1] == '\n' {
			want++
			if j.Torn != 0 {
				t.Errorf("%d bytes end with a record, and %d are torn", n, j.Torn)
			}
		}
		if j.Damaged || len(j.Records) != max(want, 0) || (j.Begin != nil) != (want >= 0) {
			t.Fatalf("%d bytes: %d records, damaged %v; want %d", n, len(j.Records), j.Damaged, want)
		}
	}
}

// TestDamagedJournal changes every byte but the last record's: it is noticed.
func TestDamagedJournal(t *testing.T) {
	path, data := writeJournal(t)
	last := strings.LastIndexByte(string(data[:len(data)-1]), '\n') + 1
	first := strings.IndexByte(string(data), '\n') + 1
	for n := first; n < last; n += 7 {
		bad := append([]byte{}, data...)
		bad[n] ^= 0x15
		j, err := decodeJournal(path, bad)
		if err != nil {
			t.Fatalf("byte %d: %v", n, err)
		}
		if !j.Damaged || len(j.Records) >= len(records(t)) {
			t.Fatalf("byte %d: not noticed", n)
		}
	}
	bad := append([]byte("garbage"), data[7:]...)
	if _, err := decodeJournal(path, bad); err == nil || !strings.Contains(err.Error(), "no beginning") {
		t.Errorf("got %v", err)
	}
	future := appendFrame(append([]byte{}, data...), []byte(`{"prophecy":{}}`))
	if _, err := decodeJournal(path, future); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v; a whole record of an unknown kind is a newer nxc's", err)
	}
}

func TestConcurrentAppends(t *testing.T) {
	dir := t.TempDir()
	j, err := createJournal(RealDisk{}, dir, "j", "", beginRecord())
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				r := Record{Result: &Result{Address: node(fmt.Sprint(w)), Attempt: fmt.Sprint(n)}}
				if err := j.append(&r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	j.close()
	read, err := ReadJournal(j.path)
	if err != nil || len(read.Records) != writers*each || read.Torn != 0 {
		t.Fatalf("got %+v, %v", read, err)
	}
	next := map[string]int{}
	for _, r := range read.Records {
		key := r.Result.Address.Key.String()
		if r.Result.Attempt != fmt.Sprint(next[key]) {
			t.Fatalf("writer %s: record %s in place of %d", key, r.Result.Attempt, next[key])
		}
		next[key]++
	}
}

// TestFullDisk writes to a device that is always full: the failure is typed,
// stays, and keeps what cannot be announced from starting.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no /dev/full")
	}
	j, err := createJournal(RealDisk{}, t.TempDir(), "j", "", beginRecord())
	if err != nil {
		t.Fatal(err)
	}
	j.f.Close()
	j.f = full
	r := records(t)[1]
	for range 2 {
		err := j.append(&r)
		var failed *JournalError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), "is full") {
			t.Errorf("got %v", err)
		}
	}
	if j.failure() == nil {
		t.Error("the failure was forgotten")
	}
}

func TestJournalCopy(t *testing.T) {
	dir, home := t.TempDir(), filepath.Join(t.TempDir(), "deep", "journal")
	j, err := createJournal(RealDisk{}, dir, "j", home, beginRecord())
	if err != nil {
		t.Fatal(err)
	}
	r := records(t)[2]
	if err := j.append(&r); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(home, "j.journal")
	for _, path := range []string{j.path, copied} {
		if got, err := ReadJournal(path); err != nil || len(got.Records) != 1 {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
		if busy, err := held(path); err != nil || !busy {
			t.Errorf("%s: not locked (%v)", path, err)
		}
	}
	j.drop()
	if exists(j.path) || exists(copied) {
		t.Error("a dropped journal is still there")
	}
}

// TestJournalCopyAcrossFileSystems copies to another file system, where no
// hard link reaches.
func TestJournalCopyAcrossFileSystems(t *testing.T) {
	home, err := os.MkdirTemp("/dev/shm", "nxc-test-")
	if err != nil {
		t.Skip("no other file system to write on")
	}
	defer os.RemoveAll(home)
	dir := t.TempDir()
	j, err := createJournal(RealDisk{}, dir, "j", home, beginRecord())
	if err != nil {
		t.Fatal(err)
	}
	if j.copy == nil {
		t.Skip("/dev/shm is on the same file system")
	}
	for _, r := range records(t) {
		if err := j.append(&r); err != nil {
			t.Fatal(err)
		}
	}
	a, err1 := os.ReadFile(j.path)
	b, err2 := os.ReadFile(filepath.Join(home, "j.journal"))
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("the copy differs (%v, %v)", err1, err2)
	}
	if busy, err := held(filepath.Join(home, "j.journal")); err != nil || !busy {
		t.Errorf("the copy is not locked (%v)", err)
	}
	j.drop()
}

func TestByAge(t *testing.T) {
	journal := func(name string, after ...string) *Journal {
		return &Journal{Name: name, Begin: &Begin{After: after}}
	}
	sorted := byAge([]*Journal{journal("4", "9"), journal("9", "8", "gone"), {Name: "5"}, journal("8"), journal("1", "2"), journal("2", "1")})
	var got string
	for _, j := range sorted {
		got += j.Name
	}
	if got != "218945" {
		t.Errorf("got %s", got)
	}
}

func FuzzJournal(f *testing.F) {
	_, data := writeJournal(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := decodeJournal("fuzz.journal", data)
		if err != nil || j.Begin == nil {
			return
		}
		base := New()
		s, recovered := Replay(base, []*Journal{j})
		if len(recovered) != 1 || !base.IsEmpty() {
			t.Fatalf("got %v", recovered)
		}
		again, _ := Replay(base, []*Journal{j})
		for _, d := range s.Names() {
			if s.Hash(d) != again.Hash(d) {
				t.Fatal("a replay is not the same each time")
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(encode(f, example(f))))
	f.Add([]byte(`{"format":1,"lineage":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode("fuzz", data)
		if err != nil {
			var e *FileError
			if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		_ = s.Verify()
		first, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode("fuzz", first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if second, err := back.Encode(); err != nil || string(first) != string(second) {
			t.Fatalf("not stable (%v):\n%s\n%s", err, first, second)
		}
	})
}
