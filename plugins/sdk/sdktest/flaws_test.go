package sdktest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
)

// flawVariable tells a child of the test program which flaw its provider has.
const flawVariable = "NXC_TEST_FLAW"

// TestFlawsAreSeen runs the suite on providers that break one promise each, in
// child processes, because a suite that finds something fails its test.
func TestFlawsAreSeen(t *testing.T) {
	for flaw, want := range map[string]string{
		"none":              "PASS",
		"undocumented":      "resource flaw_thing.extra: it has no doc tag",
		"create invents":    "create made something else than was planned (planned -> made):\n          name: \"a\" -> \"other\"",
		"read disagrees":    "Read does not agree with what was made (made -> read):\n          content: \"one\" -> \"one!\"",
		"read is blind":     "Read says that the object is gone",
		"read writes":       "Read made 1 writes; it must make none",
		"plan is restless":  "planning the same configuration again changes (is -> planned):",
		"plan overrules":    "Plan changes content, which the user set",
		"find is blind":     "Find finds 0 objects, want the one that was made",
		"find is greedy":    "Find finds 1 objects for a uuid that nobody used",
		"find is forgetful": `of attempt "", complete, want`,
		"delete leaks":      "Read says {",
		"delete is proud":   "delete: it is gone already",
		"update forgets":    "Read does not agree",
		"cancel is silent":  "the result says that nothing exists, Find finds",
	} {
		t.Run(flaw, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestFlawed$", "-test.v")
			cmd.Env = append(os.Environ(), flawVariable+"="+flaw)
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed == (flaw == "none") {
				t.Errorf("failed: %v\n%s", failed, out)
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("want %q in\n%s", want, out)
			}
		})
	}
}

func TestFlawed(t *testing.T) {
	flaw := os.Getenv(flawVariable)
	if flaw == "" {
		t.Skip("TestFlawsAreSeen runs this in a child process")
	}
	f := &flawed{flaw: flaw, made: map[string]flawedThing{}}
	resource := sdk.Managed[flawedThing]("flaw_thing", f, sdk.Options{Doc: "A thing."})
	if flaw == "undocumented" {
		resource = sdk.Managed[undocumentedThing]("flaw_thing", undocumented{}, sdk.Options{Doc: "A thing."})
	}
	config := map[string]any{"name": "a", "content": "one"}
	update := map[string]any{"name": "a", "content": "two"}
	if flaw == "undocumented" {
		config, update = map[string]any{}, nil
	}
	suite := sdktest.Suite{
		Provider: sdk.Provider{Name: "flaw", Version: "1", Resources: []sdk.Resource{resource}},
		Writes:   func() int { return f.writes },
		Cases:    []sdktest.Case{{Type: "flaw_thing", Config: config, Invisible: flaw == "undocumented"}},
	}
	if update != nil {
		suite.Cases[0].Update = update
	}
	sdktest.Run(t, suite)
}

type flawedThing struct {
	Name    string `nxc:"name,required,replace" doc:"Name."`
	Content string `nxc:"content,required" doc:"Content."`
	ID      string `nxc:"id,computed" doc:"Id."`
	UUID    string `nxc:"uuid,computed" doc:"Deployment."`
	Address string `nxc:"address,computed" doc:"Address."`
}

// flawed keeps its things in memory and breaks one promise.
type flawed struct {
	flaw   string
	mu     sync.Mutex
	made   map[string]flawedThing // by id
	writes int
}

func (f *flawed) has(flaw string) bool { return f.flaw == flaw }

func (f *flawed) Create(ctx context.Context, op sdk.Operation, want *flawedThing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	thing := *want
	thing.ID, thing.UUID, thing.Address = op.Attempt, op.UUID, op.Address
	if f.has("create invents") {
		thing.Name = "other"
	}
	f.made[thing.ID] = thing
	if f.has("cancel is silent") && len(f.made) > 0 && f.writes > 3 { // after the case's own life
		return errors.New("interrupted")
	}
	*want = thing
	return nil
}

func (f *flawed) Read(_ context.Context, _ sdk.Operation, have *flawedThing) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has("read writes") {
		f.writes++
	}
	thing, ok := f.made[have.ID]
	if !ok || f.has("read is blind") {
		return false, nil
	}
	*have = thing
	if f.has("read disagrees") {
		have.Content += "!"
	}
	return true, nil
}

func (f *flawed) Plan(_ context.Context, _ sdk.Operation, prior *flawedThing, p *sdk.Planned[flawedThing]) error {
	if f.has("plan is restless") && prior != nil {
		p.SetUnknown("id")
	}
	if f.has("plan overrules") {
		p.Value.Content = "better"
	}
	return nil
}

func (f *flawed) Update(_ context.Context, _ sdk.Operation, have flawedThing, want *flawedThing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	want.ID, want.UUID, want.Address = have.ID, have.UUID, have.Address
	if !f.has("update forgets") {
		f.made[have.ID] = *want
	}
	return nil
}

func (f *flawed) Delete(_ context.Context, _ sdk.Operation, have *flawedThing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if _, ok := f.made[have.ID]; !ok && f.has("delete is proud") {
		return errors.New("it is gone already")
	}
	if !f.has("delete leaks") {
		delete(f.made, have.ID)
	}
	return nil
}

func (f *flawed) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[flawedThing], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []sdk.Found[flawedThing]
	for _, thing := range f.made {
		if f.has("find is blind") || thing.UUID != op.UUID && !f.has("find is greedy") {
			continue
		}
		attempt := thing.ID
		if f.has("find is forgetful") {
			attempt = ""
		}
		found = append(found, sdk.Found[flawedThing]{Address: thing.Address, Attempt: attempt, Complete: true, Object: thing})
	}
	return found, nil
}

type undocumentedThing struct {
	Extra string `nxc:"extra"`
	ID    string `nxc:"id,computed" doc:"Id."`
}

type undocumented struct{}

func (undocumented) Create(_ context.Context, op sdk.Operation, want *undocumentedThing) error {
	want.ID = op.Attempt
	return nil
}

func (undocumented) Read(context.Context, sdk.Operation, *undocumentedThing) (bool, error) {
	return true, nil
}
func (undocumented) Delete(context.Context, sdk.Operation, *undocumentedThing) error { return nil }
func (undocumented) Find(context.Context, sdk.Operation) ([]sdk.Found[undocumentedThing], error) {
	return nil, nil
}
