package nixostest

import (
	"regexp"
	"strings"
)

// failure is what a log says of a test's end.
type failure struct {
	text    string
	builder bool // Nix did not come as far as the test
}

var (
	// A traceback of NixOS's driver, or of ours, whose lines begin so.
	complaint = regexp.MustCompile(`^(?:\S+ )?!!! ?(.*)$`)
	// What Nix says around the test.
	ofNix = regexp.MustCompile(`^(these derivations|this derivation|building '|error: build(er|ing)? |  /nix/store/|note: |\s*(last \d+ log lines|For full logs))`)
)

// tailLines is how much of a log is shown.
const tailLines = 12

// readFailure finds the traceback in a log, and the lines before it.
func readFailure(log string) failure {
	var traceback, before []string
	began := false
	for _, line := range strings.Split(strings.TrimRight(plain(log), "\n"), "\n") {
		line = strings.TrimRight(line, "\r ")
		if strings.HasPrefix(line, "building '") && strings.Contains(line, "vm-test-run-") {
			began = true
		}
		if m := complaint.FindStringSubmatch(line); m != nil {
			traceback = append(traceback, m[1])
			continue
		}
		if line != "" && !ofNix.MatchString(line) && len(traceback) == 0 {
			before = append(before, line)
		}
	}
	if len(before) > tailLines {
		before = append([]string{"…"}, before[len(before)-tailLines:]...)
	}
	f := failure{builder: !began && len(traceback) == 0}
	if len(traceback) > 0 {
		f.text = strings.Join(traceback, "\n")
		if len(before) > 0 {
			f.text += "\nBefore that, the log ends:\n" + strings.Join(before, "\n")
		}
		return f
	}
	f.text = strings.Join(before, "\n")
	if f.builder { // what Nix itself says is all there is
		lines := strings.Split(strings.TrimSpace(plain(log)), "\n")
		f.text = strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
	}
	return f
}
