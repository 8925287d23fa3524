// Package command is nxc's command line: one file a command.
//
// A command parses its flags into a plain struct, has the work done by
// package deploy, and shows the result through package view. Only cli.go
// knows the command line library.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exit statuses. They are part of the interface.
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2   // plan -detailed-exitcode: there are changes
	exitTimeout     = 124 // exec: the time was up, as timeout(1) has it
	exitInterrupted = 130 // Ctrl-C ended the command; what ran was finished and saved
	exitLost        = 255 // exec: the program could not be run, or its node was lost, as ssh has it
)

// command is one subcommand.
type command struct {
	synopsis string // one line
	usage    string // what follows "nxc NAME"
	help     string // paragraphs and examples
	flags    func(*flag.FlagSet)
	run      func(ctx context.Context, args []string) int
	hidden   bool
	program  bool // its arguments end with another program's, after "--", which they keep
}

// parse reads flags wherever they stand before "--" and returns the other
// arguments.
func (c *command) parse(name string, args []string) ([]string, error) {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	if c.flags != nil {
		c.flags(fs)
	}
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, c.flagError(fs, err)
		}
		left := fs.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if parsed := len(args) - len(left); parsed > 0 && args[parsed-1] == "--" {
			if c.program {
				rest = append(rest, "--")
			}
			return append(rest, left...), nil
		}
		rest = append(rest, left[0])
		args = left[1:]
	}
}

// flagError says what is wrong with the flags, and what there is.
func (c *command) flagError(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		var known []string
		fs.VisitAll(func(f *flag.Flag) { known = append(known, "-"+f.Name) })
		if c.program {
			return fmt.Errorf("there is no flag -%s; write -- before the program, if it is one of the program's", name)
		}
		hint := suggest("-"+name, known)
		if foreign := foreignFlag(name); foreign != "" && (hint == "" || terraformFlags[name] != "") {
			hint = foreign
		}
		return fmt.Errorf("there is no flag -%s%s", name, hint)
	}
	return durationError(fs, err)
}

// badValue is how package flag says that a value is none of a flag's type.
var badValue = regexp.MustCompile(`^invalid value "(.*)" for flag -([^:]+): `)

// durationError says what is missing in a duration, most often its unit.
func durationError(fs *flag.FlagSet, err error) error {
	m := badValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	f := fs.Lookup(m[2])
	if f == nil {
		return err
	}
	if g, ok := f.Value.(flag.Getter); !ok {
		return err
	} else if _, ok := g.Get().(time.Duration); !ok {
		return err
	}
	if _, number := strconv.ParseFloat(m[1], 64); number == nil {
		return fmt.Errorf("-%s %s has no unit; write %ss for seconds, or another of ms, s, m, h", m[2], m[1], m[1])
	}
	return fmt.Errorf("-%s %s is no duration; write one such as 90s, 10m or 1h30m", m[2], m[1])
}

// sameLetters reports whether two words differ in the order of letters only.
func sameLetters(a, b string) bool {
	return slices.Equal(slices.Sorted(strings.SplitSeq(a, "")), slices.Sorted(strings.SplitSeq(b, "")))
}

// flagHelp lists the flags for a help text.
func (c *command) flagHelp() string {
	if c.flags == nil {
		return ""
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	c.flags(fs)
	var b strings.Builder
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		head := "-" + f.Name
		if value != "" {
			head += " " + value
		}
		fmt.Fprintf(&b, "  %-26s %s", head, strings.ReplaceAll(usage, "\n", "\n"+strings.Repeat(" ", 29)))
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0s" {
			fmt.Fprintf(&b, " (default %s)", f.DefValue)
		}
		b.WriteByte('\n')
	})
	return b.String()
}

// stringList is a flag that may be given several times.
type stringList []string

func (l *stringList) String() string { return strings.Join(*l, ",") }

// Set appends a value.
func (l *stringList) Set(s string) error {
	if s == "" {
		return errors.New("the value is empty")
	}
	*l = append(*l, s)
	return nil
}

// suggest returns `; did you mean "-x"?` for the closest known name.
func suggest(given string, known []string) string {
	slices.Sort(known)
	best, distance := "", 3
	for _, k := range known {
		// A word of which little is left is another word.
		if d := editDistance(given, k); d < distance && (2*d < max(len(given), len(k)) || sameLetters(given, k)) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
