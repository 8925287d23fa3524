package standin

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The corpus keeps the stand-in honest: what its files evaluate to on a real
// NixOS is recorded beside them, and must be what they evaluate to here.
// NXC_NIXPKGS=/path/to/nixpkgs go test ./nix/standin -run Corpus records anew.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, file := range files {
		golden := strings.TrimSuffix(file, ".nix") + ".json"
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if nixpkgs := os.Getenv("NXC_NIXPKGS"); nixpkgs != "" {
				recordGolden(t, file, golden, nixpkgs)
			}
			text, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			decode(t, text, &want)
			decode(t, evaluate(t, standinSet+`in import `+absolute(t, file)+` { inherit (standin) lib; eval = modules: standin.evalConfig { inherit modules; }; }`), &got)
			compare(t, "", got, want)
		})
	}
}

// What NixOS quotes when it refuses a mistake, the stand-in says as well: the
// option, where it is set, and the type that was wanted.
func TestMistakesAsInNixOS(t *testing.T) {
	const file, golden = "testdata/mistakes.nix", "testdata/mistakes.json"
	var names []string
	decode(t, evaluate(t, `builtins.attrNames (import `+absolute(t, file)+`)`), &names)
	quoted := map[string][]string{}
	refuse := func(t *testing.T, name, eval string) string {
		_, problem := tryEvaluate(t, `let
			role = `+eval+` [ (import `+absolute(t, file)+`).`+name+` { boot.isContainer = true; documentation.nixos.enable = false; } ];
		in builtins.deepSeq (role.config.mine or null) role.config.system.build.toplevel.drvPath`)
		if problem == "" {
			t.Fatalf("%s is not refused", name)
		}
		return problem
	}
	if nixpkgs := os.Getenv("NXC_NIXPKGS"); nixpkgs != "" {
		eval := `(modules: import "${toString ` + absolute(t, nixpkgs) + `}/nixos/lib/eval-config.nix" { system = "x86_64-linux"; inherit modules; })`
		for _, name := range names {
			quoted[name] = quotes(refuse(t, name, eval))
		}
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")
		if err := errors.Join(encoder.Encode(quoted), os.WriteFile(golden, text.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	decode(t, text, &quoted)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(quoted[name]) == 0 {
				t.Error("NixOS quotes nothing: record it anew, with NXC_NIXPKGS")
			}
			problem := refuse(t, name, `(modules: `+standinSet+`in standin.evalConfig { inherit modules; })`)
			for _, word := range quoted[name] {
				// Newer releases say list of string, and put odd names between quotes.
				if !strings.Contains(strings.ReplaceAll(problem, `"`, ""), strings.TrimSuffix(strings.ReplaceAll(word, `"`, ""), "s")) {
					t.Errorf("NixOS speaks of `%s', the stand-in says:\n%s", word, problem)
				}
			}
		})
	}
}

// quotes lists what a message of NixOS's has between quotes.
func quotes(message string) []string {
	var all []string
	for _, found := range regexp.MustCompile("`([^`']+)'").FindAllStringSubmatch(message, -1) {
		if !slices.Contains(all, found[1]) {
			all = append(all, found[1])
		}
	}
	slices.Sort(all)
	return all
}

func recordGolden(t *testing.T, file, golden, nixpkgs string) {
	t.Helper()
	text := evaluate(t, `let nixpkgs = toString `+absolute(t, nixpkgs)+`; in import `+absolute(t, file)+` {
		lib = import "${nixpkgs}/lib";
		eval = modules: import "${nixpkgs}/nixos/lib/eval-config.nix" { system = "x86_64-linux"; inherit modules; };
	}`)
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", " "); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(golden, append(bytes.TrimSpace(indented.Bytes()), '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare names every value that differs.
func compare(t *testing.T, path string, got, want any) {
	t.Helper()
	gotSet, isSet := got.(map[string]any)
	wantSet, wantsSet := want.(map[string]any)
	if !isSet || !wantsSet {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the stand-in says %v, NixOS %v", path, got, want)
		}
		return
	}
	for name := range wantSet {
		compare(t, path+"."+name, gotSet[name], wantSet[name])
	}
	for name := range gotSet {
		if _, known := wantSet[name]; !known {
			t.Errorf("%s.%s: only the stand-in has it", path, name)
		}
	}
}

// standinSet binds the stand-in to a recorded index, whose store paths need not
// exist to evaluate.
const standinSet = `let standin = import ../lib/standin {
	index = builtins.fromJSON (builtins.readFile ./testdata/index.json);
	system = "x86_64-linux";
};
`

// evaluate returns an expression's value as JSON.
func evaluate(t *testing.T, expression string) []byte {
	t.Helper()
	output, problem := tryEvaluate(t, expression)
	if problem != "" {
		t.Fatal(problem)
	}
	return output
}

// tryEvaluate returns an expression's value as JSON, or what Nix says instead.
// It writes nothing to the store.
func tryEvaluate(t *testing.T, expression string) ([]byte, string) {
	t.Helper()
	if _, err := exec.LookPath("nix-instantiate"); err != nil {
		t.Skip("skipped: there is no nix-instantiate; install Nix (make deps)")
	}
	command := exec.CommandContext(t.Context(), "nix-instantiate", "--eval", "--strict", "--json", "--readonly-mode", "-")
	command.Stdin = strings.NewReader(expression)
	var output, problems bytes.Buffer
	command.Stdout, command.Stderr = &output, &problems
	if err := command.Run(); err != nil {
		return nil, strings.TrimSpace(problems.String() + err.Error())
	}
	return output.Bytes(), ""
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return absolute
}
