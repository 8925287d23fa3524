package nix

import (
	"slices"
	"testing"
)

func closureOf(paths map[string]int64) Closure {
	var c Closure
	for path := range paths {
		c.Paths = append(c.Paths, path)
	}
	slices.Sort(c.Paths)
	for _, path := range c.Paths {
		c.Sizes = append(c.Sizes, paths[path])
	}
	return c
}

const someHash = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-"

func TestDiffClosures(t *testing.T) {
	old := closureOf(map[string]int64{
		someHash + "nginx-1.26.1": 100, someHash + "curl-8.9.1": 50, someHash + "same-1": 10,
		someHash + "grows-2": 10, someHash + "etc": 5,
	})
	now := closureOf(map[string]int64{
		someHash + "nginx-1.26.2": 120, someHash + "jq-1.7": 30, someHash + "same-1": 11,
		someHash + "grows-2": 10 + smallest, someHash + "etc": 5,
	})
	var got []string
	for _, c := range DiffClosures(old, now) {
		got = append(got, c.String())
	}
	want := []string{"-curl 8.9.1", "grows", "+jq 1.7", "nginx 1.26.1 -> 1.26.2"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSplitName(t *testing.T) {
	for name, want := range map[string][2]string{
		"nginx-1.26.1":      {"nginx", "1.26.1"},
		"nix-2.18.1-man":    {"nix", "2.18.1-man"},
		"etc":               {"etc", ""},
		"unit-foo.service":  {"unit-foo.service", ""},
		"python3-3.11":      {"python3", "3.11"},
		"linux-6.1.0-amd64": {"linux", "6.1.0-amd64"},
	} {
		base, version := splitName(name)
		if got := [2]string{base, version}; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestShortestChain(t *testing.T) {
	const dot = `digraph G {
"b-lib-1" -> "a-system" [color = "red"];
"c-openssl-3" -> "b-lib-1" [color = "red"];
"d-long" -> "a-system" [color = "red"];
"e-longer" -> "d-long" [color = "red"];
"c-openssl-3" -> "e-longer" [color = "red"];
"a-system" [label = "system", shape = box];
}
`
	if got := parseGraph(dot)["a-system"]; !slices.Equal(got, []string{"b-lib-1", "d-long"}) {
		t.Errorf("references: %q", got)
	}
	graph := map[string][]string{
		someHash[11:] + "system":    {someHash[11:] + "lib-1", someHash[11:] + "long-1"},
		someHash[11:] + "lib-1":     {someHash[11:] + "openssl-3"},
		someHash[11:] + "long-1":    {someHash[11:] + "longer-1"},
		someHash[11:] + "longer-1":  {someHash[11:] + "openssl-3"},
		someHash[11:] + "openssl-3": nil,
	}
	want := []string{someHash + "system", someHash + "lib-1", someHash + "openssl-3"}
	if got := shortestChain(graph, someHash[11:]+"system", "openssl"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := shortestChain(graph, someHash[11:]+"system", "absent"); got != nil {
		t.Errorf("got %q for what is not there", got)
	}
}
