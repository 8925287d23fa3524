//go:build ignore

// This program evaluates every example in every flavour against a real nixpkgs,
// builds nothing, and prints a table: the derivation of each role's system and
// each artifact, from how many derivations it is built, and the time that the
// evaluation took. It ends with status 1 when one does not evaluate.
//
// usage: go run .ci/check_nixos.go [-flavours A,B] NXC NIXPKGS [EXAMPLE…]
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

// needs is the first release of NixOS that has the options of an example.
var needs = map[string]string{"cluster": "21.11", "database": "21.11"} // services.redis.servers

// refused is what a flavour says to an example that it cannot have.
var refused = map[[2]string]string{
	{"kernel", "g5k-image"}: "One image, with one command line", // and its roles' differ
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("check-nixos: ")
	only := flag.String("flavours", "", "the flavours to evaluate, with commas; all by default")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("usage: go run .ci/check_nixos.go [-flavours A,B] NXC NIXPKGS [EXAMPLE…]")
	}
	nxc, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	nixpkgs, err := filepath.Abs(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	examples := flag.Args()[2:]
	if len(examples) == 0 {
		examples = withComposition()
	}
	flavours := offered(nxc)
	if *only != "" {
		flavours = strings.Split(*only, ",")
	}
	fmt.Printf("%-14s %-18s %-26s %11s %8s  %s\n", "example", "flavour", "of", "derivations", "seconds", "derivation")
	release := releaseOf(nixpkgs)
	failed := false
	site, err := simulator.Start(simulator.Options{}) // no evaluation asks it for more than its name
	if err != nil {
		log.Fatal(err)
	}
	defer site.Close()
	os.Setenv("NXC_G5K_API", site.API())
	os.Setenv("NXC_G5K_GATEWAY", site.Gateway())
	for _, example := range examples {
		if first := needs[example]; release < first {
			fmt.Printf("%-14s %-18s needs NixOS %s or later; this is %s\n", example, "", first, release)
			continue
		}
		for _, flavour := range flavours {
			err := check(nxc, nixpkgs, example, flavour)
			if want := refused[[2]string{example, flavour}]; want != "" {
				if err != nil && strings.Contains(err.Error(), want) {
					fmt.Printf("%-14s %-18s refused, as it has to be: %s\n", example, flavour, want)
					continue
				}
				err = errors.Join(fmt.Errorf("it is not refused with %q", want), err)
			}
			if err != nil {
				fmt.Printf("%-14s %-18s FAILED\n%s\n", example, flavour, indent(err.Error()))
				failed = true
			}
		}
	}
	if failed {
		site.Close()
		os.Exit(1)
	}
}

// releaseOf returns a nixpkgs's release, such as 25.11.
func releaseOf(nixpkgs string) string {
	text, err := os.ReadFile(filepath.Join(nixpkgs, ".version"))
	if err != nil { // a link to lib/.version, in newer ones
		text, err = os.ReadFile(filepath.Join(nixpkgs, "lib", ".version"))
	}
	if err != nil {
		log.Fatalf("%s holds no nixpkgs: %v", nixpkgs, err)
	}
	return strings.TrimSpace(string(text))
}

// withComposition lists the examples that have a composition.
func withComposition() []string {
	found, err := filepath.Glob("examples/*/composition*.nix")
	if err != nil || len(found) == 0 {
		log.Fatal("there are no examples: run it from the project's folder")
	}
	var names []string
	for _, file := range found {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return slices.Compact(names)
}

// offered lists the flavours of all providers.
func offered(nxc string) []string {
	out, err := exec.Command(nxc, "providers", "-json").Output()
	if err != nil {
		log.Fatalf("nxc providers: %v", err)
	}
	var list struct {
		Providers []struct {
			Flavours []string `json:"flavours"`
		} `json:"providers"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		log.Fatal(err)
	}
	var all []string
	for _, p := range list.Providers {
		all = append(all, p.Flavours...)
	}
	slices.Sort(all)
	return all
}

// built is what nxc build says of one deployment.
type built struct {
	Built *struct {
		Systems     map[string]string `json:"systems"`
		Artifacts   map[string]string `json:"artifacts"`
		Derivations map[string]string `json:"derivations"`
	} `json:"built"`
}

// check evaluates a copy of one example in one flavour.
func check(nxc, nixpkgs, example, flavour string) error {
	folder, err := os.MkdirTemp("", "nxc-check-nixos-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("examples", example))); err != nil {
		return err
	}
	if err := rewrite(folder, nixpkgs, flavour); err != nil {
		return err
	}
	began := time.Now()
	command := exec.Command(nxc, "build", "-dry-run", "-json", "-flavour", flavour)
	command.Dir = folder
	command.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(folder, ".state"), "NO_COLOR=1")
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s%s", messages(out), problems.String())
	}
	took := time.Since(began)
	for line := range bytes.Lines(out) {
		var b built
		if json.Unmarshal(line, &b) != nil || b.Built == nil {
			continue
		}
		for _, kind := range []map[string]string{b.Built.Systems, b.Built.Artifacts} {
			for _, name := range slices.Sorted(maps.Keys(kind)) {
				drv := b.Built.Derivations[kind[name]]
				fmt.Printf("%-14s %-18s %-26s %11d %8.1f  %s\n", example, flavour, name, requisites(drv), took.Seconds(), drv)
			}
		}
	}
	return nil
}

// rewrite points an example at the nixpkgs, and gives it the flavour alone.
func rewrite(folder, nixpkgs, flavour string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.nxc.hcl"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("%d configurations in %s", len(files), folder)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	file, diags := hclwrite.ParseConfig(text, files[0], hcl.InitialPos)
	if diags.HasErrors() {
		return diags
	}
	for _, block := range file.Body().Blocks() {
		switch block.Type() {
		case "composition":
			block.Body().SetAttributeValue("nixpkgs", cty.StringVal(nixpkgs))
			for _, inner := range block.Body().Blocks() {
				if inner.Type() == "flavour" {
					block.Body().RemoveBlock(inner)
				}
			}
			body := block.Body().AppendNewBlock("flavour", []string{flavour}).Body()
			if strings.HasPrefix(flavour, "g5k-") {
				body.SetAttributeValue("site", cty.StringVal("grenoble"))
			}
		case "output": // may speak of what a flavour does not have
			file.Body().RemoveBlock(block)
		}
	}
	return os.WriteFile(files[0], file.Bytes(), 0o600)
}

// requisites counts the derivations that one is built from, itself included.
func requisites(drv string) int {
	out, err := exec.Command("nix-store", "--query", "--requisites", drv).Output()
	if err != nil {
		return 0
	}
	count := 0
	for line := range strings.Lines(string(out)) {
		if strings.HasSuffix(strings.TrimSpace(line), ".drv") {
			count++
		}
	}
	return count
}

// messages collects the diagnostics of nxc's JSON lines.
func messages(out []byte) string {
	var all strings.Builder
	for line := range bytes.Lines(out) {
		var d struct {
			Diagnostic *struct {
				Summary string `json:"summary"`
				Detail  string `json:"detail"`
			} `json:"diagnostic"`
		}
		if json.Unmarshal(line, &d) == nil && d.Diagnostic != nil {
			fmt.Fprintf(&all, "%s: %s\n", d.Diagnostic.Summary, d.Diagnostic.Detail)
		}
	}
	return all.String()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
