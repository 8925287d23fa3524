package host_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/host"
)

// BenchmarkRead20000 refreshes 20,000 objects through a plugin process, and
// tells what that costs on the plugin's side.
func BenchmarkRead20000(b *testing.B) {
	c, d := host.Launch(b.Context(), options("plugin"))
	if d.HasErrors() {
		b.Fatal(d)
	}
	defer c.Kill()
	rs := make([]plugins.ReadRequest, 20000)
	for i := range rs {
		rs[i] = plugins.ReadRequest{
			Type:      "test_thing",
			Operation: plugins.Operation{Address: fmt.Sprintf("test_thing.a[%d]", i), UUID: "0123456789abcdef0123456789abcdef"},
			Object: cty.ObjectVal(map[string]cty.Value{
				"name": cty.StringVal(fmt.Sprint("thing ", i, strings.Repeat(" with a long name", 10))), "id": cty.StringVal("f00"),
			}),
		}
	}
	before := cpuTicks(b, c.PID())
	for b.Loop() {
		if d := c.Read(b.Context(), rs, func(int, plugins.ReadResult) {}); d.HasErrors() {
			b.Fatal(d)
		}
	}
	b.ReportMetric(float64(cpuTicks(b, c.PID())-before)*10/float64(b.N), "plugin-cpu-ms/op")
}

// BenchmarkLaunch starts a plugin, asks for its schema and ends it.
func BenchmarkLaunch(b *testing.B) {
	for b.Loop() {
		c, d := host.Launch(b.Context(), options("plugin"))
		if d.HasErrors() {
			b.Fatal(d)
		}
		if _, d := c.Schema(b.Context()); d.HasErrors() {
			b.Fatal(d)
		}
		c.Close(b.Context())
	}
}

// BenchmarkCachedSchema is what a command pays that needs schemas only.
func BenchmarkCachedSchema(b *testing.B) {
	o := options("plugin")
	o.Cache = b.TempDir()
	if _, d := host.Schema(b.Context(), o); d.HasErrors() {
		b.Fatal(d)
	}
	for b.Loop() {
		if _, ok := host.CachedSchema(o.Cache, o); !ok {
			b.Fatal("not cached")
		}
	}
}

// cpuTicks returns the CPU time of a process, in hundredths of a second.
func cpuTicks(b *testing.B, pid int) int64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return user + system
}
