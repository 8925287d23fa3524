package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/internal/addr"
)

func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "format1.json")
	s := example(t)
	got := encode(t, s)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the format has changed; read the difference after go test -update:\n%s", got)
	}
	back, err := Decode(path, want)
	if err != nil {
		t.Fatal(err)
	}
	if again := encode(t, back); again != string(want) {
		t.Errorf("reading and writing changes the file:\n%s", again)
	}
	for _, d := range []addr.Deployment{top, docker, vm, {Composition: "no", Flavour: "such"}} {
		if s.Hash(d) != back.Hash(d) {
			t.Errorf("%q has another hash after reading", d)
		}
	}
}

func TestHashIsOverMeaning(t *testing.T) {
	s := example(t)
	data := encode(t, s)
	s.Open = nil
	closed := encode(t, s)
	spaced := strings.ReplaceAll(strings.ReplaceAll(closed, "\n", "\n\n\t"), `"name": "lan"`, `"name":"l\u0061n"`)
	for name, text := range map[string]string{"as written": data, "without open marks": closed, "in another spelling": spaced} {
		got, err := Decode(name, []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, d := range s.Names() {
			if got.Hash(d) != s.Hash(d) {
				t.Errorf("%s: %q has another hash", name, d)
			}
		}
	}
	before := s.Hash(docker)
	changed := s.Clone()
	r := changed.Resource(node("server")).Copy()
	r.Status = Tainted
	changed.SetResource(r)
	if changed.Hash(docker) == before || s.Hash(docker) != before {
		t.Error("a changed resource must change the hash of its deployment, and a clone's change no other state")
	}
	if changed.Hash(top) != s.Hash(top) {
		t.Error("a change in one deployment must not change the hash of another")
	}
}

func TestReadTrouble(t *testing.T) {
	good := encode(t, example(t))
	line := func(of string) int { return 1 + strings.Count(good[:strings.Index(good, of)], "\n") }
	replace := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	tests := map[string]struct {
		data    string
		trouble Trouble
		line    int
		detail  string
		remedy  string
	}{
		"empty":         {"", Truncated, 1, "the state file is empty", "if nothing was ever deployed here"},
		"zeros":         {strings.Repeat("\x00", 40), Corrupt, 1, `expected '{'`, ".nxc/backup"},
		"truncated":     {good[:len(good)/2], Truncated, 0, "the file ends in the middle of", "bring the last good one back"},
		"no format":     {`{"lineage": "x"}`, Corrupt, 1, `"format" is missing`, "git"},
		"not an object": {`[1]`, Corrupt, 1, `expected '{', found '['`, "git"},
		"newer":         {"{\n  \"format\": 2,\n  \"requires\": \"0.7.0\",\n  \"future\": <>\n}", Newer, 2, "format 2", "install nxc 0.7.0 or later"},
		"newer, mute":   {`{"format": 9}`, Newer, 1, "format 9", "install a newer nxc"},
		"format zero":   {`{"format": 0}`, Corrupt, 1, "no format 0", "git"},
		"comma":         {replace(`"id": "c1"`, `"id": "c1",`), Corrupt, 0, "expected", "git"},
		"unknown":       {replace(`"uuid"`, `"serial": 3, "uuid"`), Corrupt, line(`"uuid"`), `"serial" is not a member`, "git"},
		"bad status":    {replace(`"tainted"`, `"broken"`), Corrupt, line(`"tainted"`), `"broken" is not a status`, "git"},
		"bad address":   {replace(`"docker_network.lan": {`, `"docker_network": {`), Corrupt, line(`"docker_network.lan": {`), "not an address", "git"},
		"wrong type":    {replace(`"pid": 4711`, `"pid": "x"`), Corrupt, line(`"pid"`), "expected a value", "git"},
		"conflict": {
			replace(`"id": "c1"`, "\n<<<<<<< HEAD\n\"id\": \"c1\"\n=======\n\"id\": \"c9\"\n>>>>>>> other"),
			Conflict, 1 + line(`"id": "c1"`), "git left conflict markers", "git checkout --ours",
		},
		"duplicate member":   {replace(`"name": "server"`, `"name": "server", "name": "x"`), Duplicate, line(`"name": "server"`), "second time", "remove the other"},
		"duplicate resource": {replace(`"docker_network.lan": {`, "\"docker_network.lan\": {},\n\"docker_network.lan\": {"), Duplicate, 1 + line(`"docker_network.lan": {`), "second time", "remove the other"},
		"two spellings": {
			replace(`"null_resource.many[2]"`, `"null_resource.many[ 2 ]": {}, "null_resource.many[2]"`),
			Duplicate, line(`"null_resource.many[2]"`), "second time", "remove the other",
		},
		"more behind": {good + "{}", Corrupt, 1 + strings.Count(good, "\n"), "something follows", "git"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "nxc.state.json")
			if err := os.WriteFile(path, []byte(test.data), 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, err := Read(path)
			var e *FileError
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a *FileError", err)
			}
			if e.Trouble != test.trouble || e.Path != path || (test.line > 0 && e.Line != test.line) {
				t.Errorf("got %s at line %d, want %s at line %d: %v", e.Trouble, e.Line, test.trouble, test.line, e)
			}
			if !strings.Contains(e.Detail, test.detail) || !strings.Contains(e.Remedy, test.remedy) {
				t.Errorf("got %q and %q, want %q and %q", e.Detail, e.Remedy, test.detail, test.remedy)
			}
		})
	}
}

func TestReadNothing(t *testing.T) {
	s, found, err := Read(filepath.Join(t.TempDir(), "nxc.state.json"))
	if err != nil || found || !s.IsEmpty() || s.Lineage == "" {
		t.Errorf("got %+v, %v, %v; want an empty state with a lineage", s, found, err)
	}
}

// TestEveryPrefixIsTruncated cuts the file everywhere: no prefix may be taken
// for a state.
func TestEveryPrefixIsTruncated(t *testing.T) {
	good := strings.TrimRight(encode(t, example(t)), "\n")
	for n := range len(good) {
		if _, err := Decode("x", []byte(good[:n])); err == nil {
			t.Fatalf("the first %d bytes were taken for a whole state", n)
		}
	}
}

func TestVerify(t *testing.T) {
	change := func(a addr.Instance, f func(*Resource)) func(*State) {
		return func(s *State) {
			r := s.Resource(a).Copy()
			f(r)
			s.SetResource(r)
		}
	}
	tests := map[string]struct {
		change func(*State)
		want   string
	}{
		"nothing":            {func(*State) {}, ""},
		"lineage":            {func(s *State) { s.Lineage = "" }, "lineage: there is none"},
		"missing dependency": {func(s *State) { s.RemoveResource(lan()) }, `depends on docker_network.lan, which does not exist`},
		"twice":              {change(node("server"), func(r *Resource) { r.Dependencies = append(r.Dependencies, lan()) }), "depends on docker_network.lan twice"},
		"cycle": {
			change(lan(), func(r *Resource) { r.Dependencies = []addr.Instance{node("client1")} }),
			`depends on itself: docker_network.lan -> composition.webserver.docker.docker_container["client1"] -> `,
		},
		"itself":           {change(lan(), func(r *Resource) { r.Dependencies = []addr.Instance{lan()} }), "docker_network.lan -> docker_network.lan"},
		"unknown provider": {change(lan(), func(r *Resource) { r.Provider = "docker.lab2" }), `provider "docker.lab2" is not recorded`},
		"no object":        {change(lan(), func(r *Resource) { r.Incarnation = Incarnation{} }), "there is no object"},
		"one attempt":      {change(node("client1"), func(r *Resource) { r.Deposed[0].Attempt = r.Attempt }), "made two objects"},
		"no record":        {func(s *State) { s.RemoveDeployment(top) }, "its deployment top is not recorded"},
		"no uuid":          {func(s *State) { s.SetDeployment(&Deployment{Name: vm}) }, "it has no uuid"},
		"same uuid":        {func(s *State) { s.SetDeployment(&Deployment{Name: vm, UUID: s.Deployment(docker).UUID}) }, "it has the uuid of webserver::docker"},
		"node twice": {func(s *State) {
			d := s.Deployment(docker).Copy()
			d.Nodes = append(d.Nodes, d.Nodes[0])
			s.SetDeployment(d)
		}, `two nodes are called "server"`},
		"node elsewhere": {func(s *State) {
			d := s.Deployment(docker).Copy()
			d.Nodes[0].Resource = lan()
			s.SetDeployment(d)
		}, "a resource of another deployment"},
		"open twice":   {func(s *State) { s.Open = append(s.Open, s.Open[0]) }, "stands there twice"},
		"open nowhere": {func(s *State) { s.Open = []Command{{Journal: "../x", Host: "h", PID: 1}} }, "is not a journal's name"},
		"open nobody":  {func(s *State) { s.Open = []Command{{Journal: "x"}} }, "does not say who writes it"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := example(t)
			test.change(s)
			err := s.Verify()
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *InvariantError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	s := example(t)
	all := s.Resources()
	if !slices.IsSortedFunc(all, func(a, b *Resource) int { return a.Address.Compare(b.Address) }) || len(all) != s.Len() {
		t.Errorf("resources are not in order: %v", all)
	}
	if names := s.Names(); !slices.Equal(names, []addr.Deployment{top, docker, vm}) {
		t.Errorf("got %v", names)
	}
}
