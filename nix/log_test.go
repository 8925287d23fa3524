package nix

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuildLogs replays recorded logs and compares the events and failures
// with golden files. failed.log and substituted.log were written by Nix 2.8,
// nix-2.34-failed.log by 2.34;
// the others are what later versions say.
func TestBuildLogs(t *testing.T) {
	logs, err := filepath.Glob("testdata/logs/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	for _, log := range logs {
		t.Run(filepath.Base(log), func(t *testing.T) {
			var got strings.Builder
			var tracker buildTracker
			reader := logReader{onLog: func(e logEntry) {
				tracker.observe(e, func(e Event) {
					fmt.Fprintf(&got, "%s %s %d/%d %s\n", e.Kind, e.Name, e.Done, e.Expected, e.Text)
				})
			}}
			if _, err := reader.Write([]byte(readTestFile(t, log))); err != nil {
				t.Fatal(err)
			}
			reader.end()
			for _, failure := range tracker.failures() {
				fmt.Fprintf(&got, "failure: %v\n", failure)
			}
			fmt.Fprintf(&got, "tail: %q\n", reader.tail[max(0, len(reader.tail)-2):])
			compareGolden(t, strings.TrimSuffix(log, ".log")+".golden", got.String())
		})
	}
}

func TestParseLogLine(t *testing.T) {
	cases := map[string]struct {
		line string
		want logEntry
	}{
		"empty":   {"", logEntry{Level: levelWarn}},
		"plain":   {"hello\r\n", logEntry{Level: levelWarn, Message: "hello"}},
		"crash":   {"error: stack overflow\n", logEntry{Level: levelError, Message: "error: stack overflow"}},
		"no json": {"@nix {", logEntry{Level: levelWarn, Message: "{"}},
		"message": {`@nix {"action":"msg","level":1,"msg":"\u001b[35;1mwarning:\u001b[0m old"}`, logEntry{Action: "msg", Level: 1, Message: "warning: old"}},
		"position": {
			`@nix {"action":"msg","level":0,"msg":"error: x","raw_msg":"x","file":"/a.nix","line":1,"column":2}`,
			logEntry{Action: "msg", Message: "error: x", Raw: "x", Pos: position{"/a.nix", 1, 2}},
		},
		"no position": {
			`@nix {"action":"msg","level":0,"msg":"error: x","raw_msg":"x","file":null,"line":null,"column":null}`,
			logEntry{Action: "msg", Message: "error: x", Raw: "x"},
		},
		"position in the file's name, too": {
			`@nix {"action":"msg","level":0,"msg":"error: x","raw_msg":"x","file":"/a.nix:1:2","line":1,"column":2}`,
			logEntry{Action: "msg", Message: "error: x", Raw: "x", Pos: position{"/a.nix", 1, 2}},
		},
		"position in a string": {
			`@nix {"action":"msg","level":0,"msg":"error: x","raw_msg":"x","file":"(string)","line":1,"column":2}`,
			logEntry{Action: "msg", Message: "error: x", Raw: "x"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := parseLogLine([]byte(c.line)); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// FuzzLog gives the log's readers anything: they must not fail, and must not
// depend on how the text is cut into writes.
func FuzzLog(f *testing.F) {
	logs, _ := filepath.Glob("testdata/logs/*.log")
	for _, log := range logs {
		f.Add([]byte(readTestFile(f, log)), 7)
	}
	f.Add([]byte("@nix {\"action\":\"result\",\"id\":1,\"type\":105,\"fields\":[1e99,\"x\"]}\n"), 1)
	f.Add([]byte("@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"trace: nxc-read [\\\"file\\\",\\\"/a\\\"]\"}\n"), 100)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		replay := func(size int) string {
			var out strings.Builder
			var builds buildTracker
			var reads readLog
			reader := logReader{onLog: func(e logEntry) {
				reads.observe(e)
				builds.observe(e, func(e Event) { fmt.Fprintln(&out, e) })
			}}
			for rest := text; len(rest) > 0; {
				n := min(len(rest), size)
				_, _ = reader.Write(rest[:n])
				rest = rest[n:]
			}
			reader.end()
			fmt.Fprintln(&out, reads.reads(), builds.failures(), reader.tail)
			return out.String()
		}
		whole, pieces := replay(len(text)+1), replay(max(1, size%4096))
		if whole != pieces {
			t.Errorf("cut into pieces of %d: got\n%s\nwant\n%s", size, pieces, whole)
		}
	})
}
