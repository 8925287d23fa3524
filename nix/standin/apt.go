package standin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Package is a package of the distribution in the version that apt chose.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// aptClient asks apt without changing anything of the host: it simulates
// against an empty list of installed packages, and downloads to our folder.
type aptClient struct {
	dir      string
	host     distribution
	progress func(string)
}

// archives is where downloaded packages lie until they are unpacked.
func (a aptClient) archives() string { return filepath.Join(a.dir, "archives") }

// lists is our own copy of apt's package lists, for hosts that have none.
func (a aptClient) lists() string { return filepath.Join(a.dir, "lists") }

// cache is where apt keeps its index of those lists.
func (a aptClient) cache() string { return filepath.Join(a.dir, "apt") }

// fetch returns the wanted packages with what they depend on, by name, and
// their files. Where the host's package lists are missing or out of date, it
// fetches newer ones into our own folder and tries once more.
func (a aptClient) fetch(ctx context.Context, wanted []string) ([]Package, []string, error) {
	if err := os.MkdirAll(a.cache(), 0o755); err != nil {
		return nil, nil, fmt.Errorf("making a folder for apt's index: %w", err)
	}
	packages, archives, err := a.try(ctx, wanted)
	if err == nil || ctx.Err() != nil {
		return packages, archives, err
	}
	a.progress("fetching the distribution's package lists (apt-get update)")
	if update := a.update(ctx); update != nil {
		return nil, nil, fmt.Errorf("%w\n%w", err, update)
	}
	return a.try(ctx, wanted)
}

func (a aptClient) try(ctx context.Context, wanted []string) ([]Package, []string, error) {
	packages, err := a.resolve(ctx, wanted)
	if err != nil {
		return nil, nil, err
	}
	archives, err := a.download(ctx, packages)
	return packages, archives, err
}

// tidy removes what the store holds by now; that this fails costs only space.
func (a aptClient) tidy() {
	for _, folder := range []string{a.archives(), a.lists(), a.cache()} {
		_ = os.RemoveAll(folder)
	}
}

// resolve asks apt for the wanted packages and what they depend on.
func (a aptClient) resolve(ctx context.Context, wanted []string) ([]Package, error) {
	a.progress(fmt.Sprintf("asking apt what %d packages of %s need", len(wanted), a.host.label()))
	output, err := a.simulate(ctx, wanted)
	if err != nil {
		return nil, err
	}
	packages := parseSimulation(output)
	if len(packages) == 0 {
		return nil, errors.New("apt-get chose no package at all; does `apt-get -s install bash` work on this host?")
	}
	return packages, nil
}

func (a aptClient) simulate(ctx context.Context, wanted []string) (string, error) {
	arguments := append([]string{"-s", "-qq", "--no-install-recommends", "install"}, wanted...)
	return a.run(ctx, "finding the stand-in's packages", a.command(ctx, arguments...), nil)
}

// update fetches package lists into our own folder, which needs no privilege.
func (a aptClient) update(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(a.lists(), "partial"), 0o755); err != nil {
		return err
	}
	_, err := a.run(ctx, "fetching package lists", a.command(ctx, "-qq", "-o", "APT::Update::Error-Mode=any", "update"), nil)
	if err != nil {
		_ = os.RemoveAll(a.lists())
	}
	return err
}

// command is apt-get that believes nothing is installed, with an index of its
// own, and with our own lists if we had to fetch them.
func (a aptClient) command(ctx context.Context, arguments ...string) *exec.Cmd {
	options := []string{
		"-o", "APT::Sandbox::User=" + currentUser(),
		"-o", "Debug::NoLocking=true",
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache=" + a.cache(),
		// Whoever is offline should hear it soon; fetch tries a second time.
		"-o", "Acquire::Retries=0",
		"-o", "Acquire::http::Timeout=20",
	}
	if _, err := os.Stat(a.lists()); err == nil {
		options = append(options, "-o", "Dir::State::lists="+a.lists())
	}
	command := exec.CommandContext(ctx, "apt-get", append(options, arguments...)...)
	command.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return command
}

// download fetches packages, checked by apt against the signed lists, and
// returns their files in the packages' order.
func (a aptClient) download(ctx context.Context, packages []Package) ([]string, error) {
	if err := os.MkdirAll(a.archives(), 0o755); err != nil {
		return nil, fmt.Errorf("making a folder for downloads: %w", err)
	}
	arguments := []string{"-q", "download"}
	for _, p := range packages {
		arguments = append(arguments, p.Name+"="+p.Version)
	}
	command := a.command(ctx, arguments...)
	command.Dir = a.archives()
	done := 0
	_, err := a.run(ctx, fmt.Sprintf("downloading %d packages", len(packages)), command, func(line string) {
		if strings.HasPrefix(line, "Get:") {
			done++
			if done%10 == 0 || done == len(packages) {
				a.progress(fmt.Sprintf("downloading packages of %s: %d of %d", a.host.label(), done, len(packages)))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return a.find(packages)
}

// find maps packages to the files that apt-get download made: a colon in a
// version is written as %3a there.
func (a aptClient) find(packages []Package) ([]string, error) {
	files := make([]string, 0, len(packages))
	for _, p := range packages {
		version := strings.ReplaceAll(p.Version, ":", "%3a")
		pattern := filepath.Join(a.archives(), p.Name+"_"+version+"_*.deb")
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("apt-get download said it succeeded, but there is no %s", pattern)
		}
		files = append(files, found[0])
	}
	return files, nil
}

// run runs apt-get, hands its lines to each, and turns its failure into an
// error that says what to do.
func (a aptClient) run(ctx context.Context, doing string, command *exec.Cmd, each func(string)) (string, error) {
	var problems bytes.Buffer
	command.Stderr = &problems
	pipe, err := command.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	if err := command.Start(); err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	var output strings.Builder
	scanner := bufio.NewScanner(pipe)
	for scanner.Scan() {
		if each != nil {
			each(scanner.Text())
		}
		output.WriteString(scanner.Text() + "\n")
	}
	if err := command.Wait(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", aptError(doing, problems.String(), err)
	}
	return output.String(), nil
}

// aptError keeps apt's own lines and adds the usual remedy.
func aptError(doing, problems string, err error) error {
	var lines []string
	for _, line := range strings.Split(problems, "\n") {
		if rest, found := strings.CutPrefix(line, "E: "); found && len(lines) < 3 {
			lines = append(lines, rest)
		}
	}
	detail := strings.Join(lines, "; ")
	if detail == "" {
		detail = err.Error()
	}
	remedy := "is the distribution's mirror reachable? Try: apt-get update"
	if strings.Contains(problems, "Unable to locate package") {
		remedy = "check the name, or run apt-get update"
	}
	return fmt.Errorf("%s with apt-get: %s (%s)", doing, detail, remedy)
}

// parseSimulation reads "Inst name (version …)" lines, without what only
// maintainer scripts need, sorted by name.
func parseSimulation(output string) []Package {
	var packages []Package
	for _, line := range strings.Split(output, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "Inst" {
			continue
		}
		name, _, _ := strings.Cut(fields[1], ":")
		if leftOut(name) {
			continue
		}
		packages = append(packages, Package{Name: name, Version: strings.Trim(fields[2], "()")})
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return packages
}

func leftOut(name string) bool {
	if left[name] {
		return true
	}
	return slices.ContainsFunc(leftPatterns, func(pattern string) bool {
		matched, err := path.Match(pattern, name)
		return err == nil && matched
	})
}

// currentUser is the user that apt should download as: ours, because another
// could not write to our folder.
func currentUser() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return ""
}
