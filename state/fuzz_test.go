package state

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
)

// FuzzRecords reads the records of a journal, a line each and without their
// checksums, which keep FuzzJournal out. What can be read is written the same
// each time, and is replayed, or refused, without ado.
func FuzzRecords(f *testing.F) {
	_, data := writeJournal(f)
	payloads, _, _ := frames(data)
	f.Add(string(bytes.Join(payloads, []byte("\n"))))
	base := example(f)
	var lines []string
	add := func(r *Record) {
		line, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	add(&Record{Begin: &Begin{Lineage: "l", Command: Command{Journal: "j", Deployments: base.Names()}, Base: base.Hashes(base.Names()), After: []string{"i"}}})
	for _, d := range base.Deployments() {
		add(&Record{Deployment: &DeploymentChange{Name: d.Name, Record: d}})
	}
	for _, r := range base.Resources() {
		add(&Record{Intent: &Intent{Address: r.Address, Action: Update, Attempt: r.Attempt, Planned: &r.Incarnation, ProviderName: r.Provider}})
		moved := r.Address
		moved.Key = addr.StringKey("moved")
		there := r.Copy()
		there.Address = moved
		add(&Record{Result: &Result{Address: moved, Resource: there, From: r.Address}})
		add(&Record{Result: &Result{Address: moved, Attempt: r.Attempt}})
	}
	add(&Record{End: &End{Hashes: base.Hashes(base.Names()), Done: []string{"i"}}})
	f.Add(strings.Join(lines, "\n"))
	f.Add(`{"intent":{}}` + "\n" + `{"result":{}}`)
	f.Add(`{"deployment":{"name":"top","record":{"nodes":{"0":{}}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		j := &Journal{Name: "fuzz"}
		for line := range strings.Lines(text) {
			r, err := decodeRecord([]byte(strings.TrimSuffix(line, "\n")))
			if err != nil {
				continue
			}
			first, err := r.encode()
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			back, err := decodeRecord(first)
			if err != nil {
				t.Fatalf("what was written cannot be read: %v\n%s", err, first)
			}
			if second, err := back.encode(); err != nil || !bytes.Equal(first, second) {
				t.Fatalf("not stable (%v):\n%s\n%s", err, first, second)
			}
			if r.Begin != nil && j.Begin == nil {
				j.Begin = r.Begin
				continue
			}
			j.Records = append(j.Records, *r)
		}
		if j.Begin == nil {
			return
		}
		for _, on := range []*State{New(), base} {
			s, _ := Replay(on, []*Journal{j})
			again, _ := Replay(on, []*Journal{j})
			if on.Verify() == nil && s.verify(false) != nil {
				t.Fatalf("a replay makes a state that cannot be written: %v", s.verify(false))
			}
			for _, d := range s.Names() {
				if s.Hash(d) != again.Hash(d) {
					t.Fatal("a replay is not the same each time")
				}
			}
		}
	})
}
