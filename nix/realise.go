package nix

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotValid means that a store path is not there, or not complete.
var ErrNotValid = errors.New("not in the Nix store")

// Realise builds or fetches outputs, as many at once as the user's settings or
// the processors allow, and links each in rootDir, which keeps them from the
// garbage collector until Prune or Unroot. Everything that can be built is
// built even when something fails; the error is then a *BuildError or
// BuildErrors.
func (n *Nix) Realise(ctx context.Context, outputs []Output, rootDir string, progress func(Event)) error {
	if err := os.MkdirAll(rootDir, 0o755); err != nil {
		return fmt.Errorf("garbage collector roots: %w", err)
	}
	rootDir, err := filepath.Abs(rootDir)
	if err != nil {
		return fmt.Errorf("garbage collector roots: %w", err)
	}
	var failures BuildErrors
	built := 0
	local, other := distinct(outputs, true), distinct(outputs, false)
	runs := []realiser{{outputs: local, local: true}, {outputs: other}}
	if n.where.Remote != "" { // which decides itself whom it asks
		runs = []realiser{{outputs: slices.Concat(local, other)}}
	}
	for i := range runs {
		r := &runs[i]
		r.Nix, r.progress = n, progress
		if len(r.outputs) == 0 {
			continue
		}
		realise := r.realise
		if n.where.Remote != "" {
			realise = r.realiseThere
		}
		err := realise(ctx, rootDir)
		built += r.done
		var failed BuildErrors
		if errors.As(err, &failed) {
			failures = append(failures, failed...)
		} else if err != nil {
			return err
		}
	}
	switch len(failures) {
	case 0:
		emitter(progress).emit(Event{Kind: EventDone, Done: built, Expected: built})
		return nil
	case 1:
		return failures[0]
	}
	return failures
}

// distinct returns the outputs of one kind in a fixed order, each once.
func distinct(outputs []Output, local bool) []Output {
	var out []Output
	for _, o := range outputs {
		if o.Local == local && (o.Drv != "" || o.Path != "") && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b Output) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Drv, b.Drv))
	})
	return out
}

// realiser is one run of nix-store --realise.
type realiser struct {
	*Nix
	outputs  []Output
	local    bool // no binary cache is asked
	progress emitter

	buildTracker
}

func (r *realiser) realise(ctx context.Context, rootDir string) error {
	targets, err := r.targets()
	if err != nil {
		return err
	}
	if err := r.build(ctx, rootDir, r.settings(ctx), append([]string{"--add-root", filepath.Join(rootDir, rootName(r.outputs)), "--indirect"}, targets...)...); err != nil {
		return err
	}
	for _, o := range r.outputs {
		if isWithin(o.Path, storeDir) && !r.exists(o.Path) {
			return fmt.Errorf("%s was built, but %s is %w", storeName(o.Drv), o.Path, ErrNotValid)
		}
	}
	return nil
}

// settings under which outputs are realised.
func (r *realiser) settings(ctx context.Context) []setting {
	settings := r.decided.parallel()
	settings = append(settings, r.decided.sandbox(os.Geteuid() == 0, groupFile(), func() bool { return userNamespaces(ctx) })...)
	settings = append(settings, r.where.caged()...)
	if r.local {
		settings = append(settings, setting{"substitute", "false"})
	}
	return settings
}

// build has Nix realise targets, and explains what failed.
func (r *realiser) build(ctx context.Context, rootDir string, settings []setting, args ...string) error {
	_, err := r.run(ctx, command{
		path:     r.store,
		args:     append([]string{"--realise", "--keep-going", "--log-format", "internal-json"}, args...),
		settings: settings,
		grace:    buildGrace,
		onLog:    func(e logEntry) { r.observe(e, r.progress) },

		elsewhere: r.where.Remote != "",
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return r.explain(ctx, err, rootDir)
}

// targets are the arguments for nix-store: of each derivation just the wanted
// output; or the path itself, when only that is left.
func (r *realiser) targets() ([]string, error) {
	var targets []string
	for _, o := range r.outputs {
		switch {
		case r.exists(o.Drv):
			target := o.Drv
			if name := r.outputName(o); name != "" {
				target += "!" + name
			}
			targets = append(targets, target)
		case r.exists(o.Path):
			targets = append(targets, o.Path)
		default:
			return nil, fmt.Errorf("%s (%s) is %w: it was collected as garbage since it was evaluated; evaluate again",
				storeName(cmp.Or(o.Drv, o.Path)), cmp.Or(o.Drv, o.Path), ErrNotValid)
		}
	}
	return targets, nil
}

// rootName names the links of one set of outputs. Nix appends a number to all
// but the first.
func rootName(outputs []Output) string {
	h := sha256.New()
	for _, o := range outputs {
		fmt.Fprintf(h, "%s %s\n", o.Drv, o.Path)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// outputName finds in a derivation the name of the output that has the wanted
// path; "" if the derivation does not say. A derivation begins with its
// outputs: Derive([("out","/nix/store/…","",""),…
func (n *Nix) outputName(o Output) string {
	text, err := os.ReadFile(n.physical(o.Drv))
	if err != nil || o.Path == "" {
		return ""
	}
	list, isDerivation := strings.CutPrefix(string(text), "Derive([(")
	list, _, ends := strings.Cut(list, ")],")
	if !isDerivation || !ends {
		return ""
	}
	for output := range strings.SplitSeq(list, "),(") {
		fields := strings.Split(output, ",")
		if len(fields) >= 2 && strings.Trim(fields[1], `"`) == o.Path {
			return strings.Trim(fields[0], `"`)
		}
	}
	return ""
}

// explain turns a failed run into the builds that failed, and says what each
// was needed for. What could be built is rooted all the same.
func (r *realiser) explain(ctx context.Context, err error, rootDir string) error {
	failures := r.failures()
	if len(failures) == 0 {
		return err
	}
	var built []Output
	for _, o := range r.outputs {
		if r.exists(o.Path) {
			built = append(built, o)
			continue
		}
		needs, err := r.requisites(ctx, o.Drv)
		if err != nil {
			r.logger.Debug("what a derivation needs is not known", "drv", o.Drv, "error", err)
			continue
		}
		for _, f := range failures {
			if slices.Contains(needs, f.Drv) {
				f.Outputs = append(f.Outputs, o)
			}
		}
	}
	if err := r.root(ctx, built, rootDir); err != nil {
		return errors.Join(BuildErrors(failures), err)
	}
	return BuildErrors(failures)
}

// requisites lists everything that building a derivation needs.
func (n *Nix) requisites(ctx context.Context, drv string) ([]string, error) {
	out, err := n.output(ctx, command{path: n.store, args: []string{"--query", "--requisites", drv}})
	return strings.Fields(string(out)), err
}

// root links outputs that are built in rootDir.
func (n *Nix) root(ctx context.Context, outputs []Output, rootDir string) error {
	if len(outputs) == 0 {
		return nil
	}
	args := []string{"--realise", "--add-root", filepath.Join(rootDir, rootName(outputs)), "--indirect"}
	for _, o := range outputs {
		args = append(args, o.Path)
	}
	_, err := n.output(ctx, command{path: n.store, args: args})
	return err
}
