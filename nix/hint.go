package nix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// advice is what to do about one kind of error. The text is given the groups
// of the pattern.
type advice struct {
	pattern *regexp.Regexp
	text    func(e *evaluator, groups []string) string
}

// rewordings say in a person's words what Nix says in its own.
var rewordings = []struct {
	pattern *regexp.Regexp
	words   string
}{
	{regexp.MustCompile(`^(?:getting status of|opening file|path) '([^']*)'(?:: No such file or directory| does not exist)$`), "$1 does not exist"},
	{regexp.MustCompile(`^access to (?:absolute )?path '([^']*)' is forbidden.*$`), "$1 must not be read"},
	{regexp.MustCompile(`^cannot build '/nix/store/[0-9a-z]{32}-([^']*)\.drv[^']*' during evaluation because .*$`), "$1 would have to be built before the composition can be evaluated"},
	{abortPattern, "$1"},
	{regexp.MustCompile(`(?s)^(Package .*, refusing to evaluate\.)\n.*$`), "$1"},
	{regexp.MustCompile(`^(?:function ')?anonymous (?:function|lambda)'?(?: at [^ ]*)? called `), "the function is called "},
}

// valuePattern is the beginning of a big value, which newer versions put into
// their messages.
var valuePattern = regexp.MustCompile(` of value '\{[^\n]*?elided» \}'|: \{[^\n]*elided» \}`)

// abortPattern is what Nix says when a file calls abort.
var abortPattern = regexp.MustCompile(`(?s)^evaluation aborted with the following error message: '(.*)'$`)

// reword returns a message in a person's words. Places in nxc's own files say
// nothing to a user and are left out.
func (e *evaluator) reword(message string) string {
	for _, r := range rewordings {
		if r.pattern.MatchString(message) {
			return r.pattern.ReplaceAllString(message, r.words)
		}
	}
	message = valuePattern.ReplaceAllString(message, "")
	own := regexp.MustCompile(` at ` + regexp.QuoteMeta(e.cacheDir) + `/[^ ]*`)
	return own.ReplaceAllString(message, "")
}

// advices are tried in order. Patterns match the words of every version of Nix
// that says them differently.
var advices = []advice{
	{regexp.MustCompile(`'([^']*\.drv)[^']*' during evaluation because the option 'allow-import-from-derivation' is disabled`), adviseImportFromDerivation},
	{regexp.MustCompile(`access to (?:absolute )?path '([^']*)' is forbidden`), adviseForbiddenPath},
	{regexp.MustCompile(`access to URI '([^']*)' is forbidden`), func(_ *evaluator, g []string) string {
		return "Fetch it over https, with its hash, or add it to the project's folder."
	}},
	{missingPattern, adviseMissingFile},
	{regexp.MustCompile(`undefined variable '([^']*)'`), adviseUndefined},
	{regexp.MustCompile(`called without required argument '([^']*)'`), func(_ *evaluator, g []string) string {
		return fmt.Sprintf("Whoever calls the function has to give it %s; otherwise give it a default (%[1]s ? …), or remove it.", g[1])
	}},
	{regexp.MustCompile(`called with unexpected argument '([^']*)'`), func(_ *evaluator, g []string) string {
		return fmt.Sprintf("Add %s, or \"...\", to the function's arguments.", g[1])
	}},
	{regexp.MustCompile(`infinite recursion encountered`), func(*evaluator, []string) string {
		return "A value needs itself. In modules this happens when imports depend on config or pkgs, or when an option is defined from itself."
	}},
	{regexp.MustCompile(`stack overflow|call depth exceeded`), func(*evaluator, []string) string {
		return "A function calls itself without end."
	}},
	{regexp.MustCompile(`unable to download '([^']*)'`), func(_ *evaluator, g []string) string {
		return fmt.Sprintf("Check that this machine reaches %s, or keep a copy in the project's folder.", g[1])
	}},
	{regexp.MustCompile(`Package .*is marked as broken, refusing`), func(*evaluator, []string) string {
		return "nixpkgs_config = { allowBroken = true } in the composition block permits it."
	}},
	{regexp.MustCompile(`Package .*has an unfree license.*refusing`), func(*evaluator, []string) string {
		return "nixpkgs_config = { allowUnfree = true } in the composition block permits it."
	}},
	{regexp.MustCompile(`Package .([^'’" ]*).*is marked as insecure, refusing`), func(_ *evaluator, g []string) string {
		return fmt.Sprintf("nixpkgs_config = { permittedInsecurePackages = [%q] } in the composition block permits it.", g[1])
	}},
	{regexp.MustCompile(`[Tt]he option .([^'"´]*)['"´](?: defined in [^ ]*)? does not exist`), func(_ *evaluator, g []string) string {
		return "Check its spelling, that the module which declares it is imported, and that this nixpkgs is new enough to have it."
	}},
}

var suggestion = regexp.MustCompile(`(?m)^\s*(Did you mean [^\n]*\?)\s*$`)

// absentPattern is what Nix says of a package that a collection does not have.
var absentPattern = regexp.MustCompile(`(?:undefined variable '([^']*)'|attribute '([^']*)' missing)`)

// hint returns what to do about an error: Nix's own suggestion if it has one,
// behind what is wanting in the embedded nixpkgs.
func (e *evaluator) hint(entry logEntry, err *EvalError) string {
	return strings.TrimSpace(e.adviseEmbedded(entry, err) + " " + e.general(entry, err))
}

// adviseEmbedded says where a package can be had that the embedded nixpkgs lacks.
func (e *evaluator) adviseEmbedded(entry logEntry, err *EvalError) string {
	match := absentPattern.FindStringSubmatch(entry.errorText())
	if !e.request.Nixpkgs.Embedded || match == nil {
		return ""
	}
	name, packages := match[2], strings.Contains(err.Source, "pkgs.") && strings.Contains(err.Source, "."+match[2])
	if match[1] != "" {
		name = match[1]
		for _, line := range numberedLines(err.File) {
			packages = packages || strings.Contains(line, "with pkgs")
		}
	}
	if !packages {
		return ""
	}
	return fmt.Sprintf("The embedded nixpkgs has few packages, and no %s. A real one, which `nxc lock' pins, has more.", name)
}

// general is what to do about an error whichever nixpkgs it is.
func (e *evaluator) general(entry logEntry, err *EvalError) string {
	if match := suggestion.FindStringSubmatch(entry.Message); match != nil && !strings.Contains(err.Message, match[1]) {
		return match[1]
	}
	if strings.Contains(err.Message, "Did you mean") {
		return ""
	}
	for _, a := range advices {
		if match := a.pattern.FindStringSubmatch(entry.errorText()); match != nil {
			return a.text(e, match)
		}
	}
	return ""
}

func adviseImportFromDerivation(_ *evaluator, groups []string) string {
	return fmt.Sprintf("The composition reads the result of building %s while it is evaluated (import from derivation), so nothing could be planned before that is built. Keep the generated file in the project's folder instead.", storeName(groups[1]))
}

func adviseForbiddenPath(e *evaluator, groups []string) string {
	return fmt.Sprintf("%s lies outside %s, so another machine would not have it. Copy it there, or pass its content in params.",
		groups[1], e.projectFolder())
}

// projectFolder is the widest folder that the composition may read.
func (e *evaluator) projectFolder() string {
	folder := e.request.home()
	if root := workTree(folder); root != "" {
		return root
	}
	return folder
}

// adviseMissingFile looks for a file whose name is nearly the missing one's.
func adviseMissingFile(_ *evaluator, groups []string) string {
	entries, err := os.ReadDir(filepath.Dir(groups[1]))
	if err != nil {
		return fmt.Sprintf("The folder %s does not exist either.", filepath.Dir(groups[1]))
	}
	best, bestDistance := "", 3
	for _, entry := range entries {
		if d := editDistance(entry.Name(), filepath.Base(groups[1])); d < bestDistance {
			best, bestDistance = entry.Name(), d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("Did you mean %s?", best)
}

// adviseUndefined knows the arguments that modules and compositions are given.
func adviseUndefined(_ *evaluator, groups []string) string {
	switch name := groups[1]; name {
	case "pkgs", "lib", "config", "options", "modulesPath", "setup", "nodes":
		return fmt.Sprintf("Add it to the function's arguments: { %s, ... }:", name)
	}
	return fmt.Sprintf("Check its spelling, and whether it has to be written as pkgs.%s or lib.%[1]s.", groups[1])
}

// editDistance counts the letters to insert, delete or replace between two
// words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
