package driver

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// BenchmarkCalls measures what a call of a script's costs beside what its node
// takes: 200 nodes that answer at once, each asked several times in parallel.
func BenchmarkCalls(b *testing.B) {
	const nodes = 200
	at := func(context.Context, plugins.Process) (int, error) { return 0, nil }
	o := Options{Python: python(b), Environ: os.Environ(), Flavour: "here", Results: b.TempDir()}
	for i := range nodes {
		o.Nodes = append(o.Nodes, local{name: fmt.Sprintf("node%d", i+1), less: false, exec: at})
	}
	rounds := max(1, b.N/nodes)
	o.Script = Script{File: "bench.py", Text: fmt.Sprintf(`
import time
began = time.monotonic()
for _ in range(%d):
    driver.parallel(lambda machine: machine.succeed("true"))
print(time.monotonic() - began)
`, rounds)}
	var spent time.Duration
	o.Events = func(e Event) {
		if e.Kind == "output" {
			var seconds float64
			if _, err := fmt.Sscan(e.Text, &seconds); err == nil {
				spent = time.Duration(seconds * float64(time.Second))
			}
		}
	}
	result, err := Run(b.Context(), o)
	if err != nil || result.Failure != nil {
		b.Fatal(err, result.Failure)
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(rounds*nodes), "µs/call")
}
