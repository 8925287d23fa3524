//go:build ignore

// This program evaluates every example in every flavour against a real nixpkgs,
// builds nothing, and prints a table: the derivation of each role's system and
// each artifact, from how many derivations it is built, and the time that the
// evaluation took. Standard error tells how far it is. It ends with status 1
// when one does not evaluate, and with 130 when it is interrupted.
//
// usage: go run .ci/check_nixos.go [-flavours A,B] [-jobs N] NXC NIXPKGS [EXAMPLE…]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

// needs is the first release of NixOS that has the options of an example.
var needs = map[string]string{"cluster": "21.11", "database": "21.11"} // services.redis.servers

// newer is the first release of NixOS that has what a flavour is made of.
var newer = map[string]string{"nixos-test-driver": "21.11", "nixos-test-ssh": "21.11"}

// refused is what a flavour says to an example that it cannot have.
var refused = map[[2]string]string{
	{"kernel", "g5k-image"}: "One image, with one command line", // and its roles' differ
}

// memory is what one evaluation takes at most, as far as was seen.
const memory = 2 << 30

func main() {
	log.SetFlags(0)
	log.SetPrefix("check-nixos: ")
	only := flag.String("flavours", "", "the flavours to evaluate, with commas; all by default")
	jobs := flag.Int("jobs", 0, "how many evaluations run at a time; by default as many as processors and free memory allow")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("usage: go run .ci/check_nixos.go [-flavours A,B] [-jobs N] NXC NIXPKGS [EXAMPLE…]")
	}
	nxc, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	nixpkgs, err := filepath.Abs(flag.Arg(1))
	if err != nil {
		log.Fatal(err)
	}
	all := cells{
		nxc: nxc, nixpkgs: nixpkgs, release: releaseOf(nixpkgs),
		examples: choose("example", withComposition(), flag.Args()[2:]),
		flavours: choose("flavour", offered(nxc), strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })),
	}
	if *jobs < 1 {
		*jobs = max(1, min(runtime.NumCPU(), int(available()/memory)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	status, err := all.run(ctx, *jobs)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(status)
}

// cells are what is evaluated: each example in each flavour.
type cells struct {
	nxc, nixpkgs, release string
	examples, flavours    []string

	scratch string // a folder for copies of the examples, and what nxc remembers
}

// cell is one of them on its way.
type cell struct {
	example, flavour string
	rows             chan string // its part of the table, when it is done
	outcome          outcome     // known with the rows
}

// outcome says how a cell ended.
type outcome int

const (
	leftOut   outcome = iota // by an interrupt
	evaluated                // to derivations
	refusedIt                // as it has to be
	failed
)

// run evaluates, so many at a time, and prints the table in its order.
func (c *cells) run(ctx context.Context, jobs int) (status int, err error) {
	began := time.Now()
	if c.scratch, err = os.MkdirTemp("", "nxc-check-nixos-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(c.scratch)
	site, err := simulator.Start(simulator.Options{}) // no evaluation asks it for more than its name
	if err != nil {
		return 1, err
	}
	defer site.Close()
	os.Setenv("NXC_G5K_API", site.API())
	os.Setenv("NXC_G5K_GATEWAY", site.Gateway())
	os.Setenv("XDG_CACHE_HOME", filepath.Join(c.scratch, "cache")) // the user's stays as it is

	var list []*cell
	var table []func() string // each prints a part, and waits for it
	for _, example := range c.examples {
		if first := needs[example]; c.release < first {
			table = append(table, func() string {
				return fmt.Sprintf("%-14s %-18s needs NixOS %s or later; this is %s\n", example, "", first, c.release)
			})
			continue
		}
		for _, flavour := range c.flavours {
			one := &cell{example: example, flavour: flavour, rows: make(chan string, 1)}
			list = append(list, one)
			table = append(table, func() string { return <-one.rows })
		}
	}
	progress := newProgress(os.Stderr, len(list))
	defer progress.end()
	queue := make(chan *cell, len(list))
	for _, one := range list {
		queue <- one
	}
	close(queue)
	var working sync.WaitGroup
	for range jobs {
		working.Go(func() {
			for one := range queue {
				if ctx.Err() == nil {
					progress.begin(one)
					rows := c.evaluate(ctx, one)
					progress.done(one)
					one.rows <- rows
				}
				close(one.rows)
			}
		})
	}
	progress.print(fmt.Sprintf("%-14s %-18s %-26s %11s %8s  %s\n", "example", "flavour", "of", "derivations", "seconds", "derivation"))
	for _, part := range table {
		progress.print(part())
	}
	working.Wait()
	progress.end()

	counts := map[outcome]int{}
	var wrong []string
	for _, one := range list {
		counts[one.outcome]++
		if one.outcome == failed {
			wrong = append(wrong, one.example+" "+one.flavour)
		}
	}
	fmt.Printf("\nNixOS %s: %d evaluated, %d refused as they have to be, %d failed; %s, %d at a time.\n",
		c.release, counts[evaluated], counts[refusedIt], counts[failed], time.Since(began).Round(time.Second), jobs)
	if len(wrong) > 0 {
		fmt.Println("Failed: " + strings.Join(wrong, ", "))
		status = 1
	}
	if counts[leftOut] > 0 {
		fmt.Printf("Interrupted: %d were not evaluated.\n", counts[leftOut])
		status = 130
	}
	return status, nil
}

// evaluate returns a cell's rows.
func (c *cells) evaluate(ctx context.Context, one *cell) string {
	rows, err := c.rows(ctx, one)
	want := refused[[2]string{one.example, one.flavour}]
	if first := newer[one.flavour]; c.release < first {
		want = "need NixOS " + first
	}
	if want != "" {
		if err != nil && strings.Contains(err.Error(), want) {
			one.outcome = refusedIt
			return fmt.Sprintf("%-14s %-18s refused, as it has to be: %s\n", one.example, one.flavour, want)
		}
		err = errors.Join(fmt.Errorf("it is not refused with %q", want), err)
	}
	if ctx.Err() != nil {
		return ""
	}
	if err != nil {
		one.outcome = failed
		return fmt.Sprintf("%-14s %-18s FAILED\n%s\n", one.example, one.flavour, indent(err.Error()))
	}
	one.outcome = evaluated
	return rows
}

// progress tells how far the cells are: on one line of a terminal, or now and
// then a line in a log.
type progress struct {
	out      io.Writer
	terminal bool
	total    int
	finished atomic.Int64

	mu      sync.Mutex
	running []string
	ticker  *time.Ticker
	stop    chan struct{}
	ended   sync.Once
}

// logged is how often a log hears of the progress.
const logged = 15 * time.Second

func newProgress(out *os.File, total int) *progress {
	info, err := out.Stat()
	p := &progress{out: out, total: total, stop: make(chan struct{})}
	p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	every := logged
	if p.terminal {
		every = time.Second
	}
	p.ticker = time.NewTicker(every)
	go func() {
		for {
			select {
			case <-p.ticker.C:
				p.mu.Lock()
				p.show()
				p.mu.Unlock()
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

// show writes the line.
func (p *progress) show() {
	line := fmt.Sprintf("check-nixos: %d of %d; now %s", p.finished.Load(), p.total, strings.Join(p.running, ", "))
	if p.terminal {
		fmt.Fprintf(p.out, "\r\033[K%s", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

func (p *progress) begin(one *cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, one.example+" "+one.flavour)
}

func (p *progress) done(one *cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.running, one.example+" "+one.flavour)
	p.running = slices.Delete(p.running, at, at+1)
	p.finished.Add(1)
}

// print writes a part of the table, where the line stood.
func (p *progress) print(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.out, "\r\033[K")
	}
	fmt.Print(text)
}

// end removes the line.
func (p *progress) end() {
	p.ended.Do(func() {
		p.ticker.Stop()
		close(p.stop)
		p.print("")
	})
}

// available is how much memory is free, or can be freed.
func available() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return memory
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return memory
}

// choose returns the names that were asked for, all where none was.
func choose(what string, all, asked []string) []string {
	for _, name := range asked {
		if !slices.Contains(all, name) {
			log.Fatalf("there is no %s %q, only %s", what, name, strings.Join(all, ", "))
		}
	}
	if len(asked) == 0 {
		return all
	}
	return asked
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

// rows evaluates a copy of one example in one flavour.
func (c *cells) rows(ctx context.Context, one *cell) (string, error) {
	folder, err := os.MkdirTemp(c.scratch, one.example+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("examples", one.example))); err != nil {
		return "", err
	}
	if err := rewrite(folder, c.nixpkgs, one.flavour); err != nil {
		return "", err
	}
	began := time.Now()
	command := exec.CommandContext(ctx, c.nxc, "build", "-dry-run", "-json", "-flavour", one.flavour)
	command.Dir = folder
	command.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(folder, ".state"), "NO_COLOR=1",
		"NIX_CONFIG="+os.Getenv("NIX_CONFIG")+"\nsubstitute = false") // what a cache has is not asked here
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches it once, from here
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		if said := messages(out) + problems.String(); said != "" {
			err = errors.New(strings.ReplaceAll(said, folder, filepath.Join("examples", one.example)))
		}
		return "", err
	}
	took := time.Since(began)
	var rows strings.Builder
	for line := range bytes.Lines(out) {
		var b built
		if json.Unmarshal(line, &b) != nil || b.Built == nil {
			continue
		}
		for _, kind := range []map[string]string{b.Built.Systems, b.Built.Artifacts} {
			for _, name := range slices.Sorted(maps.Keys(kind)) {
				drv := b.Built.Derivations[kind[name]]
				fmt.Fprintf(&rows, "%-14s %-18s %-26s %11d %8.1f  %s\n", one.example, one.flavour, name, requisites(drv), took.Seconds(), drv)
			}
		}
	}
	if rows.Len() == 0 {
		return "", errors.New("nxc build says of nothing that it would build it")
	}
	return rows.String(), nil
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
