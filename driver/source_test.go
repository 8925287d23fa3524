package driver

import (
	"slices"
	"testing"
)

func TestLocate(t *testing.T) {
	file := `{ pkgs, ... }:
{
  roles = { };
  testScript = ''
    start_all()

    with subtest("${name} works"):
        server.succeed("echo ''${HOME}")
    ${more}
    client.succeed("true")
  '';
}
`
	tests := map[string]struct {
		script, file string
		from         int
		want         []int
	}{
		"plain":               {"a()\nb()\n", "x = ''\n  a()\n  b()\n'';", 1, []int{2, 3}},
		"one line":            {"a()", "\n  testScript = ''a()'';\n", 2, []int{2}},
		"double quote":        {"a()", "\n  testScript = \"a()\";\n", 2, nil},
		"read from elsewhere": {"a()\nb()", "testScript = builtins.readFile ./test.py;\n", 1, nil},
		"values": {
			"start_all()\n\nwith subtest(\"web works\"):\n    server.succeed(\"echo ${HOME}\")\none()\ntwo()\nclient.succeed(\"true\")\n",
			file, 4, []int{5, 5, 7, 8, 8, 8, 10},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Locate(tt.script, tt.file, tt.from); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
