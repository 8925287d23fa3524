package nix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Evaluate evaluates a composition. Nothing is built; the derivations are
// written into the Nix store and kept from the garbage collector for as long
// as the evaluation is remembered. An evaluation whose inputs have not changed
// is answered from the cache without starting a process.
//
// A mistake in the user's files is an *EvalError.
func (n *Nix) Evaluate(ctx context.Context, r Request, progress func(Event)) (*Evaluation, error) {
	r, err := r.prepare()
	if err != nil {
		return nil, err
	}
	e := evaluator{Nix: n, request: r, progress: progress}
	if err := e.locate(ctx); err != nil {
		return nil, err
	}
	if hit := n.lookup(e.key, r.Nixpkgs.Embedded); hit != nil {
		e.progress.emit(Event{Kind: EventDone})
		return hit, nil
	}
	if e.request.Nixpkgs, err = n.fetch(ctx, r.Nixpkgs, e.progress); err != nil {
		return nil, err
	}
	evaluation, err := e.evaluate(ctx)
	if err != nil {
		return nil, err
	}
	n.rootDerivations(ctx, e.key, evaluation)
	e.progress.emit(Event{Kind: EventDone, Done: e.reads.files})
	return evaluation, nil
}

// evaluator is one evaluation on its way.
type evaluator struct {
	*Nix
	request  Request
	progress emitter

	library, tracer, flavour string // folders of the cache
	standinIndex             string
	emulatorIndex            json.RawMessage
	folders                  []string // the user's, which may be read
	key                      string

	reads    readLog
	failure  *logEntry // the last error, which is the one that ended it
	plain    []string  // lines that are not JSON
	warnings []string
}

// locate puts everything that Nix will read where it can read it, and computes
// the cache's key.
func (e *evaluator) locate(ctx context.Context) error {
	tracer, err := tracer()
	if err != nil {
		return err
	}
	if e.tracer, err = e.materialise("trace", tracer); err != nil {
		return err
	}
	if e.Nix.library == nil {
		return errors.New("nxc's Nix library is missing")
	}
	if e.library, err = e.materialise("lib", e.Nix.library); err != nil {
		return err
	}
	if sources := e.request.Flavour.Sources; len(sources) > 0 {
		if e.flavour, err = e.materialise("flavours", sources); err != nil {
			return fmt.Errorf("flavour %s: %w", e.request.Flavour.Name, err)
		}
	}
	if e.request.Nixpkgs.Embedded {
		if e.standin == nil {
			return errors.New(`nixpkgs = "embedded" is not available here`)
		}
		report := func(text string) { e.progress.emit(Event{Kind: EventPreparing, Text: text}) }
		if e.standinIndex, err = e.standin(ctx, e.where.Root, report); err != nil {
			return fmt.Errorf("embedded nixpkgs: %w", err)
		}
		if e.request.Nodes != nil && e.emulator != nil {
			if e.emulatorIndex, err = e.emulator(ctx, e.where.Root, report); err != nil {
				return fmt.Errorf("embedded nixpkgs: %w", err)
			}
		}
	}
	version, err := e.Version(ctx)
	if err != nil {
		return err
	}
	e.folders = e.request.userFolders()
	e.key, err = cacheKey{
		Format:     cacheFormat,
		NixVersion: version,
		Settings:   e.settings,
		Library:    filepath.Base(e.library),
		Tracer:     filepath.Base(e.tracer),
		Standin:    e.standinIndex,
		Nixpkgs:    e.request.Nixpkgs,
		Flavour:    filepath.Base(e.flavour),
		Document:   e.request.document(e.physical(e.standinIndex), e.emulatorIndex, e.flavour),
		Folders:    e.folders,
		Build:      e.request.ImportFromDerivation,
		StoreRoot:  e.where.Root,
	}.hash()
	return err
}

// evaluate runs Nix and remembers the result if it can tell when it holds.
func (e *evaluator) evaluate(ctx context.Context) (*Evaluation, error) {
	request, start, err := e.writeRequest()
	if err != nil {
		return nil, err
	}
	defer os.Remove(request)
	e.reads = readLog{ignore: e.immutable(request), probe: filepath.Join(e.tracer, "probe.txt")}
	out, err := e.run(ctx, command{
		path:     e.instantiate,
		args:     e.arguments(request),
		settings: e.evalSettings(),
		onLog:    e.observe,
	})
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		return nil, e.explain(err)
	}
	evaluation, err := parseResult(out, e.request.Nixpkgs.Embedded)
	if err != nil {
		return nil, err
	}
	warnings := append(e.warnings, evaluation.Warnings...)
	if w := e.request.Nixpkgs.Warning; w != "" {
		warnings = append([]string{w}, warnings...)
	}
	for _, what := range e.reads.impure {
		warnings = append(warnings, fmt.Sprintf("the evaluation uses %s, which is not pinned and may differ every time", what))
	}
	evaluation.Warnings = unique(warnings)
	e.rememberIfSure(cacheEntry{Key: e.key, Result: out, Warnings: evaluation.Warnings}, start)
	return evaluation, nil
}

// rememberIfSure writes the cache entry, unless something that the evaluation
// read is unknown, changes every time, or changed meanwhile.
func (e *evaluator) rememberIfSure(entry cacheEntry, start time.Time) {
	if len(e.reads.impure) > 0 {
		return
	}
	if !e.reads.probed {
		e.logger.Debug("evaluation cache: this Nix does not log what it copies")
		return
	}
	dependencies, err := observeReads(e.reads.reads(), start)
	if err != nil {
		e.logger.Debug("evaluation cache: not remembered", "error", err)
		return
	}
	entry.Dependencies = dependencies
	e.remember(entry)
}

// writeRequest writes the request's file, and returns the time of the file
// system's clock at which the evaluation begins.
func (e *evaluator) writeRequest() (path string, start time.Time, err error) {
	text, err := json.Marshal(e.request.document(e.physical(e.standinIndex), e.emulatorIndex, e.flavour))
	if err != nil {
		return "", start, fmt.Errorf("request: %w", err)
	}
	folder := filepath.Join(e.cacheDir, "requests")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", start, fmt.Errorf("cache: %w", err)
	}
	file, err := os.CreateTemp(folder, "*.json")
	if err != nil {
		return "", start, fmt.Errorf("cache: %w", err)
	}
	_, err = file.Write(text)
	info, statErr := file.Stat()
	if err = errors.Join(err, statErr, file.Close()); err != nil {
		os.Remove(file.Name())
		return "", start, fmt.Errorf("request: %w", err)
	}
	return file.Name(), changeTime(info), nil
}

// immutable lists the folders that need no record: what lies there is part of
// the key.
func (e *evaluator) immutable(request string) []string {
	folders := []string{storeDir, e.physical(storeDir), e.library, e.tracer, request}
	if e.flavour != "" {
		folders = append(folders, e.flavour)
	}
	if p := e.request.Nixpkgs; p.Hash != "" && p.Path != "" {
		folders = append(folders, p.Path)
	}
	return folders
}

// storeDir is where Nix keeps everything.
const storeDir = "/nix/store"

// arguments of nix-instantiate.
func (e *evaluator) arguments(request string) []string {
	args := []string{
		"--eval", "--strict", "--json", "--read-write-mode", "--show-trace", "-vv",
		"--log-format", "internal-json",
	}
	args = append(args, e.searchPath(request)...)
	return append(args,
		filepath.Join(e.tracer, "trace.nix"),
		"--argstr", "entry", filepath.Join(e.library, "entry.nix"),
		"--argstr", "request", request,
		"--argstr", "nixpkgs", e.request.Nixpkgs.Path,
	)
}

// evalSettings make an evaluation depend on nothing that it does not name.
func (e *evaluator) evalSettings() []setting {
	s := []setting{
		{"restrict-eval", "true"},
		{"pure-eval", "false"},
		{"allowed-uris", "http:// https:// git:// ssh:// git+http:// git+https:// git+ssh:// github: gitlab:"},
		{"allow-import-from-derivation", fmt.Sprint(e.request.ImportFromDerivation)},
	}
	if e.request.Nixpkgs.Embedded {
		s = append(s, setting{"substitute", "false"})
	}
	return s
}

// observe takes one line of the evaluation's log.
func (e *evaluator) observe(entry logEntry) {
	files := e.reads.files
	if e.reads.observe(entry) {
		if e.reads.files != files {
			e.progress.emit(Event{Kind: EventEvaluating, Name: e.shortName(e.reads.current), Text: e.reads.current, Done: e.reads.files})
		}
		return
	}
	switch {
	case entry.Action == "":
		if len(e.plain) < maxPlainLines {
			e.plain = append(e.plain, entry.Message)
		}
	case entry.isError():
		e.failure = &entry
	case entry.Action == "msg" && entry.Level == levelError:
		e.trace(strings.TrimPrefix(entry.Message, "trace: "))
	case entry.Action == "msg" && entry.Level == levelWarn && strings.Contains(entry.Message, "'"+storeDir+"' does not exist"):
		// Older versions go by where the store lies.
	case entry.Action == "msg" && entry.Level == levelWarn:
		text := strings.TrimPrefix(entry.Message, "warning: ")
		if own, ok := strings.CutPrefix(entry.Message, "evaluation warning: "); ok {
			e.warnings = append(e.warnings, own)
			text = own
		}
		e.progress.emit(Event{Kind: EventWarning, Text: text})
	case entry.Action == "start" && entry.Type == activityBuild:
		e.progress.emit(Event{Kind: EventBuilding, Name: storeName(entry.str(0)), Drv: entry.str(0)})
	case entry.Action == "start" && entry.Type == activityFileTransfer:
		e.progress.emit(Event{Kind: EventDownloading, Name: entry.str(0)})
	}
}

// shortName is how a person calls a file that Nix reads.
func (e *evaluator) shortName(path string) string {
	places := []struct{ folder, name string }{
		{e.request.home(), ""},
		{e.request.Nixpkgs.Path, "nixpkgs"},
		{e.library, "nxc"},
		{e.tracer, "nxc"},
		{e.flavour, e.request.Flavour.Name},
	}
	for _, place := range places {
		if rest, below := strings.CutPrefix(path, place.folder+"/"); below && place.folder != "" {
			return filepath.Join(place.name, rest)
		}
	}
	return path
}

// trace takes what the user's own files, or a library, say with builtins.trace.
func (e *evaluator) trace(text string) {
	for _, prefix := range []string{"evaluation warning: ", "warning: "} {
		if warning, ok := strings.CutPrefix(text, prefix); ok {
			e.warnings = append(e.warnings, warning)
			e.progress.emit(Event{Kind: EventWarning, Text: warning})
			return
		}
	}
	kind := EventLog
	if strings.HasPrefix(text, "waiting for ") {
		kind = EventWaiting
	}
	e.progress.emit(Event{Kind: kind, Text: text})
}

// explain turns a failed run into an error about the user's files.
func (e *evaluator) explain(err error) error {
	var failed *CommandError
	if !errors.As(err, &failed) {
		return err
	}
	if e.failure != nil {
		return e.evalError(*e.failure)
	}
	if entry, found := parsePlainError(e.plain); found {
		return e.evalError(entry)
	}
	return fmt.Errorf("evaluating %s: %w", e.request.sources()[0], failed)
}

// unique drops repetitions and keeps the order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
