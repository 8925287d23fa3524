//go:build ignore

// This program runs `go test -json` with the arguments that it is given and
// prints what a person wants to see: a line for each package with its number
// of tests, the whole output of what failed, what was skipped and why, and at
// the end the tests that took longest, the last lines of what failed, and a
// count. It exits 1 when anything failed, when nothing ran, or when the tests
// left something behind: see leftovers.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sort"
	"strings"
	"time"
)

// event is a line of test2json's output.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events
	Test       string
	Output     string
	Elapsed    float64
}

// result collects what is known of one package.
type result struct {
	passed, failed, skipped int
	output                  map[string][]string // by test, "" is the package's own
	skips                   []string
}

type summary struct {
	out      io.Writer
	packages map[string]*result
	builds   map[string][]string // output of compilers by import path
	failed   []string            // packages
	took     []event             // ends of tests that have no tests of their own
}

func main() {
	s := &summary{out: os.Stdout, packages: map[string]*result{}, builds: map[string][]string{}}
	before, started := existing(), time.Now()
	err := s.run(append([]string{"test", "-json"}, os.Args[1:]...))
	took, left := time.Since(started), leftovers(before)
	for _, one := range left {
		fmt.Fprintf(s.out, "left behind: %s\n", one)
	}
	if !s.report(took) || err != nil || len(left) > 0 {
		if err != nil && len(s.failed) == 0 {
			fmt.Fprintf(os.Stderr, "go test: %v\n", err)
		}
		os.Exit(1)
	}
}

// run starts the tests and prints each package as it ends.
func (s *summary) run(args []string) error {
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				s.event(e)
			} else {
				s.out.Write(line)
			}
		}
		if err != nil {
			break
		}
	}
	return cmd.Wait()
}

func (s *summary) event(e event) {
	if strings.HasPrefix(e.Action, "build-") {
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
		return
	}
	r := s.packages[e.Package]
	if r == nil {
		r = &result{output: map[string][]string{}}
		s.packages[e.Package] = r
	}
	switch e.Action {
	case "output":
		r.output[e.Test] = append(r.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageEnd(e, r)
			return
		}
		r.testEnd(e)
		// A test ends after those that it is made of.
		if !slices.ContainsFunc(s.took, func(part event) bool {
			return part.Package == e.Package && strings.HasPrefix(part.Test, e.Test+"/")
		}) {
			s.took = append(s.took, e)
		}
	}
}

func (r *result) testEnd(e event) {
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
	case "skip":
		r.skipped++
		r.skips = append(r.skips, e.Test+": "+r.reason(e.Test))
	}
	if e.Action != "fail" { // only a failure is shown with its output
		delete(r.output, e.Test)
	}
}

// reason returns what a skipped test said, on one line.
func (r *result) reason(test string) string {
	return strings.Join(r.said(test), " ")
}

// said returns the lines of a test's output that are its own.
func (r *result) said(test string) []string {
	var said []string
	for _, line := range r.output[test] {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") || strings.Contains(line, ": WORK=") { // testscript's
			continue
		}
		said = append(said, line)
	}
	return said
}

func (s *summary) packageEnd(e event, r *result) {
	switch {
	case e.Action == "fail":
		s.failed = append(s.failed, e.Package)
		s.explain(e, r)
	case r.passed+r.skipped == 0:
		return // no tests
	default:
		fmt.Fprintf(s.out, "ok    %-60s %4d tests  %6.2fs\n", e.Package, r.passed, e.Elapsed)
	}
	for _, skip := range r.skips {
		fmt.Fprintf(s.out, "      skipped %s\n", skip)
	}
}

func (s *summary) explain(e event, r *result) {
	fmt.Fprintf(s.out, "FAIL  %-60s %4d tests, %d failed  %6.2fs\n", e.Package, r.passed+r.failed, r.failed, e.Elapsed)
	paths := make([]string, 0, len(s.builds))
	for path := range s.builds {
		if path == e.Package || strings.HasPrefix(path, e.Package+" ") {
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	for _, path := range paths {
		io.WriteString(s.out, strings.Join(s.builds[path], ""))
	}
	// What remains is of tests that failed or never ended. The package's own
	// lines come last: a panic or a deadline is there.
	tests := make([]string, 0, len(r.output))
	for test := range r.output {
		if test != "" {
			tests = append(tests, test)
		}
	}
	sort.Strings(tests)
	for _, test := range append(tests, "") {
		io.WriteString(s.out, strings.Join(r.output[test], ""))
	}
}

// slowest prints the tests that took longest, where they took long.
func (s *summary) slowest() {
	slices.SortStableFunc(s.took, func(a, b event) int { return cmp.Compare(b.Elapsed, a.Elapsed) })
	for _, e := range s.took[:min(20, len(s.took))] {
		if e.Elapsed > 10 {
			fmt.Fprintf(s.out, "slow  %-60s %17.2fs\n", e.Test, e.Elapsed)
		}
	}
}

// failures prints the last lines of each test that failed once more, where they
// are found: what a log leaves out is in its middle.
func (s *summary) failures() {
	for _, e := range s.took {
		if e.Action != "fail" {
			continue
		}
		fmt.Fprintf(s.out, "\nfailed  %s\n", e.Test)
		lines := s.packages[e.Package].said(e.Test)
		for _, line := range lines[max(0, len(lines)-8):] {
			fmt.Fprintf(s.out, "        %.300s\n", line)
		}
	}
}

// report prints the count, and returns whether all is well.
func (s *summary) report(took time.Duration) bool {
	var passed, failed, skipped, packages int
	for _, r := range s.packages {
		passed, failed, skipped = passed+r.passed, failed+r.failed, skipped+r.skipped
		if r.passed+r.failed+r.skipped > 0 {
			packages++
		}
	}
	s.slowest()
	s.failures()
	fmt.Fprintf(s.out, "\n%d tests in %d packages: %d passed, %d failed, %d skipped, in %s\n",
		passed+failed+skipped, packages, passed, failed, skipped, took.Round(100*time.Millisecond))
	for _, p := range s.failed {
		fmt.Fprintf(s.out, "FAIL  %s\n", p)
	}
	return len(s.failed) == 0 && failed == 0 && passed > 0
}
