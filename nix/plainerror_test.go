package nix

import (
	"reflect"
	"strings"
	"testing"
)

func TestParsePlainError(t *testing.T) {
	cases := map[string]struct {
		text  string
		found bool
		raw   string
		pos   position
		trace []traceStep
	}{
		"nothing": {text: "warning: something\n"},
		"one line": {
			text:  "error: stack overflow (possible infinite recursion)",
			found: true,
			raw:   "stack overflow (possible infinite recursion)",
		},
		"message first": {
			text: `error: undefined variable 'pkg'

       at /home/u/composition.nix:3:24:

            2| {
            3|   roles.server = { a = pkg.nginx; };
             |                        ^
            4| }

       … while evaluating 'port'

       at /home/u/port.nix:1:10:

            1| { x = 1; }
             |          ^

       … from call site`,
			found: true,
			raw:   "undefined variable 'pkg'",
			pos:   position{"/home/u/composition.nix", 3, 24},
			trace: []traceStep{
				{Text: "while evaluating 'port'", Pos: position{"/home/u/port.nix", 1, 10}},
				{Text: "from call site"},
			},
		},
		"steps first": {
			text: `error:
       … while evaluating the attribute 'roles'
         at /home/u/composition.nix:2:3:
            1| {
            2|   roles = import ./roles.nix;
             |   ^

       … while calling the 'throw' builtin
         at /home/u/roles.nix:1:1:
            1| throw "two\nlines"

       error: two
       lines`,
			found: true,
			raw:   "two\nlines",
			trace: []traceStep{
				{Text: "while calling the 'throw' builtin", Pos: position{"/home/u/roles.nix", 1, 1}},
				{Text: "while evaluating the attribute 'roles'", Pos: position{"/home/u/composition.nix", 2, 3}},
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			entry, found := parsePlainError(strings.Split(c.text, "\n"))
			if found != c.found || entry.Raw != c.raw || entry.Pos != c.pos {
				t.Errorf("got %v, %q at %+v; want %v, %q at %+v", found, entry.Raw, entry.Pos, c.found, c.raw, c.pos)
			}
			if !reflect.DeepEqual(entry.Trace, c.trace) {
				t.Errorf("got trace %+v\nwant %+v", entry.Trace, c.trace)
			}
		})
	}
}
