package deploy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/state"
)

// counted is a disk that counts how often the journal is flushed.
type counted struct {
	state.RealDisk
	flushes atomic.Int64
}

func (d *counted) Append(journal *os.File, records []byte) error {
	d.flushes.Add(1)
	return d.RealDisk.Append(journal, records)
}

// unflushed is a disk that does not flush the journal, to compare with.
type unflushed struct{ state.RealDisk }

func (unflushed) Append(journal *os.File, records []byte) error {
	_, err := journal.Write(records)
	return err
}

// BenchmarkFlushes applies on a disk that flushes and on one that does not, in
// turns, and tells how many flushes a resource needs and what they cost an
// apply, in time and in processor time. A thing that is made in no time shows the worst that the journal's share
// can be; one that takes 200 ms, less than a container, what a user has of it. On
// a disk that others write to it tells more of them than of nxc.
func BenchmarkFlushes(b *testing.B) {
	for _, shape := range []struct {
		delay string
		n     int
	}{{"0s", 1000}, {"0s", 10000}, {"200ms", 300}} {
		b.Run(fmt.Sprintf("%s/%d", shape.delay, shape.n), func(b *testing.B) {
			text := fmt.Sprintf("resource \"fake_thing\" \"t\" {\n  count = %d\n  name  = \"n${count.index}\"\n  delay = %q\n}\n", shape.n, shape.delay)
			var wall, processor [2]time.Duration
			flushed := &counted{}
			for b.Loop() {
				for i, disk := range []state.Disk{flushed, unflushed{}} {
					box := newBench(b, text)
					began, used := time.Now(), processorTime(b)
					box.must(b, disk, "apply")
					wall[i] += time.Since(began)
					processor[i] += processorTime(b) - used
				}
			}
			b.ReportMetric(float64(wall[0].Microseconds())/float64(b.N*shape.n), "µs/resource")
			b.ReportMetric(float64(flushed.flushes.Load())/float64(b.N*shape.n), "flushes/resource")
			b.ReportMetric(100*float64(wall[0]-wall[1])/float64(wall[0]), "%wall")
			b.ReportMetric(100*float64(processor[0]-processor[1])/float64(processor[0]), "%cpu")
		})
	}
}

// processorTime is what this process used of processors until now.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkApply creates n things. What that costs a resource should not grow
// with n, nor its part of the state's size, also when each depends on the last.
// What of it is the journal's, BenchmarkFlushes tells.
func BenchmarkApply(b *testing.B) {
	for _, shape := range []struct {
		name, configuration string
		sizes               []int
	}{
		{"independent", "resource \"fake_thing\" \"t\" {\n  count = %d\n  name  = \"n${count.index}\"\n}\n", []int{100, 1000, 10000}},
		{"chain", "", []int{100, 1000, 5000}},
		{"200ms", "resource \"fake_thing\" \"t\" {\n  count = %d\n  name  = \"n${count.index}\"\n  delay = \"200ms\"\n}\n", []int{100, 300}},
	} {
		for _, n := range shape.sizes {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				text := chain(n)
				if shape.configuration != "" {
					text = fmt.Sprintf(shape.configuration, n)
				}
				var spent time.Duration
				var size int64
				for b.Loop() {
					box := newBench(b, text)
					began := time.Now()
					box.must(b, state.RealDisk{}, "apply")
					spent += time.Since(began)
					info, err := os.Stat(box.stateFile())
					if err != nil {
						b.Fatal(err)
					}
					size = info.Size()
				}
				b.ReportMetric(float64(spent.Microseconds())/float64(b.N*n), "µs/resource")
				b.ReportMetric(float64(size)/float64(n), "B/resource")
			})
		}
	}
}

// chain is n things, each of which says the last one's id.
func chain(n int) string {
	var text []byte
	for i := range n {
		content := `""`
		if i > 0 {
			content = fmt.Sprintf("fake_thing.t%d.id", i-1)
		}
		text = fmt.Appendf(text, "resource \"fake_thing\" \"t%d\" {\n  name    = \"n%d\"\n  content = %s\n}\n", i, i, content)
	}
	return string(text)
}

func newBench(b *testing.B, configuration string) *sandbox {
	b.Helper()
	dir := b.TempDir()
	box := &sandbox{dir: dir, root: filepath.Join(dir, ".nxc", "fake")}
	if err := box.write(configuration, ""); err != nil {
		b.Fatal(err)
	}
	return box
}

func (b *sandbox) must(t *testing.B, disk state.Disk, command string) {
	t.Helper()
	c := &session{sandbox: b, plugins: &inProcess{}, disk: disk, parallelism: 10}
	if _, diags := c.run(context.Background(), context.Background(), command); diags.HasErrors() {
		t.Fatal(diags)
	}
}
