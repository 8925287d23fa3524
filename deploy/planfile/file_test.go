package planfile_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/deploy/planfile"
	"github.com/nixos-compose/nxc/internal/marks"
)

func value(t testing.TB, v cty.Value) *planfile.Value {
	t.Helper()
	out, err := planfile.NewValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func example(t testing.TB) *planfile.File {
	return &planfile.File{
		Format: planfile.Format, Version: "0.1.0", Lineage: "l", Workspace: "default",
		Hashes:  map[string]string{"top": "sha256:aa", "web::docker": ""},
		Request: planfile.Request{Flavours: []string{"docker"}, Replace: []string{"fake_thing.a[0]"}, Variables: map[string]json{"n": json("3"), "tags": json(`{"b":1,"a":[true,null]}`)}, Withheld: []string{"password"}},
		Record: planfile.Record{
			Deployments: []planfile.Deployment{{
				Name: "web::docker", Location: &planfile.Location{Kind: "docker", ID: "x"},
				Roles: []planfile.Role{{Name: "server", System: "/nix/store/a"}},
				Nodes: []planfile.Node{{Name: "server", Role: "server", Resource: `composition.web.docker.docker_container["server"]`}},
			}},
			Changes: []planfile.Change{
				{Address: "fake_thing.a[0]", Action: "create", After: value(t, cty.ObjectVal(map[string]cty.Value{
					"id": cty.UnknownVal(cty.String), "name": cty.StringVal("<é>"), "size": cty.NumberFloatVal(1.5),
					"token": cty.StringVal("geheim").Mark(marks.Sensitive), "none": cty.NullVal(cty.String),
					"tags": cty.MapVal(map[string]cty.Value{"x": cty.UnknownVal(cty.String)}), "set": cty.SetVal([]cty.Value{cty.StringVal("b"), cty.StringVal("a")}),
				}))},
				{Address: "fake_thing.b", Action: "replace", Changed: []planfile.Path{planfile.Path(cty.GetAttrPath("name").IndexInt(0))}},
			},
		},
	}
}

type json = stdjson.RawMessage

func encode(t testing.TB, f *planfile.File) []byte {
	t.Helper()
	data, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	first := encode(t, example(t))
	if bytes.Contains(first, []byte("geheim")) {
		t.Errorf("a secret stands in the file:\n%s", first)
	}
	back, err := planfile.Decode(first)
	if err != nil {
		t.Fatal(err)
	}
	if second := encode(t, back); !bytes.Equal(first, second) {
		t.Errorf("read and written again it is\n%s\nand was\n%s", second, first)
	}
	if lines, err := planfile.Differences(&back.Record, &example(t).Record); err != nil || len(lines) > 0 {
		t.Errorf("differences of a plan from itself: %q, %v", lines, err)
	}
	shown, err := back.Record.Changes[0].After.Cty("hidden")
	if err != nil {
		t.Fatal(err)
	}
	if id := shown.GetAttr("id"); id.IsKnown() {
		t.Errorf("the id is %#v, want unknown", id)
	}
	if token := shown.GetAttr("token"); !marks.IsSensitive(token) {
		t.Errorf("the token is %#v, want it sensitive", token)
	}
}

func TestDifferences(t *testing.T) {
	now := example(t)
	now.Record.Deployments[0].Roles[0].System = "/nix/store/b"
	now.Record.Deployments[0].Location.ID = "y"
	now.Record.Changes[0].After = value(t, cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("other")}))
	now.Record.Changes[1].Action = "update"
	now.Record.Changes = append(now.Record.Changes, planfile.Change{Address: "fake_thing.c", Action: "create"})
	lines, err := planfile.Differences(&example(t).Record, &now.Record)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "\n")
	want := `web::docker: its provider points at another place now
web::docker, role server: has another system now
fake_thing.a[0]: what it becomes (id, name, none, set, size, tags, token), is different now
fake_thing.b: was to be replaced, and is to be updated now
fake_thing.c: was not part of the plan`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	good := string(encode(t, example(t)))
	for name, c := range map[string]struct{ text, want string }{
		"another file":   {`resource "null_resource" "a" {}`, "it is no saved plan"},
		"other JSON":     {`{"version": 4}`, "it is no saved plan"},
		"torn":           {good[:len(good)/2], "is broken"},
		"newer":          {strings.Replace(good, `"nxc_plan": 1`, `"nxc_plan": 2`, 1), "saved by nxc 0.1.0"},
		"unknown member": {strings.Replace(good, `"lineage"`, `"linage"`, 1), "unknown field"},
		"an address":     {strings.Replace(good, `"fake_thing.b"`, `"fake_thing.b["`, 1), "is broken"},
		"a deployment":   {strings.Replace(good, `"web::docker": ""`, `"web": ""`, 1), "is no deployment"},
		"more":           {good + "{}", "is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := planfile.Decode([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := planfile.Decode(nil); !errors.Is(err, planfile.ErrNoPlan) {
		t.Errorf("nothing at all: %v", err)
	}
}

// FuzzPlanFile reads anything. What can be read is written the same each time,
// differs in nothing from itself, and can be shown.
func FuzzPlanFile(f *testing.F) {
	f.Add(string(encode(f, example(f))))
	f.Add(`{"nxc_plan":1,"version":"","workspace":"","hashes":{},"request":{},"plan":{"changes":[{"address":"a.b","action":"create","after":{"value":null,"sensitive":[[]]}}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := planfile.Decode([]byte(text))
		if err != nil {
			return
		}
		first := encode(t, file)
		back, err := planfile.Decode(first)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if second := encode(t, back); !bytes.Equal(first, second) {
			t.Fatalf("not stable:\n%s\n%s", first, second)
		}
		if lines, err := planfile.Differences(&file.Record, &back.Record); err != nil || len(lines) > 0 {
			t.Fatalf("differs from itself: %q, %v\n%s", lines, err, first)
		}
		for _, c := range file.Record.Changes {
			_, _ = c.After.Cty("")
			_, _ = c.Before.Cty("")
		}
	})
}

// TestNumbers wants a number that no machine can work with refused at once.
func TestNumbers(t *testing.T) {
	for _, text := range []string{"1e99999999", "-1e-99999999", "[1e1000000000]"} {
		if v, err := planfile.FromJSON([]byte(text)); err == nil {
			t.Errorf("%s is %#v, want an error", text, v.Type())
		}
	}
	if _, err := planfile.FromJSON([]byte("1.5e300")); err != nil {
		t.Error(err)
	}
}
