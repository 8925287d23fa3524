package nix

import (
	"encoding/json"
	"testing"
)

func TestDiff(t *testing.T) {
	full := Manifest{
		Packages: []Package{{"nginx", "1.26.1"}, {"curl", "8.9.0"}, {"python", "3.11"}, {"python", "3.12"}},
		Units:    map[string]string{"nginx.service": "a", "sshd.service": "b"},
		Etc:      map[string]string{"hosts": "a"},
		Kernel:   &Kernel{"linux", "6.6.1", []string{"quiet", "panic=1"}},
		Users:    []string{"root", "nginx"},
		Options:  map[string]json.RawMessage{"nxc.ports": json.RawMessage(`[80]`)},
	}
	cases := map[string]struct {
		from, to Manifest
		want     string
	}{
		"nothing":       {Manifest{}, Manifest{}, ""},
		"same":          {full, full, ""},
		"other order":   {Manifest{Packages: []Package{{"a", "1"}, {"b", "1"}}}, Manifest{Packages: []Package{{"b", "1"}, {"a", "1"}, {"a", "1"}}}, ""},
		"other spacing": {Manifest{Options: map[string]json.RawMessage{"x": json.RawMessage(`{"a": 1, "b": 2}`)}}, Manifest{Options: map[string]json.RawMessage{"x": json.RawMessage(`{"b":2,"a":1}`)}}, ""},
		"version and new package": {
			Manifest{Packages: []Package{{"nginx", "1.26.1"}}},
			Manifest{Packages: []Package{{"curl", "8.9.1"}, {"nginx", "1.26.2"}}},
			"nginx 1.26.1 -> 1.26.2, +curl 8.9.1",
		},
		"removed":             {Manifest{Packages: []Package{{"curl", "8.9.1"}}}, Manifest{}, "-curl 8.9.1"},
		"without a version":   {Manifest{}, Manifest{Packages: []Package{{"script", ""}}}, "+script"},
		"version appears":     {Manifest{Packages: []Package{{"script", ""}}}, Manifest{Packages: []Package{{"script", "1"}}}, "script (none) -> 1"},
		"one of two versions": {Manifest{Packages: []Package{{"python", "3.11"}, {"python", "3.12"}}}, Manifest{Packages: []Package{{"python", "3.12"}}}, "-python 3.11"},
		"units":               {Manifest{Units: map[string]string{"a": "1", "b": "1"}}, Manifest{Units: map[string]string{"b": "2", "c": "1"}}, "-a, ~b, +c"},
		"etc":                 {Manifest{Etc: map[string]string{"hosts": "1"}}, Manifest{Etc: map[string]string{"hosts": "2"}}, "~/etc/hosts"},
		"kernel":              {Manifest{Kernel: &Kernel{"linux", "6.6.1", nil}}, Manifest{Kernel: &Kernel{"linux", "6.6.2", []string{"quiet"}}}, "kernel linux 6.6.1 -> linux 6.6.2, +kernel parameter quiet"},
		"kernel appears":      {Manifest{}, Manifest{Kernel: &Kernel{"linux", "6.6.1", nil}}, "+kernel linux 6.6.1"},
		"users":               {Manifest{Users: []string{"root"}}, Manifest{Users: []string{"alice", "root"}}, "+user alice"},
		"options":             {Manifest{Options: map[string]json.RawMessage{"nxc.ports": json.RawMessage(`[80]`)}}, Manifest{Options: map[string]json.RawMessage{"nxc.ports": json.RawMessage(`[80, 81]`)}}, "nxc.ports [80] -> [80,81]"},
		"everything goes":     {full, Manifest{}, "-curl 8.9.0, -nginx 1.26.1, -python 3.11, -python 3.12, -kernel linux 6.6.1, -kernel parameter panic=1, -kernel parameter quiet, -nginx.service, -sshd.service, -/etc/hosts, -user nginx, -user root, -nxc.ports [80]"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := Diff(c.from, c.to)
			if got := d.String(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if d.Empty() != (c.want == "") {
				t.Errorf("empty is %v", d.Empty())
			}
		})
	}
}
